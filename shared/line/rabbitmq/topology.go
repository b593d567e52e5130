package rabbitmq

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/line"
)

const (
	// deliveryLimit is how often the broker hands a message of the shared queue out
	// again before it takes it for the cause of the trouble. We never requeue, so
	// only lost connections and killed consumers count, and every message that a
	// consumer holds then counts one. The limit must outlast many restarts and still
	// end the loop of a message that kills every process it meets.
	deliveryLimit = 1000

	// deadDeliveryLimit is the same for dead letters. Nothing may drop them, but the
	// broker's default would (20 since RabbitMQ 4.0), and what means "none" there is
	// an error in older versions.
	deadDeliveryLimit = 1_000_000

	// watchLength is how many changes wait for a slow watcher before it misses the
	// oldest.
	watchLength = 10_000
)

// topology is the names of what is declared at the broker. The arguments never
// change with the options: a queue that exists with others makes the broker
// refuse the declaration, and then neither side would get anywhere.
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

// declare declares everything durable. Dead letters first: from the moment the
// shared queue exists it must be able to pass on what is rejected.
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
		// At least once needs reject-publish; the default is at most once.
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

// declareWatch declares a queue for one watcher, which ends with its connection,
// and returns the name the broker gave it.
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
