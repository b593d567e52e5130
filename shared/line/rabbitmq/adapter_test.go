package rabbitmq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/line"
	"stavka.local/shared/line/linetest"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/line/rabbitmq/rabbitmqtest"
)

func TestNewRefusesBadOptions(t *testing.T) {
	t.Parallel()
	good := rabbitmq.Options{URL: "amqp://guest:secret@localhost:5672/"}
	tests := []struct {
		name  string
		spoil func(*rabbitmq.Options)
		want  []string // in the error
	}{
		{"no URL", func(o *rabbitmq.Options) { o.URL = "" }, []string{"URL"}},
		{"other scheme", func(o *rabbitmq.Options) { o.URL = "http://guest:secret@localhost" }, []string{"URL"}},
		{"password that breaks the URL", func(o *rabbitmq.Options) { o.URL = "amqp://guest:secret/1@localhost" }, []string{"URL"}},
		{"several", func(o *rabbitmq.Options) { o.Prefetch, o.Workers, o.DrainTimeout = -1, -2, -3 }, []string{"prefetch of -1", "-2 workers", "DrainTimeout of -3ns"}},
		{"pauses that shrink", func(o *rabbitmq.Options) { o.RetryMin = time.Minute }, []string{"RetryMax of 5s is less than 1m0s"}},
		{"heartbeat below a second", func(o *rabbitmq.Options) { o.HeartbeatInterval = time.Millisecond }, []string{"HeartbeatInterval"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			opts := good
			test.spoil(&opts)
			_, asPublisher := rabbitmq.NewPublisher(opts)
			_, asSubscriber := rabbitmq.NewSubscriber(opts)
			for _, err := range []error{asPublisher, asSubscriber} {
				if err == nil {
					t.Fatal("no error")
				}
				for _, want := range test.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("error %q does not say %q", err, want)
					}
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("error %q shows the password", err)
				}
			}
		})
	}
}

// TestWire checks what is at the broker. Programs in other languages rely on the properties of
// messages. If the arguments of a queue changed, an upgraded service could not declare it.
func TestWire(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.FeedTimeout = 3 * time.Second
	change := linetest.GoldenChanges()["change_won.json"]
	body, err := linetest.Golden.ReadFile("golden/change_won.json")
	if err != nil {
		t.Fatal(err)
	}

	publish(t, newPublisher(t, opts), []line.Change{change})

	onChannel(t, func(ch *amqp.Channel) error {
		d, ok, err := ch.Get(opts.Queue, true)
		if err != nil || !ok {
			return fmt.Errorf("no message: %w", err)
		}
		got := fmt.Sprintf("key %s, type %s, %s, mode %d, at %d, id %s", d.RoutingKey, d.Type, d.ContentType, d.DeliveryMode, d.Timestamp.Unix(), d.MessageId)
		if want := "key event.changed, type event.changed, application/json, mode 2, at 1737178400, id f3b1c29a7d04.1:42"; got != want {
			t.Errorf("properties %q, want %q", got, want)
		}
		if want := bytes.TrimSpace(body); !bytes.Equal(d.Body, want) {
			t.Errorf("body %s, want %s", d.Body, want)
		}

		// The broker refuses a declaration that differs from what exists.
		shared := amqp.Table{
			"x-queue-type": "quorum", "x-delivery-limit": 1000, "x-overflow": "reject-publish",
			"x-dead-letter-exchange": opts.Exchange + ".dead", "x-dead-letter-routing-key": opts.Queue,
			"x-dead-letter-strategy": "at-least-once",
		}
		dead := amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": 1_000_000, "x-overflow": "reject-publish"}
		_, sharedErr := ch.QueueDeclare(opts.Queue, true, false, false, false, shared)
		_, deadErr := ch.QueueDeclare(opts.Queue+".dead", true, false, false, false, dead)
		return errors.Join(sharedErr, deadErr,
			ch.ExchangeDeclare(opts.Exchange, "topic", true, false, false, false, nil),
			ch.ExchangeDeclare(opts.Exchange+".dead", "direct", true, false, false, false, nil))
	})
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	const n = 5
	opts := options(t)
	subscriber := newSubscriber(t, opts)
	changes := linetest.Changes(n)
	var mended atomic.Bool
	seen := newTally()
	consume(t, subscriber, func(_ context.Context, c line.Change) error {
		if !mended.Load() {
			return line.ErrPoison
		}
		seen.add(c)
		return nil
	})
	deadLetters := func(want int) {
		t.Helper()
		eventually(t, func() error {
			got, err := subscriber.DeadLetters(t.Context())
			if err == nil && got != want {
				err = fmt.Errorf("%d dead letters, want %d", got, want)
			}
			return err
		})
	}
	redrive := func(limit, want int) {
		t.Helper()
		if moved, err := subscriber.Redrive(t.Context(), limit); err != nil || moved != want {
			t.Fatalf("Redrive(%d) = %d, %v; want %d", limit, moved, err, want)
		}
	}
	publish(t, newPublisher(t, opts), changes)
	deadLetters(n)

	redrive(0, n) // still poison: each is moved once
	deadLetters(n)
	mended.Store(true)
	redrive(2, 2)
	eventually(t, func() error { return seen.reached(2) })
	deadLetters(n - 2)
	redrive(100, n-2)
	eventually(t, func() error { return seen.hasAll(changes) })
	deadLetters(0)
	redrive(0, 0)
	if total := seen.total(); total != n {
		t.Errorf("%d deliveries of %d changes", total, n)
	}
	if _, err := subscriber.Redrive(t.Context(), -1); err == nil {
		t.Error("Redrive(-1) returned no error")
	}
}

