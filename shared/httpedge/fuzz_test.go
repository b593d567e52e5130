package httpedge_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/go-chi/chi/v5"

	"stavka.local/shared/health"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/metrics"
)

// FuzzRequests checks that no request gets a response of status 500 or above.
func FuzzRequests(f *testing.F) {
	const jsonType, form = "application/json", "application/x-www-form-urlencoded"
	f.Add("POST", "/bets", "", jsonType, "key", []byte(bet))
	f.Add("POST", "/bets", "", jsonType, "\xff", []byte(`{"event_id":1,"amount":1.005,"legs":[{"price":1e400}]}`))
	f.Add("POST", "/bets", "", "text/plain; charset=\"", "", []byte("\x00"))
	f.Add("GET", "/bets", "need=true&limit=5&status=won&text=%00", "", "", []byte(nil))
	f.Add("GET", "/bets/%ff", "", "", "", []byte(nil))
	f.Add("PATCH", "/bets/1", "", jsonType, "", []byte(nested(17)))
	f.Add("POST", "/token", "", form, "", []byte("username=a&password=b&username=c"))
	f.Add("POST", "/token", "", form, "", []byte("%zz=;&=&password[a]=%u0000"))

	handler, err := httpedge.New(httpedge.Options{
		Title: "edge", Spec: spec, Health: health.New(), Metrics: metrics.New("test"),
		Mount: func(r chi.Router) {
			mount(r, func(h http.HandlerFunc) http.HandlerFunc { return h }, nil)
		},
		Authenticate: func(ctx context.Context, _ string) (context.Context, error) { return ctx, nil },
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, query, contentType, key string, body []byte) {
		target, err := url.ParseRequestURI(path)
		if err != nil {
			return // net/http refuses it
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", bytes.NewReader(body))
		r.Method, r.URL = method, target
		r.URL.RawQuery = query
		r.Header.Set("Authorization", "Bearer token")
		r.Header["Content-Type"] = []string{contentType}
		r.Header["Idempotency-Key"] = []string{key}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		unready := path == "/readyz" && w.Code == http.StatusServiceUnavailable
		if w.Code >= http.StatusInternalServerError && !unready {
			t.Errorf("%s %s?%s is answered %d %s", method, path, query, w.Code, w.Body)
		}
	})
}
