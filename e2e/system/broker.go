package system

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/config"
	"stavka.local/shared/line/rabbitmq/rabbitmqtest"
)

// Broker is the RabbitMQ of a system. Tests read its messages and publish ones that
// line-provider would not; Signed signs them as line-provider does. Each call uses a new connection, so RabbitMQ may be
// restarted between calls.
type Broker struct{ url, exchange, queue, token string }

// Broker returns the system's broker.
func (s *System) Broker() Broker {
	return Broker{
		url: s.Env["RABBITMQ_URL"], exchange: s.Env["RABBIT_EXCHANGE"], queue: s.Env["RABBIT_QUEUE"],
		token: s.Env["LINE_PROVIDER_TOKEN"],
	}
}

// Signed returns a message with the signature that line-provider would give it.
func (b Broker) Signed(t testing.TB, messageType string, message amqp.Publishing) amqp.Publishing {
	t.Helper()
	return rabbitmqtest.Signed(t, config.NewSecret(b.token), messageType, message)
}

// Queue is the queue that bet-makers share.
func (b Broker) Queue() string { return b.queue }

// DeadQueue is the queue of dead letters.
func (b Broker) DeadQueue() string { return b.queue + ".dead" }

// Waiting returns the number of messages of a queue that wait for a consumer.
func (b Broker) Waiting(t testing.TB, queue string) int {
	t.Helper()
	waiting := 0
	b.use(t, func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		waiting = q.Messages
		return err
	})
	return waiting
}

// Capture declares a queue that gets a copy of every change until the test ends.
func (b Broker) Capture(t testing.TB) (queue string) {
	t.Helper()
	queue = b.queue + ".captured"
	b.use(t, func(ch *amqp.Channel) error {
		if err := ch.ExchangeDeclare(b.exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
			return err
		}
		if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
			return err
		}
		return ch.QueueBind(queue, "event.changed", b.exchange, false, nil)
	})
	t.Cleanup(func() {
		b.use(t, func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(queue, false, false, false)
			return err
		})
	})
	return queue
}

// Take removes all messages from a queue and returns them.
func (b Broker) Take(t testing.TB, queue string) []amqp.Delivery {
	t.Helper()
	return b.get(t, queue, true)
}

// Peek returns all messages of a queue and leaves them there.
func (b Broker) Peek(t testing.TB, queue string) []amqp.Delivery {
	t.Helper()
	return b.get(t, queue, false)
}

func (b Broker) get(t testing.TB, queue string, take bool) (messages []amqp.Delivery) {
	t.Helper()
	b.use(t, func(ch *amqp.Channel) error {
		for {
			message, ok, err := ch.Get(queue, take)
			if err != nil || !ok {
				return err // unacknowledged messages return to the queue when the channel closes
			}
			messages = append(messages, message)
		}
	})
	return messages
}

// Publish publishes messages under a routing key, as line-provider does. It returns when the
// broker has confirmed them.
func (b Broker) Publish(t testing.TB, key string, messages ...amqp.Publishing) {
	t.Helper()
	b.publish(t, b.exchange, key, messages)
}

// PublishTo puts messages into a queue.
func (b Broker) PublishTo(t testing.TB, queue string, messages ...amqp.Publishing) {
	t.Helper()
	b.publish(t, "", queue, messages)
}

func (b Broker) publish(t testing.TB, exchange, key string, messages []amqp.Publishing) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b.use(t, func(ch *amqp.Channel) error {
		if err := ch.Confirm(false); err != nil {
			return err
		}
		confirmations := make([]*amqp.DeferredConfirmation, len(messages))
		for i, message := range messages {
			var err error
			if confirmations[i], err = ch.PublishWithDeferredConfirm(exchange, key, false, false, message); err != nil {
				return err
			}
		}
		for _, confirmation := range confirmations {
			if taken, err := confirmation.WaitContext(ctx); err != nil || !taken {
				return fmt.Errorf("the broker has not confirmed a message: %w", err)
			}
		}
		return nil
	})
}

func (b Broker) use(t testing.TB, do func(*amqp.Channel) error) {
	t.Helper()
	conn, err := amqp.Dial(b.url)
	if err != nil {
		t.Fatalf("connect to RabbitMQ: %v", err)
	}
	ch, err := conn.Channel()
	if err == nil {
		err = do(ch)
	}
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatalf("use RabbitMQ: %v", err)
	}
}
