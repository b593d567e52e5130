package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stavka.local/shared/line"
	"stavka.local/shared/line/linetest"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/line/rabbitmq/rabbitmqtest"
)

func TestCutWhilePublishing(t *testing.T) {
	t.Parallel()
	const publishers, each, cutEvery = 8, 100, 60
	direct := options(t)
	network, opts := newProxy(t, direct)
	publisher := newPublisher(t, opts)
	changes := linetest.Changes(publishers * each)

	// Each change is published once only. A failed one may be on the bus or not.
	var mu sync.Mutex
	confirmed := make(map[int64]bool)
	var done, failed, cuts int
	var running sync.WaitGroup
	for i := range publishers {
		running.Go(func() {
			for _, c := range changes[i*each : (i+1)*each] {
				err := publisher.PublishChange(t.Context(), c)
				mu.Lock()
				done++
				if err == nil {
					confirmed[c.Event.Seq] = true
				} else {
					failed++
				}
				cut := done%cutEvery == 0
				mu.Unlock()
				if cut {
					network.cut()
				}
			}
		})
	}
	running.Wait()
	cuts = done / cutEvery
	t.Logf("%d cuts: %d publications confirmed, %d failed", cuts, len(confirmed), failed)
	if failed == 0 || len(confirmed) == 0 {
		t.Errorf("%d publications confirmed and %d failed: the cuts hit no publication or all", len(confirmed), failed)
	}

	seen := newTally()
	consume(t, newSubscriber(t, direct), func(_ context.Context, c line.Change) error {
		seen.add(c)
		return nil
	})
	eventually(t, func() error {
		for seq := range confirmed {
			if seen.of(seq) == 0 {
				return fmt.Errorf("change %d was confirmed and is lost", seq)
			}
		}
		return nil
	})
}

func TestCutWhileConsuming(t *testing.T) {
	t.Parallel()
	const n, cutEvery = 400, 50
	direct := options(t)
	network, opts := newProxy(t, direct)
	var redelivered atomic.Int64
	opts.Hooks.Redelivered = func() { redelivered.Add(1) }
	changes := linetest.Changes(n)
	publish(t, newPublisher(t, direct), changes)

	seen := newTally()
	subscription := consume(t, newSubscriber(t, opts), func(_ context.Context, c line.Change) error {
		if seen.add(c)%cutEvery == 0 {
			network.cut()
		}
		return nil
	})

	eventually(t, func() error { return seen.hasAll(changes) })
	subscription.stop(t)
	// Unacknowledged deliveries return to the queue, and another consumer gets them.
	eventually(t, func() error {
		rest := consume(t, newSubscriber(t, direct), func(_ context.Context, c line.Change) error {
			seen.add(c)
			return nil
		})
		err := empty(t, direct.Queue)
		rest.stop(t)
		return errors.Join(err, empty(t, direct.Queue))
	})
	if err := empty(t, direct.Queue+".dead"); err != nil {
		t.Error(err)
	}
	t.Logf("%d deliveries of %d changes, %d of them marked as redelivered", seen.total(), n, redelivered.Load())
	if redelivered.Load() == 0 {
		t.Error("nothing was redelivered: the cuts hit no delivery")
	}
}

// TestStaleAcknowledgement holds deliveries while their connection is lost. Delivery tags start
// at 1 again on the next connection, so acknowledging the old deliveries there would remove
// others from the queue, unhandled.
func TestStaleAcknowledgement(t *testing.T) {
	t.Parallel()
	const n = 8
	const moment = 100 * time.Millisecond
	direct := options(t)
	network, opts := newProxy(t, direct)
	opts.Workers = n
	changes := linetest.Changes(n)
	publish(t, newPublisher(t, direct), changes)

	const (
		firstConnection = iota
		secondConnection
		thirdConnection
	)
	var stage atomic.Int32
	var delivered [3]*tally
	for i := range delivered {
		delivered[i] = newTally()
	}
	release := make(chan struct{})
	consume(t, newSubscriber(t, opts), func(_ context.Context, c line.Change) error {
		now := stage.Load()
		delivered[now].add(c)
		switch now {
		case firstConnection:
			<-release // then acknowledges on the lost connection
		case secondConnection:
			return errors.New("the store is down")
		}
		return nil
	})

	eventually(t, func() error { return delivered[firstConnection].hasAll(changes) })
	stage.Store(secondConnection)
	network.cut()
	// A consumer that wrongly connects while the old handlers run has a moment to get deliveries,
	// and stale acknowledgements then have a moment to do harm.
	<-time.After(moment)
	close(release)
	<-time.After(moment)
	eventually(t, func() error { return delivered[secondConnection].hasAll(changes) })
	stage.Store(thirdConnection)
	network.cut()

	eventually(t, func() error { return delivered[thirdConnection].hasAll(changes) })
	eventually(t, func() error { return empty(t, direct.Queue) })
}

