package httpapi

import (
	"errors"
	"math"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"testing"

	"stavka.local/shared/httpedge"
)

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	for _, id := range []int64{1, 100, math.MaxInt64} {
		if got, err := parseCursor(formatCursor(id)); got != id || err != nil {
			t.Errorf("got %d, %v; want %d", got, err, id)
		}
	}
	if got := formatCursor(100); got != "MTAw" { // as in the contract's example
		t.Errorf("got %s, want MTAw", got)
	}
	if got, err := parseCursor(""); got != 0 || err != nil {
		t.Errorf("no cursor: got %d, %v", got, err)
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, text := range []string{"", "MTAw", "MQ", "MQ==", "MA", "LTE", "MDE", "KzE", "MTA_", "MTAx\n", formatCursor(math.MaxInt64), "OTIyMzM3MjAzNjg1NDc3NTgwOA"} {
		f.Add(text)
	}
	allowed := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseCursor(text)
		switch {
		case text == "":
		case err != nil && (id != 0 || !errors.Is(err, httpedge.ErrInvalidRequest)):
			t.Errorf("got %d, %v; want an invalid request", id, err)
		case err == nil && (id < 1 || formatCursor(id) != text || !allowed.MatchString(text)):
			t.Errorf("accepted %q as %d, whose cursor is %q", text, id, formatCursor(id))
		}
	})
}

func TestNextLinkKeepsTheFilters(t *testing.T) {
	t.Parallel()
	got := nextLink("/api/bets", url.Values{"status": {"won"}}, formatCursor(100), 50)
	if want := `</api/bets?after=MTAw&limit=50&status=won>; rel="next"`; *got != want {
		t.Errorf("got %s, want %s", *got, want)
	}
}

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
		"no address":                   {"pipe", []string{"198.51.100.1"}, trusted, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/token", nil)
			r.RemoteAddr = tt.remote
			for _, value := range tt.forwarded {
				r.Header.Add("X-Forwarded-For", value)
			}
			if got := clientAddress(r, tt.trusted).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
