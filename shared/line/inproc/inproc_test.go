package inproc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/shared/line"
	"stavka.local/shared/line/inproc"
	"stavka.local/shared/line/linetest"
	"stavka.local/shared/odds"
)

func TestBus(t *testing.T) {
	t.Parallel()
	linetest.Run(t, func(t *testing.T) linetest.Bus {
		t.Helper()
		bus := inproc.New(inproc.Options{Logger: logger(t)})
		return linetest.Bus{
			Publisher:     bus,
			NewSubscriber: func() line.Subscriber { return bus },
			DeadLetters:   bus.DeadLetters,
		}
	})
}

// The purpose of this bus: after PublishChange the publisher knows that the consumer has
// committed.
func TestPublishReturnsAfterTheConsumerHasCommitted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		var committed atomic.Bool
		s.consume(func(context.Context, line.Change) error {
			time.Sleep(time.Minute)
			committed.Store(true)
			return nil
		})

		began := time.Now()
		if err := s.bus.PublishChange(t.Context(), s.change); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != time.Minute || !committed.Load() {
			t.Errorf("published after %v, committed: %t", took, committed.Load())
		}
	})
}

func TestPublishReturnsTheConsumersError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		down := errors.New("the store is down")
		s.consume(func(context.Context, line.Change) error { return down })
		seen := s.watch()

		err := s.bus.PublishChange(t.Context(), s.change)

		if !errors.Is(err, down) || !strings.Contains(err.Error(), s.change.MessageID()) {
			t.Errorf("got %v, want the handler's error and the message's id", err)
		}
		synctest.Wait()
		if n := seen.len(); n != 0 {
			t.Errorf("watchers saw %d changes that were not applied", n)
		}
		if s.dead.Load() != 0 {
			t.Error("a change that can be published again became a dead letter")
		}
	})
}

func TestPublishWithoutConsumerFailsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		refused := func(when string) {
			t.Helper()
			began := time.Now()
			if err := s.bus.PublishChange(t.Context(), s.change); !errors.Is(err, inproc.ErrNoSubscriber) || time.Since(began) != 0 {
				t.Errorf("%s: got %v after %v", when, err, time.Since(began))
			}
			if err := s.bus.Check(t.Context()); !errors.Is(err, inproc.ErrNoSubscriber) {
				t.Errorf("%s: Check returned %v", when, err)
			}
		}
		refused("before")

		end := s.consume(func(context.Context, line.Change) error { return nil })
		if err := errors.Join(s.bus.Check(t.Context()), s.bus.PublishChange(t.Context(), s.change)); err != nil {
			t.Error(err)
		}
		end()
		refused("afterwards")
	})
}

func TestSubscribed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		select {
		case <-s.bus.Subscribed():
			t.Fatal("the channel is closed before there is a consumer")
		default:
		}
		end := s.consume(func(context.Context, line.Change) error { return nil })
		<-s.bus.Subscribed()
		if err := s.bus.PublishChange(t.Context(), s.change); err != nil {
			t.Errorf("publish after Subscribed: %v", err)
		}
		// A second consumer changes nothing.
		end()
		s.consume(func(context.Context, line.Change) error { return nil })
		<-s.bus.Subscribed()
	})
}

func TestHandlesConcurrentPublicationsConcurrently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		const n = 128
		var inside atomic.Int32
		all := make(chan struct{})
		s.consume(func(context.Context, line.Change) error {
			if inside.Add(1) == n {
				close(all)
			}
			<-all // every handler waits until all have begun
			return nil
		})

		var publishing sync.WaitGroup
		for _, change := range linetest.Changes(n) {
			publishing.Go(func() {
				if err := s.bus.PublishChange(t.Context(), change); err != nil {
					t.Error(err)
				}
			})
		}
		publishing.Wait()
	})
}

func TestCancelledPublisherDoesNotStopTheHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		var handled atomic.Bool
		end := s.consume(func(ctx context.Context, _ line.Change) error {
			select {
			case <-time.After(time.Hour):
				handled.Store(true)
			case <-ctx.Done():
			}
			return ctx.Err()
		})
		seen := s.watch()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := s.bus.PublishChange(ctx, s.change)

		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		end() // waits for the handler
		if !handled.Load() {
			t.Error("the handler was cut off")
		}
		synctest.Wait()
		if seen.len() != 1 {
			t.Error("watchers have not seen what was handled")
		}
	})
}

func TestPublishWithACancelledContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		var handled atomic.Int32
		s.consume(func(context.Context, line.Change) error { handled.Add(1); return nil })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()

		if err := s.bus.PublishChange(ctx, s.change); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if handled.Load() != 0 {
			t.Error("the change was handled")
		}
	})
}

func TestEndedConsumerHandlesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		release, result := make(chan struct{}), make(chan error, 1)
		var handled atomic.Int32
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			err := s.bus.ConsumeChanges(ctx, func(ctx context.Context, _ line.Change) error {
				handled.Add(1)
				<-release
				return ctx.Err()
			})
			if err != nil {
				t.Error(err)
			}
		}()
		<-s.bus.Subscribed()
		go func() { result <- s.bus.PublishChange(t.Context(), s.change) }()
		synctest.Wait()

		cancel()
		// At once, even before ConsumeChanges has returned.
		if err := s.bus.PublishChange(t.Context(), s.change); !errors.Is(err, inproc.ErrNoSubscriber) {
			t.Errorf("publish after the end: %v", err)
		}
		synctest.Wait()
		select {
		case <-ended:
			t.Error("ConsumeChanges returned before its handler")
		default:
		}
		close(release)
		if err := <-result; err != nil {
			t.Errorf("the change in progress is lost: %v", err)
		}
		<-ended
		if n := handled.Load(); n != 1 {
			t.Errorf("%d changes were handled, want 1", n)
		}
	})
}

func TestTakesOneConsumerAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		s.consume(func(context.Context, line.Change) error { return nil })

		err := s.bus.ConsumeChanges(t.Context(), func(context.Context, line.Change) error {
			t.Error("a change went to the second consumer")
			return nil
		})

		if err == nil || !strings.Contains(err.Error(), "one consumer at a time") {
			t.Errorf("got %v", err)
		}
		if err := s.bus.PublishChange(t.Context(), s.change); err != nil {
			t.Errorf("the first consumer does not work any more: %v", err)
		}
	})
}

// A consumer that ends late must not remove its successor.
func TestConsumerMayFollowAFinishingOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var first sync.WaitGroup
		first.Go(func() {
			_ = s.bus.ConsumeChanges(ctx, func(context.Context, line.Change) error { <-release; return nil })
		})
		<-s.bus.Subscribed()
		first.Go(func() { _ = s.bus.PublishChange(t.Context(), s.change) })
		synctest.Wait()
		cancel()

		s.consume(func(context.Context, line.Change) error { return nil })
		close(release)
		first.Wait()

		if err := errors.Join(s.bus.Check(t.Context()), s.bus.PublishChange(t.Context(), s.change)); err != nil {
			t.Error(err)
		}
	})
}

func TestPoisonIsPublished(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]func() error{
		"refused":  func() error { return fmt.Errorf("event 1: %w", line.ErrPoison) },
		"panicked": func() error { panic("the handler has met what it did not expect") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := open(t)
				s.consume(func(context.Context, line.Change) error { return handle() })
				seen := s.watch()

				if err := s.bus.PublishChange(t.Context(), s.change); err != nil {
					t.Errorf("got %v, want nil, so that the relay does not repeat it", err)
				}

				synctest.Wait()
				if n, err := s.bus.DeadLetters(t.Context()); n != 1 || err != nil || s.dead.Load() != 1 {
					t.Errorf("%d dead letters, %v, and %d calls of the hook; want one of each", n, err, s.dead.Load())
				}
				if seen.len() != 0 {
					t.Error("watchers were shown a dead letter")
				}
				log := s.log.String()
				if !strings.Contains(log, "message_id="+s.change.MessageID()) {
					t.Errorf("the log does not name the message: %s", log)
				}
				if stack := strings.Contains(log, "inproc_test.go"); stack != (name == "panicked") {
					t.Errorf("stack in the log: %t: %s", stack, log)
				}
			})
		})
	}
}

func TestWatchersSeeHandledChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		var handled atomic.Bool
		s.consume(func(context.Context, line.Change) error {
			time.Sleep(time.Second)
			handled.Store(true)
			return nil
		})
		var seen changes
		s.subscribe(func(ctx context.Context) error {
			return s.bus.WatchChanges(ctx, func(change line.Change) {
				if !handled.Load() {
					t.Error("a watcher saw the change before the consumer had handled it")
				}
				seen.add(change)
			})
		})

		if err := s.bus.PublishChange(t.Context(), s.change); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := seen.all(); !slices.Equal(got, []line.Change{s.change}) {
			t.Errorf("got %v, want %v", got, s.change)
		}
	})
}

func TestSlowWatcherMissesTheOldestChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		s.consume(func(context.Context, line.Change) error { return nil })
		var seen changes
		release := make(chan struct{})
		s.subscribe(func(ctx context.Context) error {
			return s.bus.WatchChanges(ctx, func(change line.Change) {
				<-release
				seen.add(change)
			})
		})
		quick := s.watch()
		all := linetest.Changes(2000)

		for _, change := range all {
			if err := s.bus.PublishChange(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // for the quick one
		}
		close(release)
		synctest.Wait()

		// The watcher handles the first, and the newest wait.
		got, want := seen.all(), append(slices.Clone(all[:1]), all[len(all)-1024:]...)
		if !slices.Equal(got, want) {
			t.Errorf("got %d changes, %d to %d; want the first and the newest 1024",
				len(got), got[0].Event.Seq, got[len(got)-1].Event.Seq)
		}
		if !slices.Equal(quick.all(), all) {
			t.Errorf("another watcher missed some: got %d", quick.len())
		}
	})
}

func TestWatcherContinuesAfterAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		s.consume(func(context.Context, line.Change) error { return nil })
		all := linetest.Changes(2)
		var seen changes
		s.subscribe(func(ctx context.Context) error {
			return s.bus.WatchChanges(ctx, func(change line.Change) {
				if change == all[0] {
					panic("unexpected")
				}
				seen.add(change)
			})
		})
		for _, change := range all {
			if err := s.bus.PublishChange(t.Context(), change); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if !slices.Equal(seen.all(), all[1:]) {
			t.Errorf("got %v", seen.all())
		}
		if !strings.Contains(s.log.String(), "unexpected") {
			t.Errorf("the log does not show the panic: %s", s.log)
		}
	})
}

func TestEndedWatcherSeesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		busy, release := make(chan struct{}, 1), make(chan struct{})
		var got []int64
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			err := s.bus.WatchHeartbeats(ctx, func(h line.Heartbeat) {
				got = append(got, h.LastSeq)
				busy <- struct{}{}
				<-release
			})
			if err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		for seq := range int64(2) { // the second one waits
			if err := s.bus.PublishHeartbeat(t.Context(), heartbeat(seq)); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		<-busy
		cancel()
		close(release)
		<-ended
		if !slices.Equal(got, []int64{0}) {
			t.Errorf("got heartbeats %d, want the first alone", got)
		}
	})
}

