package httpedge

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ClientAddress returns the address of the client: that of the connection or, if that is a trusted
// proxy, the nearest untrusted one in X-Forwarded-For. Addresses further away could be forged. It
// returns the zero Addr if the address is not known. It has no zone, which a proxy's client could
// invent.
func ClientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	connection, _ := netip.ParseAddrPort(r.RemoteAddr)
	address := connection.Addr().Unmap().WithZone("")
	if !contains(trusted, address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		address = next.Unmap().WithZone("")
		if !contains(trusted, address) {
			break
		}
	}
	return address
}

func contains(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(address) })
}
