package httpedge_test

import (
	"context"
	"io"
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

// newDeferred returns an edge whose operation placeBet checks the token itself. The token "unknown" is not
// recognised, and Confirm refuses the token "revoked". The user of a token has its name; one
// with a version, "user/1", is counted apart.
func newDeferred(t *testing.T, atOnce int64, patience time.Duration, place http.HandlerFunc) http.Handler {
	t.Helper()
	return newBounded(t, httpedge.Deferred{AtOnce: atOnce, Patience: patience}, place)
}

// newBounded is newDeferred with the bounds of d.
func newBounded(t *testing.T, d httpedge.Deferred, place http.HandlerFunc) http.Handler {
	t.Helper()
	type tokenKey struct{}
	d.Operation = "placeBet"
	d.Recognise = func(ctx context.Context, token string) (context.Context, error) {
		if token == "unknown" {
			return nil, httpedge.ErrUnauthenticated
		}
		user, _, versioned := strings.Cut(token, "/")
		httpedge.NameUser(ctx, user)
		if versioned {
			httpedge.CountAs(ctx, token)
		}
		return context.WithValue(ctx, tokenKey{}, token), nil
	}
	d.Confirm = func(ctx context.Context) error {
		if ctx.Value(tokenKey{}) == "revoked" {
			return errRevoked
		}
		return nil
	}
	handler, err := httpedge.New(httpedge.Options{
		Title: "deferred", Spec: []byte(deferredSpec), Health: health.New(), Metrics: metrics.New("test"),
		Mount: func(r chi.Router) {
			r.Post("/bets", place)
			r.Get("/bets", func(http.ResponseWriter, *http.Request) {})
		},
		Authenticate: func(context.Context, string) (context.Context, error) { return nil, httpedge.ErrUnauthenticated },
		Deferred:     d,
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func ask(t *testing.T, handler http.Handler, method, token, body string) *httptest.ResponseRecorder {
	t.Helper()
	return askSlowly(t, handler, method, token, strings.NewReader(body))
}

func askSlowly(t *testing.T, handler http.Handler, method, token string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/bets", body)
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

// A request has a place only while its operation runs: not while its body arrives, nor while the rest
// of a refused body is read away.
func TestSlowBodiesTakeNoPlace(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		token, begin, rest string
		want               int
	}{
		"a body that comes later":   {"slow", `{"amount":`, `1}`, http.StatusOK},
		"a malformed body":          {"slow", `{]`, ``, http.StatusBadRequest},
		"a body that is too large":  {"slow", `{"amount":` + strings.Repeat(" ", httpedge.BodyLimit), `1}`, http.StatusRequestEntityTooLarge},
		"a token that is not known": {"unknown", `{"amount":`, `1}`, http.StatusUnauthorized},
		"a token that was revoked":  {"revoked", `{]`, ``, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				handler := newDeferred(t, 1, time.Millisecond, func(http.ResponseWriter, *http.Request) {})
				body, sent := io.Pipe()
				slow, proceed := make(chan int), make(chan struct{})
				go func() {
					slow <- askSlowly(t, handler, http.MethodPost, tt.token, body).Code
					_ = body.Close()
				}()
				go func() {
					_, _ = io.WriteString(sent, tt.begin)
					<-proceed
					_, _ = io.WriteString(sent, tt.rest)
					_ = sent.Close()
				}()
				synctest.Wait() // until the edge waits for the rest of the body
				if got := ask(t, handler, http.MethodPost, "good", `{"amount":1}`); got.Code != http.StatusOK {
					t.Errorf("beside it: %d %s", got.Code, got.Body)
				}
				close(proceed)
				if got := <-slow; got != tt.want {
					t.Errorf("got %d, want %d", got, tt.want)
				}
			})
		})
	}
}

// One user cannot have all places, nor stand before others in the queue.
func TestPlacesOfOneUserAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		entered, leave, left := make(chan string), make(chan struct{}), make(chan int)
		handler := newBounded(t, httpedge.Deferred{AtOnce: 3, AtOncePerUser: 2, Patience: time.Second}, func(_ http.ResponseWriter, r *http.Request) {
			entered <- strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			<-leave
		})
		place := func(user string) { left <- ask(t, handler, http.MethodPost, user, `{"amount":1}`).Code }
		const greedy = 10
		for range greedy {
			go place("greedy")
		}
		<-entered
		<-entered
		synctest.Wait() // until the others wait
		go place("modest")
		if user := <-entered; user != "modest" {
			t.Fatalf("the third place is that of user %s", user)
		}
		for range greedy - 2 {
			if code := <-left; code != http.StatusServiceUnavailable {
				t.Errorf("a request beyond the bound of its user got %d", code)
			}
		}
		close(leave)
		for range 3 {
			if code := <-left; code != http.StatusOK {
				t.Errorf("a request within the bounds got %d", code)
			}
		}
		synctest.Wait()
		go place("greedy") // its places are free again
		<-entered
		if code := <-left; code != http.StatusOK {
			t.Errorf("a later request got %d", code)
		}
	})
}

// A user who places too often is refused after a while, before the body is read, and other users are
// not. Other operations are counted apart.
func TestRequestsOfOneUserAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		handler := newBounded(t, httpedge.Deferred{PerSecond: 2}, func(http.ResponseWriter, *http.Request) {})
		place := func(user string, want int) {
			t.Helper()
			if got := ask(t, handler, http.MethodPost, user, `{"amount":1}`); got.Code != want {
				t.Errorf("a request of %s got %d %s, want %d", user, got.Code, got.Body, want)
			}
		}
		for range 10 { // saved up over five seconds
			place("greedy", http.StatusOK)
		}
		began := time.Now()
		got := ask(t, handler, http.MethodPost, "greedy", `{]`)
		if got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") != "1" || !strings.Contains(got.Body.String(), `"too_many_requests"`) {
			t.Errorf("one more got %d %v %s", got.Code, got.Header(), got.Body)
		}
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("it was refused after %s", took)
		}
		place("modest", http.StatusOK)
		place("greedy/2", http.StatusOK)
		place("greedy", http.StatusOK) // half a second later
		place("greedy", http.StatusTooManyRequests)
		if got := ask(t, handler, http.MethodGet, "greedy", ""); got.Code != http.StatusUnauthorized {
			t.Errorf("another operation got %d", got.Code)
		}
		time.Sleep(time.Minute)
		for range 10 {
			place("greedy", http.StatusOK)
		}
		place("greedy", http.StatusTooManyRequests)
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
