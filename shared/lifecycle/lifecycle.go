// Package lifecycle starts the parts of a service in order and stops them in
// reverse, each by name and within a bound.
//
// A part is one of three: a resource that exists already (OnStop, on the line
// after it was made), a component with a start and a stop (Add), and a loop that
// runs until it is told to end (Go). A group lives once: it is filled, started
// and stopped.
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

// lastWord is how long a part may take to return after its time is up.
const lastWord = 100 * time.Millisecond

// ErrStopped is returned by Start when the group has been stopped.
var ErrStopped = errors.New("stopped")

// Func starts or stops something. It must return soon after ctx has ended.
type Func func(ctx context.Context) error

// Group holds the parts of a service. OnStop, Add and Go fill it and must happen
// before Start; Start, Stop and Wait are safe for concurrent use.
type Group struct {
	logger      *slog.Logger
	stopTimeout time.Duration

	parts []part

	mu      sync.Mutex // held by Start and by Stop while they work
	started bool       // Start was called
	running []part     // what has to be stopped, in the order of starting
	stopped bool
	stopErr error

	failOnce sync.Once
	failed   chan struct{} // closed when a loop ended by itself
	failure  error         // why; set before failed is closed
}

type part struct {
	name  string
	start Func // nil for a resource, which is there from the beginning
	stop  Func // nil when there is nothing to stop
}

// New returns an empty group. Each part may take stopTimeout to stop; 0 means
// DefaultStopTimeout. logger tells what starts and stops.
func New(logger *slog.Logger, stopTimeout time.Duration) *Group {
	if stopTimeout <= 0 {
		stopTimeout = DefaultStopTimeout
	}
	return &Group{logger: logger, stopTimeout: stopTimeout, failed: make(chan struct{})}
}

// OnStop registers how to release a resource that has been made. It is released
// by Stop whether or not the group was started.
func (g *Group) OnStop(name string, stop Func) { g.add(part{name: name, stop: stop}) }

// Add registers a component. Either function may be nil. stop is called only if
// start returned nil.
func (g *Group) Add(name string, start, stop Func) {
	if start == nil {
		start = func(context.Context) error { return nil }
	}
	g.add(part{name: name, start: start, stop: stop})
}

// Go registers a loop. Start runs it in a goroutine of its own; Stop ends its
// context, which carries the values of Start's context but not its end, and
// waits for it. A loop that returns before it was told to, even with nil, has
// failed: Wait reports it. What it returns afterwards is Stop's to report, unless
// it is the end of its context.
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
		<-done // stopPart bounds this
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

// Start starts the parts in the order in which they were registered. When one
// fails, or ctx ends, everything is stopped again, in reverse, and the error
// says which part and why. It may be called once.
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

// Stop stops what was started, and releases the resources, in the reverse order.
// A part that does not stop within its bound, or before ctx ends, is left behind
// and reported, and the next is stopped. The error joins all that went wrong.
// It is idempotent: every call returns what the first did, after it has ended.
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
	// Resources behind the part that failed to start, or of a group that was
	// never started, exist nevertheless.
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

// stopPart calls stop in a goroutine of its own, so that one that hangs does not
// keep the others from being stopped.
func (g *Group) stopPart(ctx context.Context, p part) error {
	ctx, cancel := context.WithTimeout(ctx, g.stopTimeout)
	defer cancel()
	done := make(chan error, 1) // buffered: nobody may be there to receive
	go func() { done <- p.stop(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	// One that listens to ctx returns now, and has something to say.
	select {
	case err := <-done:
		return err
	case <-time.After(lastWord):
		return fmt.Errorf("left behind, still running: %w", ctx.Err())
	}
}

// Wait returns when ctx ends, with nil, or when a loop has ended by itself, with
// an error that says which and why.
func (g *Group) Wait(ctx context.Context) error {
	select {
	case <-g.failed:
		return g.failure
	case <-ctx.Done():
		return nil
	}
}

// fail reports the first loop that ended by itself.
func (g *Group) fail(name string, err error) {
	if err == nil {
		err = errors.New("returned without an error")
	}
	g.logger.Error("a loop ended by itself", "part", name, "error", err)
	g.failOnce.Do(func() {
		g.failure = fmt.Errorf("%s ended by itself: %w", name, err)
		close(g.failed)
	})
}
