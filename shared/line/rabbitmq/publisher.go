package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/line"
)

// signatureHeader is the header of the signature: line.Keys says what it covers. Nothing else of a
// message is believed.
const signatureHeader = "hmac-sha256"

// heartbeatPatience bounds PublishHeartbeat: a late heartbeat is useless.
const heartbeatPatience = time.Second

// errUnroutable means that the broker has no queue for the message.
var errUnroutable = errors.New("no queue is bound for it")

// errRefused means that the broker has refused the message.
var errRefused = errors.New("the broker refused it")

// Publisher sends messages to the broker. It is safe for concurrent use. Each publication
// waits for a round trip and a disk write of the broker, so callers should publish several
// hundred concurrently.
//
// It connects when any method is first called, and again whenever the connection is lost.
// Close ends it.
type Publisher struct {
	link     *link
	keys     *line.Keys
	requests chan *publication

	start   sync.Once
	keep    func() // keeps the connection until stopped
	stop    context.CancelFunc
	stopped <-chan struct{} // closed by stop
	ended   chan struct{}   // closed when its goroutines have ended
}

var _ line.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher that has not connected yet. For unusable options it
// returns an error that names every problem.
func NewPublisher(opts Options) (*Publisher, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	keys, err := opts.keys()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Publisher{
		link:     newLink("publisher", opts),
		keys:     keys,
		requests: make(chan *publication),
		stop:     stop,
		stopped:  ctx.Done(),
		ended:    make(chan struct{}),
	}
	p.keep = func() { p.link.keep(ctx, p.serve) }
	return p, nil
}

// publication is one message being published.
type publication struct {
	message   amqp.Publishing
	key       string
	confirmed bool
	abandoned <-chan struct{} // closed when the caller no longer waits
	result    chan error      // holds one
	returned  bool            // the broker has returned it as unroutable
}

// PublishChange implements line.Publisher. It returns nil only when the broker has routed
// the message to at least one queue and has confirmed that every such queue has it on disk.
// While there is no connection, or the broker accepts no messages, it waits until ctx ends
// or PublishTimeout has passed.
func (p *Publisher) PublishChange(ctx context.Context, change line.Change) error {
	body, err := line.EncodeChange(change)
	if err != nil {
		return err
	}
	err = p.publish(ctx, p.link.opts.PublishTimeout, &publication{
		key:       line.TypeChange,
		confirmed: true,
		message: amqp.Publishing{
			Headers:      amqp.Table{signatureHeader: p.keys.Sign(line.TypeChange, change.MessageID(), body)},
			MessageId:    change.MessageID(),
			Type:         line.TypeChange,
			ContentType:  "application/json",
			DeliveryMode: amqp.Persistent,
			Timestamp:    change.Event.UpdatedAt,
			Body:         body,
		},
	})
	if err != nil {
		return fmt.Errorf("publish %s: %w", change.MessageID(), err)
	}
	return nil
}

// PublishHeartbeat implements line.Publisher. It returns within a second, and at once when
// there is no connection.
func (p *Publisher) PublishHeartbeat(ctx context.Context, heartbeat line.Heartbeat) error {
	body, err := line.EncodeHeartbeat(heartbeat)
	if err != nil {
		return err
	}
	if err := p.Check(ctx); err != nil {
		return fmt.Errorf("publish heartbeat: %w", err)
	}
	err = p.publish(ctx, heartbeatPatience, &publication{
		key: line.TypeHeartbeat,
		message: amqp.Publishing{
			Headers:      amqp.Table{signatureHeader: p.keys.Sign(line.TypeHeartbeat, "", body)},
			Type:         line.TypeHeartbeat,
			ContentType:  "application/json",
			DeliveryMode: amqp.Transient,
			Timestamp:    heartbeat.SentAt,
			Body:         body,
		},
	})
	if err != nil {
		return fmt.Errorf("publish heartbeat: %w", err)
	}
	return nil
}

// Check returns nil while the publisher is connected and able to publish, else the error for
// the class of failure. It does not wait.
func (p *Publisher) Check(context.Context) error {
	p.run()
	return p.link.status()
}

// Close ends the connection and waits until all goroutines have ended. If ctx ends before,
// it returns the error of ctx. Running publications fail. The publisher cannot be used
// again. Closing it again does nothing.
func (p *Publisher) Close(ctx context.Context) error {
	p.stop()
	p.start.Do(func() {
		p.link.setStatus(ErrClosed)
		close(p.ended)
	})
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close rabbitmq publisher: %w", ctx.Err())
	}
}

// run starts keeping the connection, once.
func (p *Publisher) run() {
	p.start.Do(func() {
		go func() {
			defer close(p.ended)
			p.keep()
		}()
	})
}

func (p *Publisher) publish(ctx context.Context, patience time.Duration, pub *publication) error {
	p.run()
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not done within %v", patience))
	defer cancel()
	pub.abandoned = ctx.Done()
	pub.result = make(chan error, 1)
	select {
	case p.requests <- pub:
	case <-p.stopped:
		return ErrClosed
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), p.link.status())
	}
	select {
	case err := <-pub.result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no confirmation: %w", context.Cause(ctx))
	}
}

