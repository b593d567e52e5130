// Package lifecycle starts the parts of a service in order and stops them in
// reverse, each by name and within a time limit.
//
// A part is one of three: a resource that exists already (OnStop, on the line
// after it was made), a component with a start and a stop (Add), or a loop that
// runs until its context ends (Go). A group is filled, started and stopped once.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// DefaultStopTimeout is how long one part may take to stop.
const DefaultStopTimeout = 10 * time.Second

// lastWord is how long a part may take to return after its context has ended.
const lastWord = 100 * time.Millisecond

// ErrStopped is returned by Start when the group has been stopped.
var ErrStopped = errors.New("stopped")

// Func starts, stops or runs a part. It must return soon after ctx has ended.
type Func func(ctx context.Context) error

// Group holds the parts of a service. OnStop, Add and Go fill it and must happen
// before Start; Start, Stop and Wait are safe for concurrent use.
type Group struct {
	logger      *slog.Logger
	stopTimeout time.Duration

	parts []part

	mu      sync.Mutex // held by Start and by Stop while they work
	started bool       // Start was called
	running []part     // the parts to stop, in the order of starting
	stopped bool
	stopErr error

	failOnce sync.Once
	failed   chan struct{} // closed when a loop ended too early
	failure  error         // the reason; set before failed is closed
}

type part struct {
	name  string
	start Func // nil for a resource, which exists before the start
	stop  Func // nil when there is nothing to stop
}

// New returns an empty group. Each part may take stopTimeout to stop; 0 means
// DefaultStopTimeout. The group logs every start and stop.
func New(logger *slog.Logger, stopTimeout time.Duration) *Group {
	if stopTimeout <= 0 {
		stopTimeout = DefaultStopTimeout
	}
	return &Group{logger: logger, stopTimeout: stopTimeout, failed: make(chan struct{})}
}

// OnStop registers the release of a resource that has been made. Stop releases it
// whether or not the group was started.
func (g *Group) OnStop(name string, stop Func) { g.add(part{name: name, stop: stop}) }

// Add registers a component. Either function may be nil. stop is called only if
// start returned nil.
func (g *Group) Add(name string, start, stop Func) {
	if start == nil {
		start = func(context.Context) error { return nil }
	}
	g.add(part{name: name, start: start, stop: stop})
}

// Go registers a loop. Start runs it in a goroutine. Stop cancels the context of
// the loop and waits for it. That context has the values of Start's context, but
// not its end. A loop that returns before its context ends has failed, even with
// nil: Wait reports it. An error that the loop returns later is reported by Stop,
// unless it is context.Canceled.
func (g *Group) Go(name string, run Func) {
	var (
		end  context.CancelFunc
		done = make(chan struct{})
		err  error // set before done is closed
	)
	start := func(ctx context.Context) error {
		ctx, end = context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // stop calls it
		go func() {
			defer close(done)
			err = run(ctx)
			if ctx.Err() == nil {
				g.fail(name, err)
				err = nil // reported
			}
		}()
		return nil
	}
	stop := func(context.Context) error {
		end()
		<-done // stopPart limits the wait
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	g.add(part{name: name, start: start, stop: stop})
}

func (g *Group) add(p part) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started || g.stopped {
		panic("lifecycle: " + p.name + " added after start")
	}
	g.parts = append(g.parts, p)
}

// Start starts the parts in the order of registration. When a part fails, or ctx
// ends, Start stops everything again, in reverse, and returns an error that names
// the part and the reason. It may be called once.
func (g *Group) Start(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return ErrStopped
	}
	if g.started {
		panic("lifecycle: started twice")
	}
	g.started = true
	for _, p := range g.parts {
		err := ctx.Err()
		if err == nil && p.start != nil {
			g.logger.DebugContext(ctx, "starting", "part", p.name)
			err = p.start(ctx)
		}
		if err != nil {
			err = fmt.Errorf("start %s: %w", p.name, err)
			return errors.Join(err, g.unwind(context.WithoutCancel(ctx)))
		}
		g.running = append(g.running, p)
	}
	return nil
}

// Stop stops the started parts and releases the resources, in the reverse order.
// When a part does not stop within its time limit, or before ctx ends, Stop
// reports it, leaves it behind and goes on with the next. The error joins all
// errors. Stop is idempotent: later calls wait for the first and return its error.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return g.stopErr
	}
	return g.unwind(ctx)
}

// unwind is Stop with the lock held.
func (g *Group) unwind(ctx context.Context) error {
	g.stopped = true
	todo := g.running
	// Resources exist also behind the part that failed to start, and in a group
	// that was never started.
	for _, p := range g.parts[len(g.running):] {
		if p.start == nil {
			todo = append(todo, p)
		}
	}
	var errs []error
	for _, p := range slices.Backward(todo) {
		if p.stop == nil {
			continue
		}
		g.logger.DebugContext(ctx, "stopping", "part", p.name)
		if err := g.stopPart(ctx, p); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.name, err))
		}
	}
	g.stopErr = errors.Join(errs...)
	return g.stopErr
}

// stopPart calls stop in a goroutine, so that a part that hangs does not prevent
// the others from being stopped.
func (g *Group) stopPart(ctx context.Context, p part) error {
	ctx, cancel := context.WithTimeout(ctx, g.stopTimeout)
	defer cancel()
	done := make(chan error, 1) // buffered: a part that is left behind has no receiver
	go func() { done <- p.stop(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	// A part that watches ctx returns its error now.
	select {
	case err := <-done:
		return err
	case <-time.After(lastWord):
		return fmt.Errorf("left behind, still running: %w", ctx.Err())
	}
}

// Wait returns nil when ctx ends. When a loop ends before it is stopped, it returns an error
// that names the loop and the reason.
func (g *Group) Wait(ctx context.Context) error {
	select {
	case <-g.failed:
		return g.failure
	case <-ctx.Done():
		return nil
	}
}

// fail reports the first loop that ended before it was stopped.
func (g *Group) fail(name string, err error) {
	if err == nil {
		err = errors.New("returned without an error")
	}
	g.logger.Error("a loop ended unexpectedly", "part", name, "error", err)
	g.failOnce.Do(func() {
		g.failure = fmt.Errorf("%s ended unexpectedly: %w", name, err)
		close(g.failed)
	})
}
