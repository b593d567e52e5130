package rabbitmq

import (
	"context"
	"fmt"
	"maps"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// DeadLetters returns the number of messages in the queue of dead letters. It uses the
// connection of ConsumeChanges when there is one.
func (s *Subscriber) DeadLetters(ctx context.Context) (int, error) {
	type answer struct {
		count int
		err   error
	}
	answers := make(chan answer, 1)
	if c := s.consumerConnection(); c != nil {
		// A slow answer must not cut the consumer's connection. The goroutine ends with the
		// connection at the latest.
		go func() {
			count, err := s.countDeadLetters(c)
			answers <- answer{count, err}
		}()
	} else {
		var a answer
		a.err = s.visit(ctx, "dead-letters", func(c *connection) error {
			return c.bounded(ctx, func() (err error) {
				a.count, err = s.countDeadLetters(c)
				return err
			})
		})
		answers <- a
	}
	select {
	case a := <-answers:
		if a.err != nil {
			return 0, fmt.Errorf("count dead letters: %w", a.err)
		}
		return a.count, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("count dead letters: %w", ctx.Err())
	}
}

// Redrive moves dead letters back to the queue that consumers share, the oldest first. It
// moves at most limit of them, or all that are there now when limit is 0. It returns the
// number of messages it has moved, also with an error.
//
// An operator calls it after fixing the cause of the dead letters. A message that is still
// poison becomes a dead letter again. Each message is confirmed in the shared queue before
// it is removed from the dead letters, so none is lost. A message is in both queues when
// the connection fails in between, which does no harm.
func (s *Subscriber) Redrive(ctx context.Context, limit int) (moved int, err error) {
	if limit < 0 {
		return 0, fmt.Errorf("redrive: a limit of %d is negative", limit)
	}
	err = s.visit(ctx, "redrive", func(c *connection) error {
		var r redrive
		if err := c.bounded(ctx, func() error { return r.open(c, s.topo) }); err != nil {
			return err
		}
		// A message that becomes a dead letter again meanwhile is not moved twice.
		rest := r.waiting
		if limit > 0 {
			rest = min(rest, limit)
		}
		for moved < rest {
			var found bool
			err := c.bounded(ctx, func() (err error) {
				found, err = r.moveOne()
				return err
			})
			if err != nil || !found {
				return err
			}
			moved++
		}
		return nil
	})
	if err != nil {
		return moved, fmt.Errorf("redrive: %w", err)
	}
	s.opts.Logger.InfoContext(ctx, "dead letters moved back", "component", "rabbitmq", "count", moved)
	return moved, nil
}

// redrive moves messages on one channel.
type redrive struct {
	topo    topology
	ch      *amqp.Channel
	returns chan amqp.Return
	waiting int // messages in the queue of dead letters when it was opened
}

func (r *redrive) open(c *connection, topo topology) (err error) {
	r.topo = topo
	if r.ch, err = c.Channel(); err != nil {
		return err
	}
	r.returns = r.ch.NotifyReturn(make(chan amqp.Return, 1))
	if err := topo.declare(r.ch); err != nil {
		return err
	}
	if err := r.ch.Confirm(false); err != nil {
		return err
	}
	r.waiting, err = count(r.ch, topo.deadQueue())
	return err
}

// moveOne moves the oldest dead letter and reports whether there was one.
func (r *redrive) moveOne() (bool, error) {
	d, found, err := r.ch.Get(r.topo.deadQueue(), false)
	if err != nil || !found {
		return false, err
	}
	// To the queue and not to the exchange: watchers do not need it again.
	confirmation, err := r.ch.PublishWithDeferredConfirm("", r.topo.queue, true, false, amqp.Publishing{
		Headers:      withoutHistory(d.Headers),
		MessageId:    d.MessageId,
		Type:         d.Type,
		ContentType:  d.ContentType,
		DeliveryMode: amqp.Persistent,
		Timestamp:    d.Timestamp,
		Body:         d.Body,
	})
	if err != nil {
		return false, err
	}
	// Wait returns false when the connection ends before the confirmation.
	switch acked := confirmation.Wait(); {
	case len(r.returns) > 0:
		return false, errUnroutable
	case !acked:
		return false, errRefused
	}
	return true, d.Ack(false)
}

// withoutHistory returns the headers without those in which the broker records deliveries
// and dead-lettering. The message starts anew.
func withoutHistory(headers amqp.Table) amqp.Table {
	headers = maps.Clone(headers)
	maps.DeleteFunc(headers, func(name string, _ any) bool {
		return name == "x-death" || strings.HasPrefix(name, "x-first-death-") || strings.HasPrefix(name, "x-last-death-") ||
			name == "x-delivery-count" || name == "x-acquired-count"
	})
	return headers
}

func (s *Subscriber) countDeadLetters(c *connection) (int, error) {
	ch, err := c.Channel()
	if err != nil {
		return 0, err
	}
	n, err := count(ch, s.topo.deadQueue())
	if err != nil {
		return 0, err // the broker has closed the channel
	}
	return n, ch.Close()
}

func count(ch *amqp.Channel, queue string) (int, error) {
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		return 0, fmt.Errorf("count messages in %s: %w", queue, err)
	}
	return q.Messages, nil
}

// visit runs use on a new connection.
func (s *Subscriber) visit(ctx context.Context, name string, use func(*connection) error) error {
	c, err := newLink(name, s.opts).dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	return use(c)
}

// consumerConnection returns the connection of a running ConsumeChanges, or nil.
func (s *Subscriber) consumerConnection() *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.links {
		if l.name != changesName {
			continue
		}
		if c := l.connected(); c != nil {
			return c
		}
	}
	return nil
}
