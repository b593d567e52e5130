package rabbitmq_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/config"
	"stavka.local/shared/line"
	"stavka.local/shared/line/linetest"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/line/rabbitmq/rabbitmqtest"
)

// patience is how long tests wait for a condition.
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
					return ch.QueueUnbind(opts.Queue, line.TypeChange, opts.Exchange, nil)
				})
			},
			Corrupt: func(t *testing.T, body []byte) {
				t.Helper()
				publishRaw(t, opts, body)
			},
			Forge: func(t *testing.T, messageType string, body []byte) {
				t.Helper()
				forged := rabbitmqtest.Signed(t, config.NewSecret("another token"), messageType, amqp.Publishing{Body: body})
				publishAs(t, opts, messageType, forged)
			},
		}
	})
}

// options returns the options for a bus of the test's own, which logs to the test's output.
func options(t *testing.T) rabbitmq.Options {
	t.Helper()
	opts := rabbitmqtest.Options(t)
	opts.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	return opts
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

// onChannel runs use on a channel of the test's own, without the code under test.
func onChannel(t *testing.T, use func(*amqp.Channel) error) {
	t.Helper()
	conn, err := amqp.Dial(rabbitmqtest.URL(t))
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

// publishRaw publishes a body that the codec would not write, signed as a change.
func publishRaw(t *testing.T, opts rabbitmq.Options, body []byte) {
	t.Helper()
	publishAs(t, opts, line.TypeChange, rabbitmqtest.Signed(t, opts.Tokens[0], line.TypeChange, amqp.Publishing{Body: body}))
}

// publishAs publishes a message as it is.
func publishAs(t *testing.T, opts rabbitmq.Options, key string, message amqp.Publishing) {
	t.Helper()
	onChannel(t, func(ch *amqp.Channel) error {
		return ch.PublishWithContext(t.Context(), opts.Exchange, key, false, false, message)
	})
}
