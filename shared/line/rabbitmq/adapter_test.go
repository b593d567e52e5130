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

	"stavka.local/shared/config"
	"stavka.local/shared/line"
	"stavka.local/shared/line/linetest"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/line/rabbitmq/rabbitmqtest"
)

func TestNewRefusesBadOptions(t *testing.T) {
	t.Parallel()
	token := []config.Secret{config.NewSecret("secret")}
	good := rabbitmq.Options{URL: "amqp://guest:secret@localhost:5672/", Tokens: token}
	tests := []struct {
		name  string
		spoil func(*rabbitmq.Options)
		want  []string // in the error
	}{
		{"no URL", func(o *rabbitmq.Options) { o.URL = "" }, []string{"URL"}},
		{"no token", func(o *rabbitmq.Options) { o.Tokens = nil }, []string{"no service token"}},
		{"an empty token", func(o *rabbitmq.Options) { o.Tokens = []config.Secret{token[0], config.NewSecret("")} }, []string{"token is empty"}},
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

// goldenSignature is the signature of change_won.json under the token "new". It was computed by
// another program:
//
//	import hashlib, hmac, struct
//	prk = hmac.digest(bytes(32), b"new", "sha256")
//	key = hmac.digest(prk, b"stavka line message hmac-sha256 1\x01", "sha256")
//	parts = b"event.changed", b"f3b1c29a7d04.1:42", open("change_won.json", "rb").read().strip()
//	print(hmac.digest(key, b"".join(struct.pack(">Q", len(p)) + p for p in parts), "sha256").hex())
const goldenSignature = "3d1759252bf502f0333fd81dc71594c2701d88dc1b1a61e5b9117941d207ce01"

// TestWire checks what is at the broker. Programs in other languages rely on the properties of
// messages. If the arguments of a queue changed, an upgraded service could not declare it.
func TestWire(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.FeedTimeout = 3 * time.Second
	opts.Tokens = []config.Secret{config.NewSecret("new"), config.NewSecret("old")}
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

		if got := d.Headers["hmac-sha256"]; got != goldenSignature {
			t.Errorf("signature %v, want %s", got, goldenSignature)
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
	opts := rabbitmq.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil)), RetryMin: time.Millisecond, RetryMax: 50 * time.Millisecond, Tokens: []config.Secret{config.NewSecret("token")}}
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
		publisher := newPublisher(t, rabbitmq.Options{URL: "amqp://localhost", Tokens: []config.Secret{config.NewSecret("token")}})
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

// TestForged sends every subscription messages that are not signed as they must be, and ones that
// are: under the tokens that are accepted beside the first, and messages that come a second time.
func TestForged(t *testing.T) {
	t.Parallel()
	opts := options(t)
	current, old, foreign := config.NewSecret("current token"), config.NewSecret("old token"), config.NewSecret("foreign token")
	publisherOpts := opts
	publisherOpts.Tokens = []config.Secret{old}
	opts.Tokens = []config.Secret{current, old}
	var logged lockedBuffer
	opts.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	var mu sync.Mutex
	forged, deadLettered := make(map[string]int), 0
	opts.Hooks = rabbitmq.Hooks{
		Forged: func(connection string) {
			mu.Lock()
			defer mu.Unlock()
			forged[connection]++
		},
		DeadLettered: func() {
			mu.Lock()
			defer mu.Unlock()
			deadLettered++
		},
	}
	subscriber, publisher := newSubscriber(t, opts), newPublisher(t, publisherOpts)
	changes := linetest.Changes(3)
	seen := newTally()
	consume(t, subscriber, func(_ context.Context, c line.Change) error {
		seen.add(c)
		return nil
	})
	publish(t, publisher, changes[:1]) // under the old token

	body, err := line.EncodeChange(changes[1])
	if err != nil {
		t.Fatal(err)
	}
	good := amqp.Publishing{MessageId: changes[1].MessageID(), Type: line.TypeChange, Body: body}
	signed := rabbitmqtest.Signed(t, current, line.TypeChange, good)
	attacks := map[string]func(*amqp.Publishing){
		"no signature":       func(p *amqp.Publishing) { p.Headers = nil },
		"an empty signature": func(p *amqp.Publishing) { p.Headers = amqp.Table{"hmac-sha256": ""} },
		"a signature of bytes": func(p *amqp.Publishing) {
			p.Headers = amqp.Table{"hmac-sha256": fmt.Append(nil, p.Headers["hmac-sha256"])}
		},
		"a number":               func(p *amqp.Publishing) { p.Headers = amqp.Table{"hmac-sha256": int64(1)} },
		"another header":         func(p *amqp.Publishing) { p.Headers = amqp.Table{"signature": p.Headers["hmac-sha256"]} },
		"a foreign token":        func(p *amqp.Publishing) { *p = rabbitmqtest.Signed(t, foreign, line.TypeChange, good) },
		"signed as a heartbeat":  func(p *amqp.Publishing) { *p = rabbitmqtest.Signed(t, current, line.TypeHeartbeat, good) },
		"another message's id":   func(p *amqp.Publishing) { p.MessageId = changes[2].MessageID() },
		"no id":                  func(p *amqp.Publishing) { p.MessageId = "" },
		"another body":           func(p *amqp.Publishing) { p.Body = bytes.Replace(body, []byte(`"state":1`), []byte(`"state":2`), 1) },
		"a body that is no JSON": func(p *amqp.Publishing) { p.Body = []byte("hush-hush") },
	}
	for _, spoil := range attacks {
		p := signed
		spoil(&p)
		publishAs(t, opts, line.TypeChange, p)
	}
	eventually(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if forged["changes"] != len(attacks) || deadLettered != len(attacks) {
			return fmt.Errorf("%v are forged and %d dead-lettered of %d attacks", forged, deadLettered, len(attacks))
		}
		return nil
	})
	if n := seen.total(); n != 1 {
		t.Errorf("%d changes were handled, want the one that is not forged", n)
	}
	if text := logged.String(); !strings.Contains(text, "level=WARN msg=\"a forged message goes to the dead letters\"") ||
		strings.Contains(text, "suite.1") || strings.Contains(text, "hush-hush") {
		t.Errorf("the log shows no warning, or what is in forged messages: %s", text)
	}

	// Its own message is handled, also a second time: the order of changes is the handler's.
	publishAs(t, opts, line.TypeChange, signed)
	publishAs(t, opts, line.TypeChange, signed)
	publish(t, publisher, changes[2:])
	eventually(t, func() error {
		if total := seen.total(); total != 4 {
			return fmt.Errorf("%d deliveries, want 4", total)
		}
		return seen.hasAll(changes)
	})
	// The dead letters do not loop, and an operator who tries them again gets them back.
	if moved, err := subscriber.Redrive(t.Context(), 0); err != nil || moved != len(attacks) {
		t.Fatalf("Redrive = %d, %v", moved, err)
	}
	eventually(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if forged["changes"] != 2*len(attacks) {
			return fmt.Errorf("%d forged messages", forged["changes"])
		}
		return nil
	})
}

