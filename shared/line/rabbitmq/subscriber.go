package rabbitmq

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/line"
	"stavka.local/shared/wait"
)

// The names of the subscriptions in hooks, in logs and at the broker.
const (
	changesName         = "changes"
	changesWatchName    = "changes-watch"
	heartbeatsWatchName = "heartbeats-watch"
)

// Subscriber receives messages from the broker. Each method keeps a connection while it
// runs, so a Subscriber needs no closing. It is safe for concurrent use.
type Subscriber struct {
	opts   Options
	keys   *line.Keys
	topo   topology
	paused atomic.Int64 // deliveries waiting for another try

	mu    sync.Mutex
	links map[*link]struct{} // of the running subscriptions
}

var _ line.Subscriber = (*Subscriber)(nil)

// NewSubscriber returns a subscriber. For unusable options it returns an error that names
// every problem.
func NewSubscriber(opts Options) (*Subscriber, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	keys, err := opts.keys()
	if err != nil {
		return nil, err
	}
	return &Subscriber{
		opts:  opts,
		keys:  keys,
		topo:  topology{exchange: opts.Exchange, queue: opts.Queue},
		links: make(map[*link]struct{}),
	}, nil
}

// ConsumeChanges implements line.Subscriber.
//
// When a handler returns an error, its worker keeps the delivery and calls the handler again
// after pauses that grow from RetryMin to RetryMax. The delivery is not requeued, which would
// count against the delivery limit. With Workers such deliveries the consumer stands still,
// as it should while its store is down.
//
// A delivery is rejected when it is forged, when it cannot be decoded, or when the handler
// returns line.ErrPoison or panics. The broker moves it to the queue of dead letters.
//
// After ctx has ended no further delivery is handled. Running handlers may finish within
// DrainTimeout, and their deliveries are acknowledged. The same holds when the connection is
// lost, but then nothing can be acknowledged and the broker delivers the messages again.
func (s *Subscriber) ConsumeChanges(ctx context.Context, handle func(context.Context, line.Change) error) error {
	s.keep(ctx, changesName, func(ctx context.Context, l *link, c *connection) error {
		in, err := s.subscribe(ctx, c, s.opts.Prefetch, func(ch *amqp.Channel) (string, error) {
			return s.topo.queue, s.topo.declare(ch)
		})
		if err != nil {
			return err
		}
		l.up(ctx, c)
		w := worker{subscriber: s, log: l.log, handle: handle}
		return s.work(ctx, in, func(live, grace context.Context) {
			for d := range until(live, in.deliveries) {
				w.deliver(live, grace, d)
			}
		}, s.opts.Workers)
	})
	return nil
}

// WatchChanges implements line.Subscriber. A watcher that is more than watchLength changes
// behind misses the oldest.
func (s *Subscriber) WatchChanges(ctx context.Context, handle func(line.Change)) error {
	s.watch(ctx, changesWatchName, line.TypeChange, changesWatchArgs(), s.opts.Prefetch, func(body []byte) error {
		change, err := line.DecodeChange(body)
		if err == nil {
			handle(change)
		}
		return err
	})
	return nil
}

// WatchHeartbeats implements line.Subscriber. A heartbeat that has waited longer than
// FeedTimeout is not delivered.
func (s *Subscriber) WatchHeartbeats(ctx context.Context, handle func(line.Heartbeat)) error {
	// With one at a time the broker keeps the newest while the watcher is busy.
	const prefetch = 1
	s.watch(ctx, heartbeatsWatchName, line.TypeHeartbeat, heartbeatsWatchArgs(s.opts.FeedTimeout), prefetch, func(body []byte) error {
		heartbeat, err := line.DecodeHeartbeat(body)
		if err == nil {
			handle(heartbeat)
		}
		return err
	})
	return nil
}

// Check returns nil while every running subscription is connected, else the error for the
// class of failure. It returns ErrNotStarted when none runs. It does not wait.
func (s *Subscriber) Check(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.links) == 0 {
		return ErrNotStarted
	}
	for l := range s.links {
		if err := l.status(); err != nil {
			return err
		}
	}
	return nil
}

// keep runs use on one connection after the other until ctx ends.
func (s *Subscriber) keep(ctx context.Context, name string, use func(context.Context, *link, *connection) error) {
	l := newLink(name, s.opts)
	s.mu.Lock()
	s.links[l] = struct{}{}
	s.mu.Unlock()
	l.keep(ctx, func(ctx context.Context, c *connection) error { return use(ctx, l, c) })
	s.mu.Lock()
	delete(s.links, l)
	s.mu.Unlock()
}

// intake is the deliveries of one connection.
type intake struct {
	deliveries <-chan amqp.Delivery // closed after the last
	lost       <-chan *amqp.Error   // receives the reason, if any, and is closed
	deleted    <-chan string        // receives a value when the queue has been deleted
}

// subscribe sets c up to deliver the messages of the queue that declare returns.
func (s *Subscriber) subscribe(ctx context.Context, c *connection, prefetch int, declare func(*amqp.Channel) (string, error)) (intake, error) {
	var in intake
	err := c.bounded(ctx, func() error {
		ch, err := c.Channel()
		if err != nil {
			return err
		}
		in.lost = ch.NotifyClose(make(chan *amqp.Error, 1))
		in.deleted = ch.NotifyCancel(make(chan string, 1))
		queue, err := declare(ch)
		if err != nil {
			return err
		}
		if err := ch.Qos(prefetch, 0, false); err != nil {
			return err
		}
		in.deliveries, err = ch.Consume(queue, "", false, false, false, false, nil)
		return err
	})
	return in, err
}