func TestBrokerComesLate(t *testing.T) {
	t.Parallel()
	direct := options(t)
	network, opts := newProxy(t, direct)
	network.down()
	publisher, subscriber := newPublisher(t, opts), newSubscriber(t, opts)
	change := linetest.Changes(1)[0]

	seen := newTally()
	consume(t, subscriber, func(_ context.Context, c line.Change) error {
		seen.add(c)
		return nil
	})
	for _, check := range []func(context.Context) error{publisher.Check, subscriber.Check} {
		eventually(t, func() error {
			if err := check(t.Context()); !errors.Is(err, rabbitmq.ErrUnreachable) {
				return fmt.Errorf("check returned %w, want %w", err, rabbitmq.ErrUnreachable)
			}
			return nil
		})
	}
	if err := publisher.PublishHeartbeat(t.Context(), beat(1)); !errors.Is(err, rabbitmq.ErrUnreachable) {
		t.Errorf("a heartbeat without a broker: %v, want %v", err, rabbitmq.ErrUnreachable)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := publisher.PublishChange(short, change)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, rabbitmq.ErrUnreachable) {
		t.Errorf("a change without a broker: %v, want the deadline and %v", err, rabbitmq.ErrUnreachable)
	}

	waiting := make(chan error, 1)
	go func() { waiting <- publisher.PublishChange(t.Context(), change) }()
	network.up(t)

	if err := <-waiting; err != nil {
		t.Errorf("the change that waited for the broker: %v", err)
	}
	eventually(t, func() error { return seen.hasAll([]line.Change{change}) })
	for _, check := range []func(context.Context) error{publisher.Check, subscriber.Check} {
		if err := check(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestFrozenNetwork loses all packets, so that only a timeout shows the failure.
func TestFrozenNetwork(t *testing.T) {
	t.Parallel()
	direct := options(t)
	network, opts := newProxy(t, direct)
	opts.HeartbeatInterval = time.Second
	opts.ConnectTimeout = 300 * time.Millisecond
	publisher, subscriber := newPublisher(t, opts), newSubscriber(t, opts)
	changes := linetest.Changes(3)
	seen := newTally()
	consume(t, subscriber, func(_ context.Context, c line.Change) error {
		seen.add(c)
		return nil
	})
	publish(t, publisher, changes[:1])
	eventually(t, func() error { return seen.hasAll(changes[:1]) })

	network.freeze()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := publisher.PublishChange(short, changes[1]); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publishing without a network: %v, want the deadline", err)
	}
	for _, check := range []func(context.Context) error{publisher.Check, subscriber.Check} {
		eventually(t, func() error {
			if check(t.Context()) == nil {
				return errors.New("check returns nil on a frozen network")
			}
			return nil
		})
	}
	network.unfreeze()

	publish(t, publisher, changes)
	eventually(t, func() error { return seen.hasAll(changes) })
}

// TestFrozenSetup loses all packets while a connection is being set up. The library alone would
// wait for the answer indefinitely.
func TestFrozenSetup(t *testing.T) {
	t.Parallel()
	for name, unanswered := range map[string]string{
		"in the handshake":       "AMQP",
		"when opening a channel": "\x00\x14\x00\x0a",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := options(t)
			network, opts := newProxy(t, direct)
			opts.ConnectTimeout = 300 * time.Millisecond
			opts.HeartbeatInterval = time.Hour // a short one would end the connection
			network.freezeWhen([]byte(unanswered))
			publisher := newPublisher(t, opts)
			eventually(t, func() error {
				if err := publisher.Check(t.Context()); !errors.Is(err, rabbitmq.ErrUnreachable) {
					return fmt.Errorf("check returned %w, want %w", err, rabbitmq.ErrUnreachable)
				}
				return nil
			})

			network.unfreeze()

			publish(t, publisher, linetest.Changes(1))
		})
	}
}

// TestBlocked simulates the memory alarm of the broker.
func TestBlocked(t *testing.T) {
	t.Parallel()
	direct := options(t)
	network, opts := newProxy(t, direct)
	publisher := newPublisher(t, opts)
	changes := linetest.Changes(2)
	publish(t, publisher, changes[:1])

	network.tell(t, frame("\x00\x0a\x00\x3c\x03low")) // connection.blocked
	eventually(t, func() error {
		if err := publisher.Check(t.Context()); !errors.Is(err, rabbitmq.ErrBlocked) {
			return fmt.Errorf("check returned %w, want %w", err, rabbitmq.ErrBlocked)
		}
		return nil
	})
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := publisher.PublishChange(short, changes[1])
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, rabbitmq.ErrBlocked) {
		t.Errorf("publishing while blocked: %v, want the deadline and %v", err, rabbitmq.ErrBlocked)
	}
	if err := publisher.PublishHeartbeat(t.Context(), beat(1)); !errors.Is(err, rabbitmq.ErrBlocked) {
		t.Errorf("a heartbeat while blocked: %v, want %v", err, rabbitmq.ErrBlocked)
	}

	waiting := make(chan error, 1)
	go func() { waiting <- publisher.PublishChange(t.Context(), changes[1]) }()
	network.tell(t, frame("\x00\x0a\x00\x3d")) // connection.unblocked

	if err := <-waiting; err != nil {
		t.Errorf("the change that waited: %v", err)
	}
	if err := publisher.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestQueueDeleted deletes the queue under a running consumer.
func TestQueueDeleted(t *testing.T) {
	t.Parallel()
	opts := options(t)
	changes := linetest.Changes(2)
	publisher := newPublisher(t, opts)
	seen := newTally()
	consume(t, newSubscriber(t, opts), func(_ context.Context, c line.Change) error {
		seen.add(c)
		return nil
	})
	publish(t, publisher, changes[:1])
	eventually(t, func() error { return seen.hasAll(changes[:1]) })

	if err := rabbitmqtest.DeleteQueue(t.Context(), opts); err != nil {
		t.Fatal(err)
	}

	// Publisher and consumer notice it and declare the queue again.
	publish(t, publisher, changes[1:])
	eventually(t, func() error { return seen.hasAll(changes) })
}

// frame returns the frame of a method on channel 0. payload starts with the numbers of class
// and method.
func frame(payload string) []byte {
	return []byte("\x01\x00\x00\x00\x00\x00" + string(rune(len(payload))) + payload + "\xce")
}