func TestDeadLettersWithoutConsumer(t *testing.T) {
	t.Parallel()
	opts := options(t)
	subscriber := newSubscriber(t, opts)
	if n, err := subscriber.DeadLetters(t.Context()); err == nil {
		t.Errorf("%d dead letters in a queue that does not exist, want an error", n)
	}
	publish(t, newPublisher(t, opts), linetest.Changes(1)) // declares
	if n, err := subscriber.DeadLetters(t.Context()); err != nil || n != 0 {
		t.Errorf("DeadLetters = %d, %v; want 0", n, err)
	}
}

// TestRefusedByTheBroker has one full queue: the broker then refuses the message, even if other queues
// accept it.
func TestRefusedByTheBroker(t *testing.T) {
	t.Parallel()
	opts := options(t)
	changes := linetest.Changes(3)
	publisher := newPublisher(t, opts)
	publish(t, publisher, changes[:1]) // declares
	full := opts.Queue + ".full"
	onChannel(t, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(full, true, false, false, false, amqp.Table{
			"x-queue-type": "classic", "x-max-length": 1, "x-overflow": "reject-publish",
		})
		return errors.Join(err, ch.QueueBind(full, "event.changed", opts.Exchange, false, nil))
	})
	publish(t, publisher, changes[1:2])
	if err := publisher.PublishChange(t.Context(), changes[2]); err == nil {
		t.Error("publishing a change that the broker refused succeeded")
	}
	onChannel(t, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(full, false, false, false)
		return err
	})
	publish(t, publisher, changes[2:])
}

func TestTopologyConflict(t *testing.T) {
	t.Parallel()
	opts := options(t)
	onChannel(t, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(opts.Queue, true, false, false, false, amqp.Table{"x-queue-type": "classic"})
		return err
	})
	publisher, subscriber := newPublisher(t, opts), newSubscriber(t, opts)
	consume(t, subscriber, func(context.Context, line.Change) error { return nil })

	for _, check := range []func(context.Context) error{publisher.Check, subscriber.Check} {
		eventually(t, func() error {
			if err := check(t.Context()); !errors.Is(err, rabbitmq.ErrConflict) {
				return fmt.Errorf("check returned %w, want %w", err, rabbitmq.ErrConflict)
			}
			return nil
		})
	}
	onChannel(t, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(opts.Queue, false, false, false)
		return err
	})
	publish(t, publisher, linetest.Changes(1))
	eventually(t, func() error { return subscriber.Check(t.Context()) })
}

func TestAccessRefused(t *testing.T) {
	t.Parallel()
	var logged lockedBuffer
	opts := rabbitmq.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil)), RetryMin: time.Millisecond, RetryMax: 50 * time.Millisecond}
	u, err := url.Parse(rabbitmqtest.URL(t))
	if err != nil {
		t.Fatal("TEST_RABBITMQ_URL is not a URL")
	}
	u.User = url.UserPassword("missing", "s3cr3t")
	opts.URL = u.String()
	publisher := newPublisher(t, opts)

	eventually(t, func() error {
		if err := publisher.Check(t.Context()); !errors.Is(err, rabbitmq.ErrRefused) {
			return fmt.Errorf("check returned %w, want %w", err, rabbitmq.ErrRefused)
		}
		return nil
	})
	eventually(t, func() error {
		if !strings.Contains(logged.String(), "level=WARN") {
			return errors.New("nothing is logged")
		}
		return nil
	})
	if strings.Contains(logged.String(), "s3cr3t") {
		t.Errorf("the log shows the password: %s", logged.String())
	}
}

