package rabbitmq_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/line"
	"stavka.local/shared/line/linetest"
	"stavka.local/shared/line/rabbitmq"
)

// patience is how long tests wait for what must happen.
const patience = 30 * time.Second

func TestBus(t *testing.T) {
	t.Parallel()
	linetest.Run(t, func(t *testing.T) linetest.Bus {
		t.Helper()
		opts := options(t)
		return linetest.Bus{
			Publisher:     newPublisher(t, opts),
			NewSubscriber: func() line.Subscriber { return newSubscriber(t, opts) },
			DeadLetters:   newSubscriber(t, opts).DeadLetters,
			Durable:       true,
			Competing:     true,
			Unroute: func(t *testing.T) {
				t.Helper()
				onChannel(t, func(ch *amqp.Channel) error {
					_, err := ch.QueueDelete(opts.Queue, false, false, false)
					return err
				})
			},
			Corrupt: func(t *testing.T, body []byte) {
				t.Helper()
				publishRaw(t, opts, body)
			},
		}
	})
}

// options returns the options for a bus of the test's own at the test's broker,
// with short pauses. Everything with these names is deleted when the test ends.
func options(t *testing.T) rabbitmq.Options {
	t.Helper()
	id := strings.ToLower(rand.Text())
	opts := rabbitmq.Options{
		URL:      brokerURL(t),
		Name:     t.Name(),
		Exchange: "test-line-" + id,
		Queue:    "test-changes-" + id,
		RetryMin: 5 * time.Millisecond,
		RetryMax: 100 * time.Millisecond,
		Logger:   slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	t.Cleanup(func() {
		onChannel(t, func(ch *amqp.Channel) error {
			var problems []error
			for _, queue := range []string{opts.Queue, opts.Queue + ".dead"} {
				_, err := ch.QueueDelete(queue, false, false, false)
				problems = append(problems, err)
			}
			for _, exchange := range []string{opts.Exchange, opts.Exchange + ".dead"} {
				problems = append(problems, ch.ExchangeDelete(exchange, false, false))
			}
			return errors.Join(problems...)
		})
	})
	return opts
}

func brokerURL(t *testing.T) string {
	t.Helper()
	url := os.Getenv("TEST_RABBITMQ_URL")
	if url == "" {
		t.Fatal("TEST_RABBITMQ_URL is not set; `make test` starts a broker and sets it")
	}
	return url
}

func newPublisher(t *testing.T, opts rabbitmq.Options) *rabbitmq.Publisher {
	t.Helper()
	publisher, err := rabbitmq.NewPublisher(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := publisher.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return publisher
}

func newSubscriber(t *testing.T, opts rabbitmq.Options) *rabbitmq.Subscriber {
	t.Helper()
	subscriber, err := rabbitmq.NewSubscriber(opts)
	if err != nil {
		t.Fatal(err)
	}
	return subscriber
}

// onChannel runs use on a channel of the test's own, past the code under test.
func onChannel(t *testing.T, use func(*amqp.Channel) error) {
	t.Helper()
	conn, err := amqp.Dial(brokerURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := use(ch); err != nil {
		t.Fatal(err)
	}
}

// publishRaw puts a body on the bus that the codec would not write.
func publishRaw(t *testing.T, opts rabbitmq.Options, body []byte) {
	t.Helper()
	onChannel(t, func(ch *amqp.Channel) error {
		return ch.PublishWithContext(t.Context(), opts.Exchange, line.TypeChange, false, false, amqp.Publishing{Body: body})
	})
}