// TestRedriveKeepsTheSignature moves a dead letter, which is then handled as before.
func TestRedriveKeepsTheSignature(t *testing.T) {
	t.Parallel()
	opts := options(t)
	changes := linetest.Changes(1)
	publish(t, newPublisher(t, opts), changes)
	rotated := opts
	rotated.Tokens = []config.Secret{config.NewSecret("new token")}
	var refused atomic.Int32
	rotated.Hooks.Forged = func(string) { refused.Add(1) }
	late := consume(t, newSubscriber(t, rotated), func(context.Context, line.Change) error {
		t.Error("a change under a token that is no longer accepted was handled")
		return nil
	})
	eventually(t, func() error {
		if n, err := newSubscriber(t, opts).DeadLetters(t.Context()); err != nil || n != 1 {
			return fmt.Errorf("%d dead letters: %w", n, err)
		}
		return nil
	})
	late.stop(t)
	rotated.Tokens = append(rotated.Tokens, opts.Tokens...)
	seen := newTally()
	consume(t, newSubscriber(t, rotated), func(_ context.Context, c line.Change) error {
		seen.add(c)
		return nil
	})
	if moved, err := newSubscriber(t, rotated).Redrive(t.Context(), 0); err != nil || moved != 1 {
		t.Fatalf("Redrive = %d, %v", moved, err)
	}
	eventually(t, func() error { return seen.hasAll(changes) })
	if n := refused.Load(); n != 1 {
		t.Errorf("%d messages were forged, want one", n)
	}
}
