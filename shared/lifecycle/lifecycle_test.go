package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/shared/lifecycle"
)

var errBroken = errors.New("broken")

// journal records calls in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) expect(t *testing.T, want ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, want) {
		t.Errorf("got  %q\nwant %q", j.lines, want)
	}
}

// writes returns a function that writes line and returns err.
func (j *journal) writes(line string, err error) lifecycle.Func {
	return func(context.Context) error {
		j.add(line)
		return err
	}
}

func newGroup() *lifecycle.Group { return lifecycle.New(slog.New(slog.DiscardHandler), 0) }

func ExampleGroup() {
	g := lifecycle.New(slog.New(slog.DiscardHandler), time.Second)

	// The pool exists already and must only be closed.
	g.OnStop("pool", func(context.Context) error { fmt.Println("pool closed"); return nil })
	g.Add("schema", func(context.Context) error { fmt.Println("schema migrated"); return nil }, nil)
	g.Go("relay", func(ctx context.Context) error {
		<-ctx.Done()
		fmt.Println("relay ended")
		return nil
	})

	if err := g.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	if err := g.Stop(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// schema migrated
	// relay ended
	// pool closed
}

func TestOrder(t *testing.T) {
	t.Parallel()
	var j journal
	g := newGroup()
	g.OnStop("pool", j.writes("close pool", nil))
	g.Add("bus", j.writes("start bus", nil), j.writes("stop bus", nil))
	looping := make(chan struct{})
	g.Go("relay", func(ctx context.Context) error {
		j.add("relay runs")
		close(looping)
		<-ctx.Done()
		j.add("relay ends")
		return ctx.Err()
	})
	g.Add("once", func(context.Context) error {
		<-looping
		j.add("once")
		return nil
	}, nil)
	g.Add("passive", nil, j.writes("stop passive", nil))
	g.Add("http", j.writes("start http", nil), j.writes("stop http", nil))

	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.expect(t, "start bus", "relay runs", "once", "start http",
		"stop http", "stop passive", "relay ends", "stop bus", "close pool")
}

func TestFailedStartUnwinds(t *testing.T) {
	t.Parallel()
	var j journal
	g := newGroup()
	g.OnStop("pool", j.writes("close pool", errors.New("pool is stuck")))
	g.Add("bus", j.writes("start bus", nil), j.writes("stop bus", nil))
	g.Add("bad", j.writes("start bad", errBroken), j.writes("stop bad", nil))
	g.Add("never", j.writes("start never", nil), j.writes("stop never", nil))
	g.OnStop("late resource", j.writes("close late resource", nil))

	err := g.Start(t.Context())
	if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "start bad: broken") ||
		!strings.Contains(err.Error(), "stop pool: pool is stuck") {
		t.Errorf("start: %v", err)
	}
	// A part that was never started is not stopped; a resource is released.
	j.expect(t, "start bus", "start bad", "close late resource", "stop bus", "close pool")

	if err := g.Stop(t.Context()); err == nil || err.Error() != "stop pool: pool is stuck" {
		t.Errorf("stop after a failed start: %v", err)
	}
	j.expect(t, "start bus", "start bad", "close late resource", "stop bus", "close pool")
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	var j journal
	ctx, cancel := context.WithCancel(t.Context())
	g := newGroup()
	g.Add("first", func(context.Context) error { cancel(); return nil }, j.writes("stop first", nil))
	g.Add("second", j.writes("start second", nil), j.writes("stop second", nil))
	if err := g.Start(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "start second") {
		t.Errorf("start: %v", err)
	}
	j.expect(t, "stop first")
}

func TestStopWithoutStartReleasesResources(t *testing.T) {
	t.Parallel()
	var j journal
	g := newGroup()
	g.OnStop("first", j.writes("close first", nil))
	g.OnStop("second", j.writes("close second", nil))
	g.Add("bus", j.writes("start bus", nil), j.writes("stop bus", nil))
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.expect(t, "close second", "close first")
	if err := g.Start(t.Context()); !errors.Is(err, lifecycle.ErrStopped) {
		t.Errorf("start after stop: %v, want ErrStopped", err)
	}
}

func TestStopJoinsErrorsAndIsIdempotent(t *testing.T) {
	t.Parallel()
	var stops atomic.Int64
	g := newGroup()
	for _, name := range []string{"first", "second"} {
		g.OnStop(name, func(context.Context) error {
			stops.Add(1)
			return errors.New(name + " is stuck")
		})
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = "stop second: second is stuck\nstop first: first is stuck"
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := g.Stop(t.Context()); err == nil || err.Error() != want {
				t.Errorf("stop: %v", err)
			}
		})
	}
	wg.Wait()
	if n := stops.Load(); n != 2 {
		t.Errorf("2 parts were stopped %d times", n)
	}
}