func TestPublisherClosed(t *testing.T) {
	t.Parallel()
	t.Run("before its first use", func(t *testing.T) {
		t.Parallel()
		publisher := newPublisher(t, rabbitmq.Options{URL: "amqp://localhost"})
		if err := publisher.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := publisher.PublishChange(t.Context(), linetest.Changes(1)[0]); !errors.Is(err, rabbitmq.ErrClosed) {
			t.Errorf("publishing after Close: %v, want %v", err, rabbitmq.ErrClosed)
		}
		if err := publisher.Check(t.Context()); !errors.Is(err, rabbitmq.ErrClosed) {
			t.Errorf("checking after Close: %v, want %v", err, rabbitmq.ErrClosed)
		}
	})
	t.Run("while it waits for the broker", func(t *testing.T) {
		t.Parallel()
		network, opts := newProxy(t, options(t))
		publisher := newPublisher(t, opts)
		publish(t, publisher, linetest.Changes(1))
		network.freeze()
		waiting := make(chan error, 1)
		go func() { waiting <- publisher.PublishChange(t.Context(), linetest.Changes(1)[0]) }()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := publisher.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-waiting; err == nil {
			t.Error("an unconfirmed publication succeeded")
		}
	})
}

func TestHooks(t *testing.T) {
	t.Parallel()
	opts := options(t)
	var mu sync.Mutex
	var events []string
	record := func(event string) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, event)
	}
	recorded := func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(events, ", ")
	}
	opts.Hooks = rabbitmq.Hooks{
		Connected:    func(connection string, up bool) { record(fmt.Sprint(connection, " ", up)) },
		DeadLettered: func() { record("dead-lettered") },
		Redelivered:  func() { record("redelivered") }, // a paused delivery is not requeued
		Paused:       func(deliveries int) { record(fmt.Sprint("paused ", deliveries)) },
	}
	publisherOpts := opts
	publisherOpts.Hooks = rabbitmq.Hooks{}
	changes := linetest.Changes(2)
	attempts := 0 // needs no lock: the changes come one after the other
	handled := make(chan struct{})
	opts.Workers = 1
	consumer := consume(t, newSubscriber(t, opts), func(_ context.Context, c line.Change) error {
		attempts++
		if c == changes[1] {
			return line.ErrPoison
		}
		if attempts < 3 {
			return errors.New("the store is down")
		}
		close(handled)
		return nil
	})
	publisher := newPublisher(t, publisherOpts)
	publish(t, publisher, changes[:1])
	<-handled
	publish(t, publisher, changes[1:])

	want := "changes true, paused 1, paused 0, dead-lettered"
	eventually(t, func() error {
		if got := recorded(); got != want {
			return fmt.Errorf("hooks: %s; want %s", got, want)
		}
		return nil
	})
	consumer.stop(t)
	if got := recorded(); got != want+", changes false" {
		t.Errorf("hooks: %s; want %s, changes false", got, want)
	}
}

// TestDrain ends a consumer whose handler returns only when its context ends.
func TestDrain(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.DrainTimeout = 50 * time.Millisecond
	started := make(chan struct{})
	first := consume(t, newSubscriber(t, opts), func(ctx context.Context, _ line.Change) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	})
	changes := linetest.Changes(1)
	publish(t, newPublisher(t, opts), changes)
	<-started

	first.stop(t)

	seen := newTally()
	consume(t, newSubscriber(t, opts), func(_ context.Context, c line.Change) error {
		seen.add(c)
		return nil
	})
	eventually(t, func() error { return seen.hasAll(changes) })
}

// TestWorkers checks that one slow event does not delay the others.
func TestWorkers(t *testing.T) {
	t.Parallel()
	opts := options(t)
	changes := linetest.Changes(20)
	release := make(chan struct{})
	seen := newTally()
	consume(t, newSubscriber(t, opts), func(_ context.Context, c line.Change) error {
		if c == changes[0] {
			<-release
		}
		seen.add(c)
		return nil
	})
	publish(t, newPublisher(t, opts), changes)
	eventually(t, func() error { return seen.hasAll(changes[1:]) })
	close(release)
	eventually(t, func() error { return seen.hasAll(changes) })
}

// lockedBuffer is a buffer that a logger may write while a test reads.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestWatcherSkipsMessages sends a watcher messages that it cannot handle.
func TestWatcherSkipsMessages(t *testing.T) {
	t.Parallel()
	opts := options(t)
	publisher, subscriber := newPublisher(t, opts), newSubscriber(t, opts)
	changes := linetest.Changes(2)
	seen := newTally()
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	t.Cleanup(watching.Wait)
	t.Cleanup(cancel)
	watching.Go(func() {
		err := subscriber.WatchChanges(ctx, func(c line.Change) {
			seen.add(c)
			if c == changes[0] {
				panic("the watcher has met what it did not expect")
			}
		})
		if err != nil {
			t.Errorf("WatchChanges returned %v, want nil", err)
		}
	})
	eventually(t, func() error { return subscriber.Check(t.Context()) })

	publish(t, publisher, changes[:1])
	publishRaw(t, opts, []byte("{"))
	publish(t, publisher, changes[1:])

	eventually(t, func() error { return seen.hasAll(changes) })
	if total := seen.total(); total != len(changes) {
		t.Errorf("%d changes shown, want %d", total, len(changes))
	}
}
