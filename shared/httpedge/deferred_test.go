package httpedge_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"stavka.local/shared/fault"
	"stavka.local/shared/health"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/metrics"
)

const deferredSpec = `
openapi: 3.0.3
info: {title: deferred, version: "1"}
security: [{token: []}]
components: {securitySchemes: {token: {type: http, scheme: bearer}}}
paths:
  /bets:
    post:
      operationId: placeBet
      requestBody: {required: true, content: {application/json: {schema: {type: object, required: [amount]}}}}
      responses: {'200': {description: It is placed.}}
    get:
      operationId: listBets
      responses: {'200': {description: The bets.}}
`

var errRevoked = fault.New(fault.Forbidden, "revoked", "The token was revoked.")

// newDeferred returns an edge whose operation placeBet checks the token itself. Confirm refuses
// the token "revoked".
func newDeferred(t *testing.T, atOnce int64, patience time.Duration, place http.HandlerFunc) http.Handler {
	t.Helper()
	type tokenKey struct{}
	note := func(ctx context.Context, token string) (context.Context, error) {
		return context.WithValue(ctx, tokenKey{}, token), nil
	}
	handler, err := httpedge.New(httpedge.Options{
		Title: "deferred", Spec: []byte(deferredSpec), Health: health.New(), Metrics: metrics.New("test"),
		Mount: func(r chi.Router) {
			r.Post("/bets", place)
			r.Get("/bets", func(http.ResponseWriter, *http.Request) {})
		},
		Authenticate: func(context.Context, string) (context.Context, error) { return nil, httpedge.ErrUnauthenticated },
		Deferred: httpedge.Deferred{
			Operation: "placeBet", AtOnce: atOnce, Patience: patience, Recognise: note,
			Confirm: func(ctx context.Context) error {
				if ctx.Value(tokenKey{}) == "revoked" {
					return errRevoked
				}
				return nil
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func ask(t *testing.T, handler http.Handler, method, token, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/bets", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestDeferredOperationChecksTheToken(t *testing.T) {
	t.Parallel()
	placed := 0
	handler := newDeferred(t, 0, 0, func(http.ResponseWriter, *http.Request) { placed++ })
	for name, tt := range map[string]struct {
		method, token, body string
		want                int
	}{
		"a good token":                         {http.MethodPost, "good", `{"amount":1}`, http.StatusOK},
		"a revoked one reaches the operation":  {http.MethodPost, "revoked", `{"amount":1}`, http.StatusOK},
		"a malformed request":                  {http.MethodPost, "good", `{}`, http.StatusBadRequest},
		"a malformed request, a revoked token": {http.MethodPost, "revoked", `{}`, http.StatusForbidden},
		"another operation":                    {http.MethodGet, "good", "", http.StatusUnauthorized},
	} {
		if got := ask(t, handler, tt.method, tt.token, tt.body); got.Code != tt.want {
			t.Errorf("%s: %d %s, want %d", name, got.Code, got.Body, tt.want)
		}
	}
	if placed != 2 {
		t.Errorf("the operation was called %d times, want 2", placed)
	}
}

// Requests beyond the limit are refused when their patience ends, and take no place.
func TestTooManyRequestsAtOnceAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const atOnce = 3
		entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan int)
		handler := newDeferred(t, atOnce, time.Millisecond, func(http.ResponseWriter, *http.Request) {
			entered <- struct{}{}
			<-leave
		})
		place := func() { left <- ask(t, handler, http.MethodPost, "good", `{"amount":1}`).Code }
		for range atOnce {
			go place()
			<-entered
		}
		for range 2 * atOnce {
			got := ask(t, handler, http.MethodPost, "good", `{"amount":1}`)
			if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" || !strings.Contains(got.Body.String(), `"unavailable"`) {
				t.Fatalf("a request beyond the limit got %d %s", got.Code, got.Body)
			}
		}
		close(leave)
		synctest.Wait() // until the places are free
		go place()
		<-entered
		for range atOnce + 1 {
			if code := <-left; code != http.StatusOK {
				t.Errorf("a request within the limit got %d", code)
			}
		}
	})
}

// A request that waits for a place gets the first that becomes free.
func TestWaitingRequestGetsAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan int)
		handler := newDeferred(t, 1, time.Hour, func(http.ResponseWriter, *http.Request) {
			entered <- struct{}{}
			<-leave
		})
		const requests = 5
		for range requests {
			go func() { left <- ask(t, handler, http.MethodPost, "good", `{"amount":1}`).Code }()
		}
		for range requests {
			<-entered
			select {
			case <-entered:
				t.Error("two requests have a place at once")
			case leave <- struct{}{}:
			}
			if code := <-left; code != http.StatusOK {
				t.Errorf("got %d", code)
			}
		}
	})
}

func TestMissingOperationCannotBeDeferred(t *testing.T) {
	t.Parallel()
	_, err := httpedge.New(httpedge.Options{
		Title: "deferred", Spec: []byte(deferredSpec), Health: health.New(), Metrics: metrics.New("test"),
		Mount:    func(r chi.Router) { r.Post("/bets", nil); r.Get("/bets", nil) },
		Deferred: httpedge.Deferred{Operation: "PlaceBet"},
	})
	if err == nil || !strings.Contains(err.Error(), `"PlaceBet"`) {
		t.Errorf("got the error %v, want one that names the operation", err)
	}
}