// work runs n copies of run, which take deliveries from in, until ctx ends or the deliveries
// do. Then live ends at once, and grace after DrainTimeout.
func (s *Subscriber) work(ctx context.Context, in intake, run func(live, grace context.Context), n int) error {
	live, end := context.WithCancel(ctx)
	defer end()
	grace, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() { run(live, grace) })
	}

	var err error
	select {
	case <-ctx.Done():
		err = ctx.Err()
	case e := <-in.lost:
		err = reason(e)
	case _, deleted := <-in.deleted:
		err = amqp.ErrClosed
		if deleted {
			err = errDeleted
		}
	}
	end()
	timer := time.AfterFunc(s.opts.DrainTimeout, cut)
	workers.Wait()
	timer.Stop()
	return err
}

// verify returns nil if d is signed as a message of that type, and otherwise counts it if it is
// forged.
func (s *Subscriber) verify(connection, messageType string, d amqp.Delivery) error {
	signature, _ := d.Headers[signatureHeader].(string)
	err := s.keys.Verify(messageType, d.MessageId, d.Body, signature)
	if errors.Is(err, line.ErrForged) {
		s.opts.Hooks.Forged(connection)
	}
	return err
}

// watch calls take with the body of each signed message published under key, one after the other.
func (s *Subscriber) watch(ctx context.Context, name, key string, args amqp.Table, prefetch int, take func([]byte) error) {
	s.keep(ctx, name, func(ctx context.Context, l *link, c *connection) error {
		in, err := s.subscribe(ctx, c, prefetch, func(ch *amqp.Channel) (string, error) {
			return s.topo.declareWatch(ch, key, args)
		})
		if err != nil {
			return err
		}
		l.up(ctx, c)
		return s.work(ctx, in, func(live, _ context.Context) {
			for d := range until(live, in.deliveries) {
				if err := s.verify(name, key, d); err != nil {
					l.log.WarnContext(ctx, "a watcher skips a message", "error", err)
				} else if err := line.Guard(func() error { return take(d.Body) }); err != nil {
					l.log.ErrorContext(ctx, "a watcher skips a message", "message_id", d.MessageId, "error", err)
				}
				settle(ctx, l.log, d.Ack(false))
			}
		}, 1)
	})
}

// worker handles deliveries of the shared queue.
type worker struct {
	subscriber *Subscriber
	log        *slog.Logger
	handle     func(context.Context, line.Change) error
}

// deliver calls the handler for d until it succeeds. If live ends before, d stays with the
// broker.
func (w *worker) deliver(live, grace context.Context, d amqp.Delivery) {
	s := w.subscriber
	log := w.log
	if d.Redelivered {
		s.opts.Hooks.Redelivered()
	}
	var change line.Change
	err := s.verify(changesName, line.TypeChange, d)
	if err == nil {
		log = log.With("message_id", d.MessageId)
		change, err = line.DecodeChange(d.Body)
	}
	if err == nil {
		err = w.persist(live, log, func() error { return w.handle(grace, change) })
	}
	switch {
	case err == nil:
		settle(grace, log, d.Ack(false))
	case errors.Is(err, line.ErrForged):
		log.WarnContext(grace, "a forged message goes to the dead letters", "error", err)
		settle(grace, log, d.Reject(false))
		s.opts.Hooks.DeadLettered()
	case errors.Is(err, line.ErrPoison):
		log.ErrorContext(grace, "message goes to the dead letters", "error", err)
		settle(grace, log, d.Reject(false))
		s.opts.Hooks.DeadLettered()
	default:
		log.InfoContext(grace, "message stays with the broker", "error", err)
	}
}

// persist calls attempt until it succeeds, fails with line.ErrPoison, or live ends. It
// returns the last error.
func (w *worker) persist(live context.Context, log *slog.Logger, attempt func() error) error {
	s := w.subscriber
	pause := backoff{min: s.opts.RetryMin, max: s.opts.RetryMax}
	err := line.Guard(attempt)
	if err == nil || errors.Is(err, line.ErrPoison) {
		return err
	}
	s.opts.Hooks.Paused(int(s.paused.Add(1)))
	defer func() { s.opts.Hooks.Paused(int(s.paused.Add(-1))) }()
	for {
		delay := pause.next()
		log.WarnContext(live, "message not handled yet", "error", err, "retry_in", delay)
		if wait.For(live, delay) != nil {
			return err
		}
		err = line.Guard(attempt)
		if err == nil || errors.Is(err, line.ErrPoison) {
			return err
		}
	}
}

// settle logs an acknowledgement that could not be sent. The connection is lost then, and the
// broker delivers the message again.
func settle(ctx context.Context, log *slog.Logger, err error) {
	if err != nil {
		log.InfoContext(ctx, "message handled but not acknowledged, it will be redelivered", "error", err)
	}
}

// until yields deliveries until ctx ends or the channel is closed. After ctx has ended it
// yields none, even if some are there.
func until(ctx context.Context, deliveries <-chan amqp.Delivery) iter.Seq[amqp.Delivery] {
	return func(yield func(amqp.Delivery) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case d, ok := <-deliveries:
				if !ok || ctx.Err() != nil || !yield(d) {
					return
				}
			}
		}
	}
}
