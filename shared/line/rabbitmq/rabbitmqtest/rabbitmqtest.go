// Package rabbitmqtest creates a bus for one test at a shared broker. It is for tests only.
package rabbitmqtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/config"
	"stavka.local/shared/line"
	"stavka.local/shared/line/rabbitmq"
)

// URL returns the URL of the broker for tests, from TEST_RABBITMQ_URL. The test fails when it
// is not set.
func URL(t testing.TB) string {
	t.Helper()
	url := os.Getenv("TEST_RABBITMQ_URL")
	if url == "" {
		t.Fatal("TEST_RABBITMQ_URL is not set; `make test` starts a broker and sets it")
	}
	return url
}

// Options returns options for a bus of the test's own, with unique names and short pauses
// between attempts. A cleanup deletes the bus. Cleanups that the test registers after this
// call run before, so users of the bus can end first.
func Options(t testing.TB) rabbitmq.Options {
	t.Helper()
	id := strings.ToLower(rand.Text())
	opts := rabbitmq.Options{
		URL:      URL(t),
		Tokens:   []config.Secret{config.NewSecret("token-" + id)},
		Name:     t.Name(),
		Exchange: "test-line-" + id,
		Queue:    "test-changes-" + id,
		RetryMin: 5 * time.Millisecond,
		RetryMax: 100 * time.Millisecond,
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := Remove(ctx, opts); err != nil {
			t.Errorf("delete %s and %s: %v", opts.Exchange, opts.Queue, err)
		}
	})
	return opts
}

// Signed returns a message of that type with the signature that a publisher under
// token would give it.
func Signed(t testing.TB, token config.Secret, messageType string, message amqp.Publishing) amqp.Publishing {
	t.Helper()
	keys, err := line.NewKeys(token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	message.Headers = amqp.Table{"hmac-sha256": keys.Sign(messageType, message.MessageId, message.Body)}
	return message
}

// DeleteQueue deletes the queue that consumers share and leaves the rest of the bus. Tests
// must not delete the queue in another way: see settled.
func DeleteQueue(ctx context.Context, opts rabbitmq.Options) error {
	return visit(opts.URL, func(ch *amqp.Channel) error {
		if err := settled(ctx, ch, opts.Queue); err != nil {
			return err
		}
		_, err := ch.QueueDelete(opts.Queue, false, false, false)
		return err
	})
}

// Remove deletes all exchanges and queues of the bus. The bus must not be in use.
func Remove(ctx context.Context, opts rabbitmq.Options) error {
	dead := opts.Queue + ".dead"
	var problems []error
	if exists(opts.URL, opts.Queue) && exists(opts.URL, dead) {
		problems = append(problems, visit(opts.URL, func(ch *amqp.Channel) error { return settled(ctx, ch, opts.Queue) }))
	}
	problems = append(problems, visit(opts.URL, func(ch *amqp.Channel) error {
		_, queueErr := ch.QueueDelete(opts.Queue, false, false, false)
		_, deadErr := ch.QueueDelete(dead, false, false, false)
		return errors.Join(queueErr, deadErr,
			ch.ExchangeDelete(opts.Exchange, false, false),
			ch.ExchangeDelete(opts.Exchange+".dead", false, false))
	}))
	return errors.Join(problems...)
}

// settled waits until the broker's dead-letter worker of the queue runs, by sending a
// message through it. When a queue is deleted while its worker starts, RabbitMQ 3.10 ends
// the workers of all queues, and every queue with dead letters fails until the broker is
// restarted.
func settled(ctx context.Context, ch *amqp.Channel, queue string) error {
	dead := queue + ".dead"
	before, err := ch.QueueDeclarePassive(dead, true, false, false, false, nil)
	if err != nil {
		return err
	}
	if err := ch.PublishWithContext(ctx, "", queue, false, false, amqp.Publishing{Body: []byte("probe")}); err != nil {
		return err
	}
	rejected := false
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		if !rejected {
			d, ok, err := ch.Get(queue, false)
			if err != nil {
				return err
			}
			if ok {
				if err := d.Reject(false); err != nil {
					return err
				}
				rejected = true
			}
		}
		now, err := ch.QueueDeclarePassive(dead, true, false, false, false, nil)
		if err != nil {
			return err
		}
		if now.Messages > before.Messages {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for a dead letter of %s: %w", queue, ctx.Err())
		}
	}
}

func exists(url, queue string) bool {
	return visit(url, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		return err
	}) == nil
}

// visit runs use on a new channel.
func visit(url string, use func(*amqp.Channel) error) error {
	conn, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err == nil {
		err = use(ch)
	}
	return errors.Join(err, conn.Close())
}