// The bus refuses what the codec refuses, with the codec's error.
func TestRefusesWhatTheCodecRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		s.consume(func(_ context.Context, change line.Change) error {
			t.Errorf("handled: %+v", change)
			return nil
		})
		spoiled := map[string]bool{"Suspended": true} // any value of it can be carried
		for name, spoil := range map[string]func(*line.Change){
			"data set":        func(c *line.Change) { c.Epoch.Dataset = "a.b" },
			"no epoch":        func(c *line.Change) { c.Epoch = line.Epoch{} },
			"generation":      func(c *line.Change) { c.Epoch.Generation = 0 },
			"id":              func(c *line.Change) { c.Event.ID = 0 },
			"version":         func(c *line.Change) { c.Event.Version = -1 },
			"seq":             func(c *line.Change) { c.Event.Seq = math.MinInt64 },
			"result revision": func(c *line.Change) { c.Event.ResultRevision = -1 },
			"state":           func(c *line.Change) { c.Event.State = line.StateCancelled + 1 },
			"coefficient":     func(c *line.Change) { c.Event.Coefficient = odds.MustParse("0.99") },
			"not UTF-8":       func(c *line.Change) { c.Event.Name = "\xff" },
			"U+0000":          func(c *line.Change) { c.Event.Name = "a\x00" },
			"size":            func(c *line.Change) { c.Event.Name = strings.Repeat("x", line.MaxBody) },
			"no deadline":     func(c *line.Change) { c.Event.Deadline = time.Time{} },
			"late":            func(c *line.Change) { c.Event.Deadline = time.Unix(253402300800, 0).UTC() },
			"early":           func(c *line.Change) { c.Event.CreatedAt = time.Unix(-1, 0).UTC() },
			"overflow":        func(c *line.Change) { c.Event.UpdatedAt = time.Unix(math.MaxInt64, 0).UTC() },
			"effective":       func(c *line.Change) { c.Event.EffectiveAt = time.Unix(-1, 0).UTC() },
			"recorded":        func(c *line.Change) { c.Event.RecordedAt = time.Unix(-1, 0).UTC() },
		} {
			change := s.change
			spoil(&change)
			_, want := line.EncodeChange(change)
			err := s.bus.PublishChange(t.Context(), change)
			if want == nil || !errors.Is(err, line.ErrPoison) || !strings.HasSuffix(err.Error(), want.Error()) {
				t.Errorf("%s: got %v, want the codec's %v", name, err, want)
			}
			for i, got, sent := 0, reflect.ValueOf(change.Event), reflect.ValueOf(s.change.Event); i < got.NumField(); i++ {
				if !got.Field(i).Equal(sent.Field(i)) {
					spoiled[got.Type().Field(i).Name] = true
				}
			}
		}
		for field := range reflect.TypeFor[line.Event]().Fields() {
			if !spoiled[field.Name] {
				t.Errorf("no value of %s was refused", field.Name)
			}
		}
		if err := s.bus.PublishHeartbeat(t.Context(), heartbeat(-1)); !errors.Is(err, line.ErrPoison) {
			t.Errorf("heartbeat: got %v", err)
		}
	})
}

func TestCarriesWhatTheCodecCarries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		var got changes
		s.consume(func(_ context.Context, change line.Change) error {
			got.add(change)
			return nil
		})
		long := s.change
		long.Event.Name = strings.Repeat("\x01", 10_000) // six characters each in JSON
		var want []line.Change
		for _, change := range append(slices.Collect(maps.Values(linetest.GoldenChanges())), long) {
			want = append(want, change)
			if err := s.bus.PublishChange(t.Context(), change); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(got.all(), want) {
			t.Errorf("got %v, want %v", got.all(), want)
		}
	})
}

// setup is a bus, in a bubble of testing/synctest.
type setup struct {
	t      *testing.T
	bus    *inproc.Bus
	change line.Change
	log    *bytes.Buffer // read after synctest.Wait
	dead   atomic.Int32  // calls of DeadLettered
}

func open(t *testing.T) *setup {
	t.Helper()
	s := &setup{t: t, change: linetest.Changes(1)[0], log: new(bytes.Buffer)}
	s.bus = inproc.New(inproc.Options{
		Logger:       slog.New(slog.NewTextHandler(s.log, nil)),
		DeadLettered: func() { s.dead.Add(1) },
	})
	return s
}

// subscribe runs a method of the bus and returns when the method waits for messages. The
// returned function ends it and waits for it; so does the end of the test.
func (s *setup) subscribe(method func(context.Context) error) (end func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := method(ctx); err != nil {
			s.t.Errorf("a subscription returned %v", err)
		}
	})
	synctest.Wait()
	end = func() { cancel(); running.Wait() }
	s.t.Cleanup(end)
	return end
}

func (s *setup) consume(handle func(context.Context, line.Change) error) (end func()) {
	s.t.Helper()
	return s.subscribe(func(ctx context.Context) error { return s.bus.ConsumeChanges(ctx, handle) })
}

// watch starts a watcher and returns the changes that it sees.
func (s *setup) watch() *changes {
	s.t.Helper()
	seen := new(changes)
	s.subscribe(func(ctx context.Context) error { return s.bus.WatchChanges(ctx, seen.add) })
	return seen
}

// changes is the changes that a handler has received, in order.
type changes struct {
	mu  sync.Mutex
	got []line.Change
}

func (c *changes) add(change line.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, change)
}

func (c *changes) all() []line.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

func (c *changes) len() int { return len(c.all()) }

func heartbeat(seq int64) line.Heartbeat {
	return line.Heartbeat{Epoch: line.Epoch{Dataset: "suite", Generation: 1}, LastSeq: seq, SentAt: time.UnixMilli(1737178402250).UTC()}
}

func logger(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
