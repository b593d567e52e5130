package rabbitmq

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/line"
)

const (
	// deliveryLimit is how often the broker redelivers a message of the shared queue before
	// it makes it a dead letter. We never requeue. Each lost connection or killed consumer
	// counts one for every message that the consumer held. The limit must outlast many
	// restarts, and still end the loop of a message that kills every process.
	deliveryLimit = 1000

	// deadDeliveryLimit is the limit for dead letters, which must never be dropped. The
	// default of RabbitMQ 4.0 is 20, and the value for "no limit" is an error in older
	// versions.
	deadDeliveryLimit = 1_000_000

	// watchLength is how many changes wait for a slow watcher. Of more, the oldest are dropped.
	watchLength = 10_000
)

// topology is the names of the exchanges and queues. Their arguments do not depend on
// options: the broker refuses to declare an existing queue with other arguments, and then
// neither publisher nor consumer could work.
type topology struct {
	exchange, queue string
}

func (t topology) deadExchange() string { return t.exchange + ".dead" }
func (t topology) deadQueue() string    { return t.queue + ".dead" }

// declareExchange declares the topic exchange.
func (t topology) declareExchange(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(t.exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return fmt.Errorf("declare exchange %s: %w", t.exchange, err)
	}
	return nil
}

// declare declares the durable exchanges and queues. Those of the dead letters come first:
// as soon as the shared queue exists, rejected messages need a place to go.
func (t topology) declare(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(t.deadExchange(), amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
		return fmt.Errorf("declare exchange %s: %w", t.deadExchange(), err)
	}
	dead := amqp.Table{
		amqp.QueueTypeArg:  amqp.QueueTypeQuorum,
		"x-delivery-limit": deadDeliveryLimit,
		"x-overflow":       "reject-publish",
	}
	if err := declareQueue(ch, t.deadQueue(), dead, t.queue, t.deadExchange()); err != nil {
		return err
	}
	if err := t.declareExchange(ch); err != nil {
		return err
	}
	shared := amqp.Table{
		amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
		"x-delivery-limit":          deliveryLimit,
		"x-dead-letter-exchange":    t.deadExchange(),
		"x-dead-letter-routing-key": t.queue,
		// The default is at-most-once; at-least-once needs reject-publish.
		"x-dead-letter-strategy": "at-least-once",
		"x-overflow":             "reject-publish",
	}
	return declareQueue(ch, t.queue, shared, line.TypeChange, t.exchange)
}

func declareQueue(ch *amqp.Channel, name string, args amqp.Table, key, exchange string) error {
	if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
		return fmt.Errorf("declare queue %s: %w", name, err)
	}
	if err := ch.QueueBind(name, key, exchange, false, nil); err != nil {
		return fmt.Errorf("bind queue %s to %s: %w", name, key, err)
	}
	return nil
}

// declareWatch declares a queue for one watcher and returns the name that the broker has
// given it. The queue ends with its connection.
func (t topology) declareWatch(ch *amqp.Channel, key string, args amqp.Table) (string, error) {
	if err := t.declareExchange(ch); err != nil {
		return "", err
	}
	queue, err := ch.QueueDeclare("", false, true, true, false, args)
	if err != nil {
		return "", fmt.Errorf("declare queue for %s: %w", key, err)
	}
	if err := ch.QueueBind(queue.Name, key, t.exchange, false, nil); err != nil {
		return "", fmt.Errorf("bind queue to %s: %w", key, err)
	}
	return queue.Name, nil
}

func changesWatchArgs() amqp.Table {
	return amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeClassic,
		"x-max-length":    watchLength,
		"x-overflow":      "drop-head",
	}
}

func heartbeatsWatchArgs(feedTimeout time.Duration) amqp.Table {
	return amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeClassic,
		"x-message-ttl":   feedTimeout.Milliseconds(),
		"x-max-length":    1,
		"x-overflow":      "drop-head",
	}
}
