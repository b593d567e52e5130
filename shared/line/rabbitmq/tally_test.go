package rabbitmq_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/line"
	"stavka.local/shared/line/rabbitmq"
)

// tally counts deliveries by the change's number.
type tally struct {
	mu    sync.Mutex
	count map[int64]int
	n     int
}

func newTally() *tally { return &tally{count: make(map[int64]int)} }

// add counts a delivery and returns the total so far.
func (y *tally) add(c line.Change) int {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.count[c.Event.Seq]++
	y.n++
	return y.n
}

func (y *tally) of(seq int64) int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.count[seq]
}

func (y *tally) total() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.n
}

func (y *tally) reached(n int) error {
	if total := y.total(); total < n {
		return fmt.Errorf("%d deliveries, want %d", total, n)
	}
	return nil
}

func (y *tally) hasAll(changes []line.Change) error {
	for _, c := range changes {
		if y.of(c.Event.Seq) == 0 {
			return fmt.Errorf("%s has not been delivered", c.MessageID())
		}
	}
	return nil
}

// publish publishes changes one after the other, each until it succeeds.
func publish(t *testing.T, publisher *rabbitmq.Publisher, changes []line.Change) {
	t.Helper()
	for _, c := range changes {
		eventually(t, func() error { return publisher.PublishChange(t.Context(), c) })
	}
}

// consumer is a running call of ConsumeChanges.
type consumer struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// consume runs ConsumeChanges until stop is called or the test ends.
func consume(t *testing.T, s *rabbitmq.Subscriber, handle func(context.Context, line.Change) error) *consumer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	c := &consumer{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		if err := s.ConsumeChanges(ctx, handle); err != nil {
			t.Errorf("ConsumeChanges returned %v, want nil", err)
		}
	}()
	t.Cleanup(func() { c.stop(t) })
	return c
}

func (c *consumer) stop(t *testing.T) {
	t.Helper()
	c.cancel()
	select {
	case <-c.ended:
	case <-time.After(patience):
		t.Errorf("the consumer did not end within %v", patience)
	}
}

// eventually waits until condition returns nil, and fails the test after patience.
func eventually(t *testing.T, condition func() error) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); ; <-ticker.C {
		err := condition()
		if err == nil {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("timed out after %v: %v", patience, err)
		}
	}
}

// empty returns an error if messages wait in the queue. Messages that a consumer holds do not
// wait.
func empty(t *testing.T, queue string) error {
	t.Helper()
	n := 0
	onChannel(t, func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		n = q.Messages
		return err
	})
	if n != 0 {
		return fmt.Errorf("%d messages in %s", n, queue)
	}
	return nil
}

func beat(lastSeq int64) line.Heartbeat {
	return line.Heartbeat{
		Epoch:   line.Epoch{Dataset: "test", Generation: 1},
		LastSeq: lastSeq,
		SentAt:  time.UnixMilli(1737178402250).UTC(),
	}
}
