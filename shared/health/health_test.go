package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/shared/fault"
	"stavka.local/shared/health"
)

type result struct {
	Status string `json:"status"`
	Detail string `json:"detail"`
}

type answer struct {
	code   int
	Status string            `json:"status"`
	Checks map[string]result `json:"checks"`
	Feed   map[string]any    `json:"feed"`
}

func ask(t *testing.T, h http.Handler) answer {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", http.NoBody))
	got := answer{code: w.Code}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
	return got
}

func expect(t *testing.T, got, want answer) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func fine(context.Context) error { return nil }

func TestPhases(t *testing.T) {
	t.Parallel()
	r := health.New()
	r.Require("postgres", fine)
	up := result{Status: "ok"}

	expect(t, ask(t, r.Readiness()), answer{code: 503, Status: "down",
		Checks: map[string]result{"postgres": up, "start": {"down", "not finished yet"}}})
	r.Ready()
	r.Ready()
	expect(t, ask(t, r.Readiness()), answer{code: 200, Status: "ok", Checks: map[string]result{"postgres": up}})
	r.Stopping()
	r.Ready()
	expect(t, ask(t, r.Readiness()), answer{code: 503, Status: "down",
		Checks: map[string]result{"postgres": up, "stop": {"down", "shutting down"}}})
}

func TestReadinessFollowsRequiredChecks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var postgres, rabbitmq atomic.Pointer[error]
		check := func(p *atomic.Pointer[error]) health.Check {
			return func(context.Context) error {
				if err := p.Load(); err != nil {
					return *err
				}
				return nil
			}
		}
		r := health.New()
		r.Require("postgres", check(&postgres))
		r.Watch("rabbitmq", check(&rabbitmq))
		r.Show("feed", func() any { return map[string]any{"alive": true} })
		r.Ready()
		feed := map[string]any{"alive": true}
		up, down := result{Status: "ok"}, result{"down", "connection refused"}
		refused := error(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})

		rabbitmq.Store(&refused)
		expect(t, ask(t, r.Readiness()), answer{200, "ok", map[string]result{"postgres": up, "rabbitmq": down}, feed})
		<-time.After(time.Second)
		postgres.Store(&refused)
		expect(t, ask(t, r.Readiness()), answer{503, "down", map[string]result{"postgres": down, "rabbitmq": down}, feed})
		<-time.After(time.Second)
		postgres.Store(nil)
		rabbitmq.Store(nil)
		expect(t, ask(t, r.Readiness()), answer{200, "ok", map[string]result{"postgres": up, "rabbitmq": up}, feed})
	})
}

func TestLiveRunsNoChecks(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	r := health.New()
	r.Require("postgres", func(context.Context) error { calls.Add(1); return io.EOF })
	r.Stopping()
	expect(t, ask(t, r.Live()), answer{code: 200, Status: "ok", Checks: map[string]result{}})
	if calls.Load() != 0 {
		t.Error("/healthz ran a check")
	}
}

func TestClasses(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 5432}, Err: syscall.ECONNREFUSED}
	for want, err := range map[string]error{
		"connection refused":              fmt.Errorf("ping postgres://user:hunter2@10.0.0.7: %w", refused),
		"host name not found":             &net.DNSError{Err: "no such host", Name: "10.0.0.7.internal"},
		"no answer in time":               fmt.Errorf("ping 10.0.0.7: %w", context.DeadlineExceeded),
		"connection lost":                 fmt.Errorf("10.0.0.7: %w", syscall.ECONNRESET),
		"not working":                     errors.New("FATAL: password authentication failed for user hunter2 at 10.0.0.7"),
		"12 changes wait to be published": fmt.Errorf("10.0.0.7: %w", health.Down("12 changes wait to be published")),
		"The line is not known.":          fault.New(fault.Unavailable, "feed_unavailable", "The line is not known.").Because(refused),
	} {
		r := health.New()
		r.Require("store", func(context.Context) error { return err })
		r.Ready()
		got := ask(t, r.Readiness())
		if got.Checks["store"] != (result{"down", want}) || got.code != 503 {
			t.Errorf("%v is shown as %+v, want %q", err, got.Checks["store"], want)
		}
	}
	r := health.New()
	r.Require("store", func(context.Context) error { return fault.New(fault.Internal, "internal_error", "at 10.0.0.7") })
	if got := ask(t, r.Readiness()).Checks["store"]; got.Detail != "not working" {
		t.Errorf("an internal fault is shown as %+v", got)
	}
}

func TestResultsAreReusedForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		r := health.New()
		r.Require("postgres", func(context.Context) error {
			calls.Add(1)
			<-time.After(500 * time.Millisecond)
			return nil
		})
		r.Ready()
		var probes sync.WaitGroup
		for range 50 {
			probes.Go(func() { ask(t, r.Readiness()) })
		}
		probes.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("50 probes at once ran the check %d times", n)
		}
		<-time.After(999 * time.Millisecond)
		ask(t, r.Readiness())
		if n := calls.Load(); n != 1 {
			t.Errorf("within a second the check ran %d times", n)
		}
		<-time.After(time.Millisecond)
		ask(t, r.Readiness())
		if n := calls.Load(); n != 2 {
			t.Errorf("after a second the check ran %d times, want 2", n)
		}
	})
}

func TestSlowChecksAreBoundedAndDoNotPileUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		released := make(chan struct{})
		r := health.New()
		r.Require("deaf", func(context.Context) error { calls.Add(1); <-released; return nil })
		r.Watch("listening", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		r.Watch("quick", fine)
		r.Ready()

		late := result{"down", "no answer in time"}
		for range 3 {
			begin := time.Now()
			expect(t, ask(t, r.Readiness()), answer{code: 503, Status: "down",
				Checks: map[string]result{"deaf": late, "listening": late, "quick": {Status: "ok"}}})
			if took := time.Since(begin); took != 2*time.Second {
				t.Errorf("the checks took %v, want 2 s for all together", took)
			}
			<-time.After(time.Second)
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("a check that hangs runs %d times at once", n)
		}
		close(released)
		synctest.Wait()
		if got := ask(t, r.Readiness()).Checks["deaf"]; got.Status != "ok" {
			t.Errorf("the check returned, and its result is %+v", got)
		}
	})
}

func TestCancelledProbeDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
	r := health.New()
	r.Require("postgres", func(ctx context.Context) error { return ctx.Err() })
	r.Ready()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	r.Readiness().ServeHTTP(w, httptest.NewRequestWithContext(gone, http.MethodGet, "/readyz", http.NoBody))
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "down") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestMemberThatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	r := health.New()
	r.Show("feed", func() any { return func() {} })
	if got := ask(t, r.Readiness()); got.code != http.StatusInternalServerError || got.Status != "down" {
		t.Errorf("got %+v", got)
	}
}
