package httpedge_test

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"stavka.local/shared/httpedge"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, tt := range map[string]struct {
		remote    string
		forwarded []string
		trusted   []netip.Prefix
		want      string
	}{
		"a direct connection":          {"192.0.2.1:1234", nil, trusted, "192.0.2.1"},
		"IPv6":                         {"[2001:db8::1]:1234", nil, trusted, "2001:db8::1"},
		"IPv4 in IPv6":                 {"[::ffff:192.0.2.1]:1234", nil, nil, "192.0.2.1"},
		"a header from no proxy":       {"192.0.2.1:1234", []string{"198.51.100.1"}, trusted, "192.0.2.1"},
		"no proxy is trusted":          {"10.0.0.1:1234", []string{"198.51.100.1"}, nil, "10.0.0.1"},
		"behind a proxy":               {"10.0.0.1:1234", []string{"198.51.100.1"}, trusted, "198.51.100.1"},
		"behind two proxies":           {"10.0.0.1:1234", []string{"198.51.100.1, fd00::1"}, trusted, "198.51.100.1"},
		"in two headers":               {"10.0.0.1:1234", []string{"198.51.100.1", "10.0.0.2"}, trusted, "198.51.100.1"},
		"with a forged address before": {"10.0.0.1:1234", []string{"203.0.113.1, 198.51.100.1"}, trusted, "198.51.100.1"},
		"with nonsense":                {"10.0.0.1:1234", []string{"198.51.100.1, unknown"}, trusted, "10.0.0.1"},
		"a proxy without a header":     {"10.0.0.1:1234", nil, trusted, "10.0.0.1"},
		"only proxies":                 {"10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, trusted, "10.0.0.3"},
		"with a zone":                  {"10.0.0.1:1234", []string{"fe80::1%\x1b[31mred"}, trusted, "fe80::1"},
		"no address":                   {"pipe", []string{"198.51.100.1"}, trusted, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/token", nil)
			r.RemoteAddr = tt.remote
			for _, value := range tt.forwarded {
				r.Header.Add("X-Forwarded-For", value)
			}
			if got := httpedge.ClientAddress(r, tt.trusted).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