func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		released := make(chan struct{})
		g := lifecycle.New(slog.New(slog.DiscardHandler), 3*time.Second)
		g.OnStop("good", j.writes("close good", nil))
		g.OnStop("deaf", func(context.Context) error { <-released; return nil })
		g.Go("deaf loop", func(context.Context) error { <-released; return nil })
		g.OnStop("listening", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if err := g.Start(t.Context()); err != nil {
			t.Fatal(err)
		}

		begin := time.Now()
		err := g.Stop(t.Context())
		if took := time.Since(begin); took < 9*time.Second || took > 10*time.Second {
			t.Errorf("three parts that hang took %v to stop, want 3 s each", took)
		}
		for _, want := range []string{
			"stop deaf: left behind, still running", "stop deaf loop: left behind, still running", "stop listening: context deadline exceeded",
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("stop: %v; want it to say %q", err, want)
			}
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop: %v is no deadline exceeded", err)
		}
		j.expect(t, "close good")
		close(released)
	})
}

func TestStopEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		g := newGroup()
		for _, name := range []string{"first", "second"} {
			g.OnStop(name, func(context.Context) error { <-released; return nil })
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begin := time.Now()
		err := g.Stop(ctx)
		if took := time.Since(begin); took > 3*time.Second || err == nil ||
			strings.Count(err.Error(), "left behind") != 2 {
			t.Errorf("stop took %v: %v", took, err)
		}
		close(released)
	})
}

func TestEndedLoopIsReported(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		returns error
		want    string
	}{
		"with an error":  {errBroken, "relay ended unexpectedly: broken"},
		"without one":    {nil, "relay ended unexpectedly: returned without an error"},
		"as if it ended": {context.Canceled, "relay ended unexpectedly: context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGroup()
				g.Go("relay", func(context.Context) error {
					<-time.After(time.Minute)
					return test.returns
				})
				g.Go("other", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
				if err := g.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				short, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				if err := g.Wait(short); err != nil {
					t.Errorf("wait ended early with %v", err)
				}
				if err := g.Wait(t.Context()); err == nil || err.Error() != test.want {
					t.Errorf("wait: %v, want %s", err, test.want)
				}
				if err := g.Stop(t.Context()); err != nil {
					t.Errorf("stop: %v, want nil", err)
				}
			})
		})
	}
}

func TestLoopErrorAtStopIsReported(t *testing.T) {
	t.Parallel()
	g := newGroup()
	g.Go("relay", func(ctx context.Context) error { <-ctx.Done(); return errBroken })
	g.Go("wrapped", func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("read: %w", ctx.Err()) })
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(t.Context()); err == nil || err.Error() != "stop relay: broken" {
		t.Errorf("stop: %v", err)
	}
}

// TestLoopsOutliveStart checks that the context of Start does not end the loops, and that they
// get its values.
func TestLoopsOutliveStart(t *testing.T) {
	t.Parallel()
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		got := make(chan any, 1)
		g := newGroup()
		g.Go("relay", func(ctx context.Context) error {
			got <- ctx.Value(key{})
			<-ctx.Done()
			return nil
		})
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Second)
		if err := g.Start(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		day, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		if err := g.Wait(day); err != nil {
			t.Errorf("the loop ended with the start's context: %v", err)
		}
		if v := <-got; v != "value" {
			t.Errorf("the loop's context has %v, want the start's value", v)
		}
		if err := g.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestMisusePanics(t *testing.T) {
	t.Parallel()
	for name, misuse := range map[string]func(*lifecycle.Group){
		"add after start": func(g *lifecycle.Group) { g.OnStop("late", nil) },
		"start twice":     func(g *lifecycle.Group) { _ = g.Start(context.Background()) },
	} {
		g := newGroup()
		if err := g.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			misuse(g)
		}()
	}
}

// TestStartAndStopRace starts and stops groups from several goroutines at once. When Stop
// returns, every loop has ended, and nothing has been stopped twice.
func TestStartAndStopRace(t *testing.T) {
	t.Parallel()
	for range 500 {
		var running, opened atomic.Int64
		g := newGroup()
		g.Add("component",
			func(context.Context) error { opened.Add(1); return nil },
			func(context.Context) error { opened.Add(-1); return nil })
		for range 4 {
			g.Go("loop", func(ctx context.Context) error {
				running.Add(1)
				defer running.Add(-1)
				<-ctx.Done()
				return ctx.Err()
			})
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := g.Start(t.Context()); err != nil && !errors.Is(err, lifecycle.ErrStopped) {
				t.Errorf("start: %v", err)
			}
		})
		for range 3 {
			wg.Go(func() {
				if err := g.Stop(t.Context()); err != nil {
					t.Errorf("stop: %v", err)
				}
			})
		}
		wg.Wait()
		if running.Load() != 0 || opened.Load() != 0 {
			t.Fatalf("%d loops and %d components are left after stop", running.Load(), opened.Load())
		}
	}
}
