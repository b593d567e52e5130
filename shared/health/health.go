// Package health answers two probes of a service: whether the process is alive
// (/healthz), and whether it can serve (/readyz). If it cannot, the answer names
// the server that it depends on and that is at fault.
//
// Nothing internal is shown: a failed check is shown as a class of error, such
// as "connection refused", never as the text of the error.
package health

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"stavka.local/shared/fault"
)

const (
	// freshness is how long the results of the checks are reused, so that probes
	// put hardly any load on the servers behind them.
	freshness = time.Second
	// patience is the time limit of one check.
	patience = 2 * time.Second
)

// Check returns nil if a server works. It must return when its context ends. An
// error made by Down is shown as it is, a fault by its detail, and any other error
// as its class.
type Check func(context.Context) error

// Registry holds the checks of a service and whether the service is ready. The
// zero value is not usable; call New. Checks must be added before the registry
// serves. Everything else is safe for concurrent use.
type Registry struct {
	checks  []*check
	members map[string]func() any

	mu    sync.Mutex
	phase phase

	// checking holds a token while the checks run, so that concurrent probes share
	// their results. It guards the fields below.
	checking chan struct{}
	checked  time.Time
	last     map[string]Result
}

type check struct {
	name     string
	required bool
	run      Check
	running  chan struct{} // holds a token while run runs
}

type phase int

const (
	starting phase = iota
	ready
	stopping
)

// Status is the status of a check or of the service.
type Status string

// The statuses.
const (
	OK          Status = "ok"
	Unavailable Status = "down"
)

// Result is the result of one check.
type Result struct {
	Status Status `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// New returns the registry of a service that is not ready yet.
func New() *Registry {
	return &Registry{members: map[string]func() any{}, checking: make(chan struct{}, 1)}
}

// Require adds a check that must succeed for the service to be ready.
func (r *Registry) Require(name string, run Check) { r.add(name, run, true) }

// Watch adds a check that is shown but does not decide readiness: the service can
// work without that server for a while or in part.
func (r *Registry) Watch(name string, run Check) { r.add(name, run, false) }

func (r *Registry) add(name string, run Check, required bool) {
	r.checks = append(r.checks, &check{name: name, required: required, run: run, running: make(chan struct{}, 1)})
}

// Show adds a member to the body of /readyz beside status and checks. value is
// called for each response, must be quick, and must return a value that
// encoding/json can encode.
func (r *Registry) Show(member string, value func() any) { r.members[member] = value }

// Ready marks the start of the service as complete. It is idempotent and has no
// effect once the service is stopping.
func (r *Registry) Ready() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase == starting {
		r.phase = ready
	}
}

// Stopping marks the service as stopping: from now on it is not ready.
func (r *Registry) Stopping() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = stopping
}

// Live answers /healthz with 200. It checks no other server, so that a fault of
// another does not cause a restart of this one.
func (r *Registry) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]any{"status": OK, "checks": map[string]Result{}})
	})
}

// Readiness answers /readyz with 200 while the service is ready and the required
// checks succeed, and with 503 otherwise. The body has the result of every check.
func (r *Registry) Readiness() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		isReady, results := r.state(req.Context())
		body := map[string]any{"status": OK, "checks": results}
		status := http.StatusOK
		if !isReady {
			body["status"] = Unavailable
			status = http.StatusServiceUnavailable
		}
		for name, value := range r.members {
			body[name] = value()
		}
		write(w, status, body)
	})
}

// state returns whether the service is ready, and the results to show.
func (r *Registry) state(ctx context.Context) (bool, map[string]Result) {
	r.mu.Lock()
	phase := r.phase
	r.mu.Unlock()

	results := r.results(ctx)
	isReady := phase == ready
	for _, c := range r.checks {
		if c.required && results[c.name].Status != OK {
			isReady = false
		}
	}
	shown := make(map[string]Result, len(results)+1)
	maps.Copy(shown, results)
	switch phase {
	case starting:
		shown["start"] = Result{Unavailable, "not finished yet"}
	case stopping:
		shown["stop"] = Result{Unavailable, "shutting down"}
	case ready:
	}
	return isReady, shown
}

// results runs the checks, or returns their last results if they are fresh. The
// caller must not change the map.
func (r *Registry) results(ctx context.Context) map[string]Result {
	r.checking <- struct{}{}
	defer func() { <-r.checking }()
	if r.last != nil && time.Since(r.checked) < freshness {
		return r.last
	}
	// Other probes reuse the results: a probe that is cancelled must not make the
	// servers look unavailable.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()

	results := make([]Result, len(r.checks))
	var wg sync.WaitGroup
	for i, c := range r.checks {
		wg.Go(func() { results[i] = c.result(ctx) })
	}
	wg.Wait()

	r.last = make(map[string]Result, len(r.checks))
	for i, c := range r.checks {
		r.last[c.name] = results[i]
	}
	r.checked = time.Now()
	return r.last
}

// result runs the check and stops waiting for it when ctx ends. The check is not
// run again before it has returned, so that hanging checks do not pile up.
func (c *check) result(ctx context.Context) Result {
	select {
	case c.running <- struct{}{}:
	default:
		return Result{Unavailable, classTimeout}
	}
	done := make(chan error, 1) // buffered: a late result has no receiver
	go func() {
		defer func() { <-c.running }()
		done <- c.run(ctx)
	}()
	select {
	case err := <-done:
		if err != nil {
			return Result{Unavailable, class(err)}
		}
		return Result{Status: OK}
	case <-ctx.Done():
		return Result{Unavailable, classTimeout}
	}
}

const (
	classTimeout = "no answer in time"
	classRefused = "connection refused"
	classUnknown = "not working"
)

type down string

func (d down) Error() string { return string(d) }

// Down returns an error whose text is shown on /readyz. The text must not be
// internal: no addresses, no names of users, no messages of libraries.
func Down(detail string) error { return down(detail) }

// class returns the class of a failure, in words that show nothing internal.
func class(err error) string {
	var (
		d   down
		dns *net.DNSError
		n   net.Error
	)
	switch f := fault.Find(err); {
	case errors.As(err, &d):
		return string(d)
	case f != nil && f.Kind != fault.Internal:
		return f.Detail
	case errors.Is(err, syscall.ECONNREFUSED):
		return classRefused
	case errors.As(err, &dns):
		return "host name not found"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &n) && n.Timeout():
		return classTimeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection lost"
	default:
		return classUnknown
	}
}

func write(w http.ResponseWriter, status int, body map[string]any) {
	data, err := json.Marshal(body)
	if err != nil { // a member that cannot be encoded
		status, data = http.StatusInternalServerError, []byte(`{"status":"down","checks":{}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the client may be gone
}
