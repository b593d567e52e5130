// Package linetest holds the tests that every bus of the line must pass, and the golden
// files of the messages. It is for tests only.
//
// The tests demand what line.Publisher and line.Subscriber promise and nothing more. Like
// line-provider, they repeat a publication until it succeeds. A bus may therefore block in
// PublishChange until the change is applied, or return an error while there is no consumer;
// the in-process bus does both.
package linetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stavka.local/shared/line"
	"stavka.local/shared/odds"
)

// patience is how long the tests wait for a condition. It is long, because a slow machine is
// no fault of the bus.
const patience = 30 * time.Second

// Bus is one empty bus under test and its properties. It ends with the test that opened it.
type Bus struct {
	// Publisher publishes on the bus.
	Publisher line.Publisher
	// NewSubscriber returns a subscriber. Each is like that of another replica.
	NewSubscriber func() line.Subscriber
	// DeadLetters counts the changes that have been dead-lettered.
	DeadLetters func(context.Context) (int, error)
	// Durable reports whether the bus keeps changes while there is no consumer. Otherwise
	// publishing without a consumer is an error.
	Durable bool
	// Competing reports whether several consumers may share the work.
	Competing bool
	// Unroute leaves the next published change without a queue. Only a durable bus needs it.
	Unroute func(*testing.T)
	// Corrupt puts a body on the bus that DecodeChange refuses. It is nil when the bus carries
	// no bodies.
	Corrupt func(*testing.T, []byte)
	// Forge puts a message on the bus that is well formed and not from the Publisher. It is nil
	// when nobody else can reach the bus.
	Forge func(t *testing.T, messageType string, body []byte)
}