// serve publishes on one connection until it ends.
func (p *Publisher) serve(ctx context.Context, c *connection) error {
	s := session{pending: make(map[uint64]*publication)}
	var answers answers
	err := c.bounded(ctx, func() error {
		var err error
		if s.confirmed, err = c.Channel(); err != nil {
			return err
		}
		t := topology{exchange: p.link.opts.Exchange, queue: p.link.opts.Queue}
		if err := t.declare(s.confirmed); err != nil {
			return err
		}
		if err := s.confirmed.Confirm(false); err != nil {
			return err
		}
		// The library drops what it cannot deliver for five seconds. The listener never takes
		// that long; the buffers are for speed.
		answers.confirms = s.confirmed.NotifyPublish(make(chan amqp.Confirmation, 256))
		answers.returns = s.confirmed.NotifyReturn(make(chan amqp.Return, 256))
		answers.lost = s.confirmed.NotifyClose(make(chan *amqp.Error, 1))
		// Heartbeats need no confirmation and use another channel.
		s.plain, err = c.Channel()
		return err
	})
	if err != nil {
		return err
	}
	p.link.up(ctx, c)

	writing, stop := context.WithCancel(ctx)
	failed := make(chan error, 1)
	var writer sync.WaitGroup
	writer.Go(func() { failed <- p.write(writing, c, &s) })
	defer func() {
		stop()
		c.close() // the writer may wait for a broker that does not read
		writer.Wait()
		s.failAll()
	}()
	return s.listen(answers, failed)
}

// write sends requests to the broker until ctx or the connection ends. While the broker
// accepts no messages, requests wait.
func (p *Publisher) write(ctx context.Context, c *connection, s *session) error {
	requests := p.requests
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case blocking, ok := <-c.blocked:
			switch {
			case !ok:
				return amqp.ErrClosed
			case blocking.Active:
				p.link.log.WarnContext(ctx, "the broker accepts no messages", "reason", blocking.Reason)
				p.link.setStatus(ErrBlocked)
				requests = nil
			default:
				p.link.log.InfoContext(ctx, "the broker accepts messages again")
				p.link.setStatus(nil)
				requests = p.requests
			}
		case pub := <-requests:
			if err := s.send(ctx, p.link.opts.Exchange, pub); err != nil {
				return err
			}
		}
	}
}

// session is the running publications of one connection.
type session struct {
	confirmed, plain *amqp.Channel // used by the writer only

	mu      sync.Mutex
	pending map[uint64]*publication // by the number that the broker confirms
}

// answers is the channels for answers of the broker.
type answers struct {
	confirms chan amqp.Confirmation
	returns  chan amqp.Return
	lost     chan *amqp.Error // receives the reason, if any, when channel or connection ends
}

// listen resolves publications until there are no more answers or the writer has ended. The
// writer also ends with its context.
func (s *session) listen(a answers, failed <-chan error) error {
	for {
		select {
		case err := <-failed:
			return err
		case err := <-a.lost:
			return reason(err)
		case r, ok := <-a.returns:
			if !ok {
				return amqp.ErrClosed
			}
			s.markReturned(r)
		case confirmation, ok := <-a.confirms:
			if !ok {
				return amqp.ErrClosed
			}
			// The broker returns a message before it confirms it, so the return has arrived, but
			// select does not keep the order.
			for len(a.returns) > 0 {
				s.markReturned(<-a.returns)
			}
			if s.resolve(confirmation) {
				return errDeleted // the queue existed when this connection was set up
			}
		}
	}
}

// send sends pub to the broker. An error means that the connection has failed.
func (s *session) send(ctx context.Context, exchange string, pub *publication) error {
	select {
	case <-pub.abandoned:
		return nil
	default:
	}
	if !pub.confirmed {
		err := s.plain.PublishWithContext(ctx, exchange, pub.key, false, false, pub.message)
		pub.result <- err
		return err
	}
	// Recorded before it is sent, since the confirmation may come before Publish returns.
	number := s.confirmed.GetNextPublishSeqNo()
	s.mu.Lock()
	s.pending[number] = pub
	s.mu.Unlock()
	return s.confirmed.PublishWithContext(ctx, exchange, pub.key, true, false, pub.message)
}

// markReturned records that the broker had no queue for a message. A return does not name
// the publication of the message, so all pending ones are marked.
func (s *session) markReturned(r amqp.Return) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pub := range s.pending {
		if pub.message.MessageId == r.MessageId {
			pub.returned = true
		}
	}
}

// resolve reports its result to a publication, and whether the broker had returned it.
func (s *session) resolve(confirmation amqp.Confirmation) (returned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pub, ok := s.pending[confirmation.DeliveryTag]
	if !ok {
		return false
	}
	delete(s.pending, confirmation.DeliveryTag)
	switch {
	case pub.returned:
		pub.result <- errUnroutable
	case !confirmation.Ack:
		pub.result <- errRefused
	default:
		pub.result <- nil
	}
	return pub.returned
}

// failAll fails all pending publications. It is unknown whether the broker has them.
func (s *session) failAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pub := range s.pending {
		pub.result <- errors.New("connection lost before the confirmation")
	}
	clear(s.pending)
}
