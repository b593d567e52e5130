// Package health answers the two questions that whoever runs a service asks it:
// is the process alive (/healthz), and can it serve (/readyz), and if not,
// which of the servers it depends on is at fault.
//
// Nothing internal is shown: a failed check is shown as a class of error, such
// as "connection refused", never as the error's own text.
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
	// freshness is how long an answer of the checks is used again, so that
	// probes cost the servers behind them next to nothing.
	freshness = time.Second
	// patience is how long one check may take.
	patience = 2 * time.Second
)

// Check tells whether a server is there. It must end when its context does. An
// error made by Down is shown as it is; a fault by its detail; any other as the
// class of failure.
type Check func(context.Context) error

// Registry holds a service's checks and whether it is ready. The zero value is
// not usable; call New. Add checks before it serves; everything else is safe for
// concurrent use.
type Registry struct {
	checks  []*check
	members map[string]func() any

	mu    sync.Mutex
	phase phase

	// asking holds a token while the checks run, so that concurrent probes share
	// them; it guards what follows.
	asking   chan struct{}
	answered time.Time
	answer   map[string]Result
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

// Status is what a check, or the service, says.
type Status string

// The statuses.
const (
	OK          Status = "ok"
	Unavailable Status = "down"
)

// Result is what one check says.
type Result struct {
	Status Status `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// New returns a registry of a service that is not ready yet.
func New() *Registry {
	return &Registry{members: map[string]func() any{}, asking: make(chan struct{}, 1)}
}

// Require adds a check without which the service is not ready.
func (r *Registry) Require(name string, run Check) { r.add(name, run, true) }

// Watch adds a check that is shown but does not decide readiness: the service
// works without that server, for a while or in part.
func (r *Registry) Watch(name string, run Check) { r.add(name, run, false) }

func (r *Registry) add(name string, run Check, required bool) {
	r.checks = append(r.checks, &check{name: name, required: required, run: run, running: make(chan struct{}, 1)})
}

// Show adds a member to the body of /readyz beside status and checks. value is
// called for each answer, must be quick, and returns something JSON can show.
func (r *Registry) Show(member string, value func() any) { r.members[member] = value }

// Ready says that the service has everything it needs to begin with. It is
// idempotent, and has no effect once the service is stopping.
func (r *Registry) Ready() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase == starting {
		r.phase = ready
	}
}

// Stopping says that the service is about to stop: from now on it is not ready.
func (r *Registry) Stopping() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = stopping
}

// Live answers /healthz: 200 for as long as the process answers at all. It looks
// at no other server, so that nobody restarts this one for another's fault.
func (r *Registry) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]any{"status": OK, "checks": map[string]Result{}})
	})
}

// Readiness answers /readyz: 200 while the service is ready and the servers it
// requires are there, else 503. The body says what every check says.
func (r *Registry) Readiness() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		isReady, results := r.ask(req.Context())
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

// ask returns whether the service is ready, and what the checks say.
func (r *Registry) ask(ctx context.Context) (bool, map[string]Result) {
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

// results runs the checks, or returns what they said less than freshness ago.
// The map is not to be changed.
func (r *Registry) results(ctx context.Context) map[string]Result {
	r.asking <- struct{}{}
	defer func() { <-r.asking }()
	if r.answer != nil && time.Since(r.answered) < freshness {
		return r.answer
	}
	// The answer is for everybody who asks within a second: that this prober
	// went away must not show as servers that are down.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()

	said := make([]Result, len(r.checks))
	var wg sync.WaitGroup
	for i, c := range r.checks {
		wg.Go(func() { said[i] = c.ask(ctx) })
	}
	wg.Wait()

	r.answer = make(map[string]Result, len(r.checks))
	for i, c := range r.checks {
		r.answer[c.name] = said[i]
	}
	r.answered = time.Now()
	return r.answer
}

// ask runs the check and gives up on it when ctx ends. One that is given up on
// is not run again before it has returned, so that they do not pile up.
func (c *check) ask(ctx context.Context) Result {
	select {
	case c.running <- struct{}{}:
	default:
		return Result{Unavailable, classTimeout}
	}
	done := make(chan error, 1) // buffered: nobody may be there to receive
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

// Down returns an error whose text is shown to whoever asks. It must hold
// nothing internal: no addresses, no names of users, no messages of libraries.
func Down(detail string) error { return down(detail) }

// class says what kind of failure err is, in words that tell nothing internal.
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
	if err != nil { // a member that JSON cannot show
		status, data = http.StatusInternalServerError, []byte(`{"status":"down","checks":{}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the prober may be gone
}