// Run runs the tests in parallel, each on another bus.
func Run(t *testing.T, open func(*testing.T) Bus) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Bus)
	}{
		{"delivers every change as it was published", testDelivers},
		{"hands a change out again while its handler fails", testHandsOutAgain},
		{"dead-letters poison once and passes its neighbours", testPoison},
		{"believes no forged message", testForged},
		{"shares changes among consumers", testCompeting},
		{"shows every change to all watchers", testWatchers},
		{"keeps what was published before there was a consumer", testTakeover},
		{"keeps a change whose consumer gave up", testGivesUp},
		{"refuses a change that has nowhere to go", testNowhereToGo},
		{"shows heartbeats to all watchers", testHeartbeats},
		{"keeps only the newest heartbeat for a slow watcher", testNewestHeartbeat},
		{"returns nil when the context ends, after its handlers", testEnd},
		{"gives up publishing when the context ends", testPublishEnd},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

func testDelivers(t *testing.T, bus Bus) {
	const publishers, each = 8, 25
	want := Changes(publishers * each)
	var got log
	consume(t, bus.NewSubscriber(), func(_ context.Context, c line.Change) error {
		got.add(c)
		return nil
	})

	var running sync.WaitGroup
	for part := range slices.Chunk(want, each) {
		running.Go(func() { publish(t, bus, part...) })
	}
	running.Wait()

	eventually(t, "every change is delivered", func() error { return got.hasAll(want) })
}

func testHandsOutAgain(t *testing.T, bus Bus) {
	want := Changes(3)
	var mu sync.Mutex
	attempts := make(map[int64]int)
	var got log
	consume(t, bus.NewSubscriber(), func(_ context.Context, c line.Change) error {
		mu.Lock()
		defer mu.Unlock()
		attempts[c.Event.Seq]++
		if attempts[c.Event.Seq] <= 3 {
			return errors.New("the store is down")
		}
		got.add(c)
		return nil
	})

	publish(t, bus, want...)

	eventually(t, "every change is handled in the end", func() error { return got.hasAll(want) })
	eventuallyDead(t, bus, 0)
}

func testPoison(t *testing.T, bus Bus) {
	changes := Changes(9)
	refused, panicked := changes[2], changes[4]
	dead := 2
	var got log
	consume(t, bus.NewSubscriber(), func(_ context.Context, c line.Change) error {
		got.add(c)
		switch c {
		case refused:
			return fmt.Errorf("event %d: %w", c.Event.ID, line.ErrPoison)
		case panicked:
			panic("the handler has met what it did not expect")
		}
		return nil
	})

	publish(t, bus, changes[:6]...)
	if bus.Corrupt != nil {
		for _, body := range []string{"", "{", "[1]", `{"epoch":"d.1"}`, "\xff"} {
			bus.Corrupt(t, []byte(body))
			dead++
		}
	}
	publish(t, bus, changes[6:]...)

	eventually(t, "the neighbours pass", func() error { return got.hasAll(changes) })
	eventuallyDead(t, bus, dead)
	for _, c := range []line.Change{refused, panicked} {
		if n := got.count(c); n != 1 {
			t.Errorf("%s was handled %d times, want once", c.MessageID(), n)
		}
	}
	// The consumer goes on and does not get the poison again.
	last := Changes(10)[9]
	publish(t, bus, last)
	eventually(t, "a later change passes", func() error { return got.hasAll([]line.Change{last}) })
	eventuallyDead(t, bus, dead)
}

func testForged(t *testing.T, bus Bus) {
	if bus.Forge == nil {
		t.Log("nobody but its publisher can reach this bus")
		return
	}
	changes := Changes(3)
	honest, forged := changes[:2], changes[2]
	var consumed, watched log
	var heard atomic.Int64
	consume(t, bus.NewSubscriber(), func(_ context.Context, c line.Change) error {
		consumed.add(c)
		return nil
	})
	subscribe(t, func(ctx context.Context) error { return bus.NewSubscriber().WatchChanges(ctx, watched.add) })
	subscribe(t, func(ctx context.Context) error {
		return bus.NewSubscriber().WatchHeartbeats(ctx, func(h line.Heartbeat) { heard.Store(max(heard.Load(), h.LastSeq)) })
	})
	eventually(t, "the watchers are connected", func() error {
		publish(t, bus, honest[0])
		if err := bus.Publisher.PublishHeartbeat(t.Context(), heartbeat(1)); err != nil {
			return err
		}
		if watched.len() == 0 || heard.Load() == 0 {
			return errors.New("one watcher has seen nothing")
		}
		return nil
	})

	change, err := line.EncodeChange(forged)
	if err != nil {
		t.Fatal(err)
	}
	beat, err := line.EncodeHeartbeat(heartbeat(1000))
	if err != nil {
		t.Fatal(err)
	}
	bus.Forge(t, line.TypeChange, change)
	bus.Forge(t, line.TypeHeartbeat, beat)
	eventuallyDead(t, bus, 1)

	publish(t, bus, honest[1])
	eventually(t, "honest messages go on", func() error {
		if err := bus.Publisher.PublishHeartbeat(t.Context(), heartbeat(2)); err != nil {
			return err
		}
		if heard.Load() < 2 {
			return errors.New("no heartbeat comes")
		}
		return errors.Join(consumed.hasAll(honest), watched.hasAll(honest))
	})
	if heard.Load() > 2 || consumed.count(forged) > 0 || watched.count(forged) > 0 {
		t.Error("a forged message reached a handler")
	}
	eventuallyDead(t, bus, 1)
}

func testCompeting(t *testing.T, bus Bus) {
	if !bus.Competing {
		t.Log("this bus takes one consumer only")
		return
	}
	want := Changes(200)
	var got log
	var served atomic.Int32
	both := make(chan struct{})
	for range 2 {
		var first sync.Once
		consume(t, bus.NewSubscriber(), func(ctx context.Context, c line.Change) error {
			got.add(c)
			first.Do(func() {
				if served.Add(1) == 2 {
					close(both)
				}
			})
			// Neither goes on before the other has received a change.
			select {
			case <-both:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}

	publish(t, bus, want...)

	eventually(t, "every change is delivered", func() error { return got.hasAll(want) })
	if n := got.len(); n != len(want) {
		t.Errorf("%d deliveries of %d changes", n, len(want))
	}
}

func testWatchers(t *testing.T, bus Bus) {
	changes := Changes(101)
	warmUp, want := changes[0], changes[1:]
	consume(t, bus.NewSubscriber(), func(context.Context, line.Change) error { return nil })
	var seen [2]log
	for i := range seen {
		var inside atomic.Int32
		subscribe(t, func(ctx context.Context) error {
			return bus.NewSubscriber().WatchChanges(ctx, func(c line.Change) {
				if inside.Add(1) != 1 {
					t.Error("changes are shown to one watcher at the same time")
				}
				seen[i].add(c)
				inside.Add(-1)
			})
		})
	}
	// A watcher may miss what is published before it is connected.
	eventually(t, "both watchers are connected", func() error {
		publish(t, bus, warmUp)
		if seen[0].len() == 0 || seen[1].len() == 0 {
			return errors.New("one watcher has seen nothing")
		}
		return nil
	})

	publish(t, bus, want...)

	eventually(t, "both watchers see every change", func() error {
		return errors.Join(seen[0].hasAll(want), seen[1].hasAll(want))
	})
}

func testTakeover(t *testing.T, bus Bus) {
	if !bus.Durable {
		t.Log("this bus keeps no changes; another test publishes without a consumer")
		return
	}
	want := Changes(20)
	publish(t, bus, want...)

	var got log
	consume(t, bus.NewSubscriber(), func(_ context.Context, c line.Change) error {
		got.add(c)
		return nil
	})

	eventually(t, "a later consumer gets every change", func() error { return got.hasAll(want) })
}

func testGivesUp(t *testing.T, bus Bus) {
	if !bus.Durable {
		t.Log("this bus keeps no changes; its publisher does")
		return
	}
	want := Changes(5)
	publish(t, bus, want...)
	failed := make(chan struct{}, 1)
	first := consume(t, bus.NewSubscriber(), func(context.Context, line.Change) error {
		select {
		case failed <- struct{}{}:
		default:
		}
		return errors.New("the store is down")
	})
	receive(t, failed)
	first.stop(t)

	var got log
	consume(t, bus.NewSubscriber(), func(_ context.Context, c line.Change) error {
		got.add(c)
		return nil
	})

	eventually(t, "another consumer gets every change", func() error { return got.hasAll(want) })
	eventuallyDead(t, bus, 0)
}

func testNowhereToGo(t *testing.T, bus Bus) {
	changes := Changes(2)
	if bus.Durable {
		publish(t, bus, changes[0])
		bus.Unroute(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := bus.Publisher.PublishChange(ctx, changes[1]); err == nil {
		t.Error("publishing a change that reaches no consumer succeeded")
	}

	var got log
	consume(t, bus.NewSubscriber(), func(_ context.Context, c line.Change) error {
		got.add(c)
		return nil
	})
	publish(t, bus, changes[1])

	eventually(t, "published again, it is delivered", func() error { return got.hasAll(changes[1:]) })
}

func testHeartbeats(t *testing.T, bus Bus) {
	if err := bus.Publisher.PublishHeartbeat(t.Context(), heartbeat(1)); err != nil {
		t.Logf("without a watcher: %v", err) // success and an error are both right
	}
	var newest [2]atomic.Int64
	for i := range newest {
		subscribe(t, func(ctx context.Context) error {
			return bus.NewSubscriber().WatchHeartbeats(ctx, func(h line.Heartbeat) {
				if h != heartbeat(h.LastSeq) {
					t.Errorf("got heartbeat %+v, want %+v", h, heartbeat(h.LastSeq))
				}
				newest[i].Store(h.LastSeq)
			})
		})
	}

	next := int64(2)
	eventually(t, "both watchers get heartbeats", func() error {
		if err := bus.Publisher.PublishHeartbeat(t.Context(), heartbeat(next)); err != nil {
			return err
		}
		next++
		if a, b := newest[0].Load(), newest[1].Load(); a == 0 || b == 0 {
			return fmt.Errorf("newest are %d and %d", a, b)
		}
		return nil
	})
}

func testNewestHeartbeat(t *testing.T, bus Bus) {
	busy, release := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var got []int64
	subscribe(t, func(ctx context.Context) error {
		return bus.NewSubscriber().WatchHeartbeats(ctx, func(h line.Heartbeat) {
			mu.Lock()
			got = append(got, h.LastSeq)
			first := len(got) == 1
			mu.Unlock()
			if first {
				close(busy)
				<-release
			}
		})
	})
	next := int64(1)
	send := func() error {
		defer func() { next++ }()
		return bus.Publisher.PublishHeartbeat(t.Context(), heartbeat(next))
	}
	eventually(t, "the watcher is busy with a heartbeat", func() error {
		if err := send(); err != nil {
			return err
		}
		select {
		case <-busy:
			return nil
		default:
			return errors.New("not yet")
		}
	})
	for range 100 {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	// When a change has passed, the bus has handled the heartbeats before it.
	consume(t, bus.NewSubscriber(), func(context.Context, line.Change) error { return nil })
	publish(t, bus, Changes(1)...)
	close(release)

	newest := next - 1
	eventually(t, "the watcher gets the newest", func() error {
		mu.Lock()
		defer mu.Unlock()
		if last := got[len(got)-1]; last != newest {
			return fmt.Errorf("the last is %d, want %d", last, newest)
		}
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	if !slices.IsSorted(got) {
		t.Errorf("heartbeats went back in time: %d", got)
	}
	if len(got) > 50 {
		t.Errorf("%d of %d heartbeats were kept for a slow watcher", len(got), newest)
	}
}

func testEnd(t *testing.T, bus Bus) {
	const moment = 50 * time.Millisecond
	changes := Changes(2)
	var got log
	started, release := make(chan struct{}), make(chan struct{})
	contextError := make(chan error, 1)
	first := subscribe(t, func(ctx context.Context) error {
		return bus.NewSubscriber().ConsumeChanges(ctx, func(ctx context.Context, c line.Change) error {
			got.add(c)
			if got.len() == 1 {
				close(started)
				<-release
				contextError <- ctx.Err()
			}
			return nil
		})
	})
	published := make(chan struct{})
	go func() {
		defer close(published)
		publish(t, bus, changes[0])
	}()
	receive(t, started)

	first.cancel()
	select {
	case <-first.ended:
		t.Error("the consumer returned before its handler")
	case <-time.After(moment):
	}
	close(release)
	receive(t, first.ended)
	receive(t, published)
	if err := <-contextError; err != nil {
		t.Errorf("the handler's context ended with the consumer's: %v", err)
	}

	// The change that the handler has handled is not delivered again.
	consume(t, bus.NewSubscriber(), func(_ context.Context, c line.Change) error {
		got.add(c)
		return nil
	})
	publish(t, bus, changes[1])
	eventually(t, "the next consumer gets the next change", func() error { return got.hasAll(changes) })
	if n := got.count(changes[0]); n != 1 {
		t.Errorf("a change was delivered %d times, though it was handled the first time", n)
	}
}

func testPublishEnd(t *testing.T, bus Bus) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bus.Publisher.PublishChange(ctx, Changes(1)[0]); err == nil {
		t.Error("PublishChange returned nil under a context that had ended")
	}
	if err := bus.Publisher.PublishHeartbeat(ctx, heartbeat(1)); err == nil {
		t.Error("PublishHeartbeat returned nil under a context that had ended")
	}
}

// Changes returns n changes of different events. The ids of the events and the sequence
// numbers of the changes are 1 to n.
func Changes(n int) []line.Change {
	changes := make([]line.Change, n)
	for i := range changes {
		number := int64(i) + 1
		changes[i] = line.Change{
			Epoch: line.Epoch{Dataset: "suite", Generation: 1},
			Event: line.Event{
				ID:          number,
				Coefficient: odds.MustParse("1.45"),
				Deadline:    at(1737178310),
				State:       line.StateNew,
				CreatedAt:   at(1737173310),
				UpdatedAt:   at(1737173310),
				Version:     1,
				Seq:         number,
			},
		}
	}
	return changes
}

func heartbeat(lastSeq int64) line.Heartbeat {
	return line.Heartbeat{
		Epoch:   line.Epoch{Dataset: "suite", Generation: 1},
		LastSeq: lastSeq,
		SentAt:  time.UnixMilli(1737178402250 + lastSeq).UTC(),
	}
}

// publish publishes changes one after the other and repeats each until it succeeds. Any
// goroutine may call it.
func publish(t *testing.T, bus Bus, changes ...line.Change) {
	t.Helper()
	for _, c := range changes {
		err := try(func() error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			return bus.Publisher.PublishChange(ctx, c)
		})
		if err != nil {
			t.Errorf("publish: %v", err)
		}
	}
}

// subscription is a running method of a subscriber.
type subscription struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// subscribe runs a method of a subscriber until stop is called or the test ends.
func subscribe(t *testing.T, method func(context.Context) error) *subscription {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &subscription{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		if err := method(ctx); err != nil {
			t.Errorf("a subscription returned %v, want nil", err)
		}
	}()
	t.Cleanup(func() { s.stop(t) })
	return s
}

func (s *subscription) stop(t *testing.T) {
	t.Helper()
	s.cancel()
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Errorf("a subscription did not end within %v", patience)
	}
}

func consume(t *testing.T, s line.Subscriber, handle func(context.Context, line.Change) error) *subscription {
	t.Helper()
	return subscribe(t, func(ctx context.Context) error { return s.ConsumeChanges(ctx, handle) })
}

// try repeats attempt until it returns nil. After patience it returns the last error.
func try(attempt func() error) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); ; <-ticker.C {
		err := attempt()
		if err == nil {
			return nil
		}
		if time.Since(began) > patience {
			return fmt.Errorf("timed out after %v: %w", patience, err)
		}
	}
}

// eventually waits until condition returns nil, and fails the test after patience.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	if err := try(condition); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func eventuallyDead(t *testing.T, bus Bus, want int) {
	t.Helper()
	eventually(t, "dead letters are counted", func() error {
		n, err := bus.DeadLetters(t.Context())
		if err == nil && n != want {
			err = fmt.Errorf("%d dead letters, want %d", n, want)
		}
		return err
	})
}

func receive(t *testing.T, from <-chan struct{}) {
	t.Helper()
	select {
	case <-from:
	case <-time.After(patience):
		t.Fatalf("nothing happened within %v", patience)
	}
}

// log is the changes that a handler has received, in order.
type log struct {
	mu      sync.Mutex
	changes []line.Change
}

func (l *log) add(c line.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = append(l.changes, c)
}

func (l *log) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.changes)
}

func (l *log) count(c line.Change) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, got := range l.changes {
		if got == c {
			n++
		}
	}
	return n
}

func (l *log) hasAll(want []line.Change) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range want {
		if !slices.Contains(l.changes, c) {
			return fmt.Errorf("%s is missing among %d", c.MessageID(), len(l.changes))
		}
	}
	return nil
}
