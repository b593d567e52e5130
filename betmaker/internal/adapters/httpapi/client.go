package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/requestid"
)

type clientKey struct{}

// noteClient tells the operations where a request comes from: the generated server hides
// the request from them. Placing a bet does not ask, and is the one that has to be fast.
func (s *server) noteClient(next oapi.StrictHandlerFunc, operation string) oapi.StrictHandlerFunc {
	if operation == "PlaceBet" {
		return next
	}
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		return next(context.WithValue(ctx, clientKey{}, clientAddress(r, s.TrustedProxies)), w, r, request)
	}
}

// clientFrom returns where a request comes from, or the zero Addr when that is not known.
func clientFrom(ctx context.Context) netip.Addr {
	address, _ := ctx.Value(clientKey{}).(netip.Addr)
	return address
}

// callerFrom returns who asks, and from where, as the audit log names them.
func callerFrom(ctx context.Context) domain.Caller {
	caller := domain.Caller{Actor: actorFrom(ctx), RequestID: requestid.From(ctx)}
	if address := clientFrom(ctx); address.IsValid() {
		caller.Address = address.String()
	}
	return caller
}

// clientAddress returns the address that a request comes from: that of the connection,
// or, when that is a proxy that we trust, the nearest in X-Forwarded-For that is none.
// What lies behind that one anybody can make up.
func clientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	connection, _ := netip.ParseAddrPort(r.RemoteAddr)
	address := connection.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !contains(trusted, address) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		address = next.Unmap()
	}
	return address
}

func contains(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(address) })
}
