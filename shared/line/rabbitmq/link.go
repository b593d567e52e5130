package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/wait"
)

// The classes of failure that Check returns. They name no hosts, queues or credentials; the
// log does.
var (
	// ErrNotStarted: no connection has been needed yet.
	ErrNotStarted = errors.New("rabbitmq: not started")
	// ErrUnreachable: there is no connection, and the last attempt got no answer.
	ErrUnreachable = errors.New("rabbitmq: unreachable")
	// ErrRefused: the broker refuses the user, the password or the vhost.
	ErrRefused = errors.New("rabbitmq: access refused")
	// ErrConflict: an exchange or a queue exists with other properties than ours. An operator
	// must delete it.
	ErrConflict = errors.New("rabbitmq: exchange or queue exists with other properties")
	// ErrBlocked: connected, but the broker accepts no messages (memory or disk alarm).
	ErrBlocked = errors.New("rabbitmq: publishing blocked by the broker")
	// ErrClosed: the publisher has been closed.
	ErrClosed = errors.New("rabbitmq: closed")
)

// errDeleted is the end of a connection whose queue has been deleted. The next connection
// declares it again.
var errDeleted = errors.New("a queue has been deleted")

// deletionPause is the pause before a deleted queue is declared again. When a quorum queue
// is back too soon, RabbitMQ 3.10 takes it for the old one: its consumers are not notified of
// the deletion and get no more messages.
const deletionPause = time.Second

// link keeps one connection. It dials again whenever there is none, passes every new connection to its
// user, and records the state.
type link struct {
	name string
	opts Options
	log  *slog.Logger

	mu      sync.Mutex
	problem error       // nil while connected
	current *connection // nil while there is none
}

func newLink(name string, opts Options) *link {
	return &link{
		name:    name,
		opts:    opts,
		log:     opts.Logger.With("component", "rabbitmq", "connection", name),
		problem: ErrNotStarted,
	}
}

// status returns nil while connected, or the class of failure.
func (l *link) status() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The user of a lost connection may take a while to return.
	if l.current != nil && l.current.IsClosed() {
		return ErrUnreachable
	}
	return l.problem
}

func (l *link) setStatus(problem error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.problem = problem
}

// connected returns the connection that is up, or nil.
func (l *link) connected() *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

func (l *link) setConnected(c *connection, problem error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.problem = c, problem
}

// keep runs use on one connection after the other until ctx ends. use must set the
// connection up within connection.bounded, call up, and return when the connection has
// failed. The connection is then closed.
func (l *link) keep(ctx context.Context, use func(context.Context, *connection) error) {
	pause := backoff{min: l.opts.RetryMin, max: l.opts.RetryMax}
	for {
		began := time.Now()
		wasUp, err := l.once(ctx, use)
		if ctx.Err() != nil {
			l.setStatus(ErrClosed)
			return
		}
		// A connection that was lost at once must not shorten the pause.
		if wasUp && time.Since(began) > l.opts.RetryMax {
			pause.reset()
		}
		delay := pause.next()
		if errors.Is(err, errDeleted) {
			delay = max(delay, deletionPause)
		}
		message := "cannot connect to the broker"
		if wasUp {
			message = "connection to the broker lost"
		}
		l.log.WarnContext(ctx, message, "error", err, "retry_in", delay)
		_ = wait.For(ctx, delay)
	}
}

// once dials one connection and uses it to its end. It reports whether it was ever up.
func (l *link) once(ctx context.Context, use func(context.Context, *connection) error) (wasUp bool, err error) {
	c, err := l.dial(ctx)
	if err == nil {
		err = use(ctx, c)
		c.close()
	}
	if err == nil {
		err = errors.New("connection closed")
	}
	wasUp = c != nil && l.connected() == c
	l.setConnected(nil, classify(err))
	if wasUp {
		l.opts.Hooks.Connected(l.name, false)
	}
	return wasUp, err
}

// up records that the connection is set up and in use.
func (l *link) up(ctx context.Context, c *connection) {
	l.setConnected(c, nil)
	l.log.InfoContext(ctx, "connected to the broker")
	l.opts.Hooks.Connected(l.name, true)
}

// dial returns a connection. It takes at most ConnectTimeout and ends with ctx.
func (l *link) dial(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, l.opts.ConnectTimeout)
	defer cancel()
	c := &connection{timeout: l.opts.ConnectTimeout}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(l.opts.Name + "/" + l.name)
	conn, err := amqp.DialConfig(l.opts.URL, amqp.Config{
		Heartbeat:  l.opts.HeartbeatInterval,
		Properties: properties,
		Dial: func(network, address string) (net.Conn, error) {
			socket, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			c.socket = &boundedConn{Conn: socket, timeout: l.opts.ConnectTimeout}
			// The handshakes of the library do not take a context.
			c.stopHandshake = context.AfterFunc(ctx, c.abort)
			return c.socket, nil
		},
	})
	if c.stopHandshake != nil && !c.stopHandshake() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.abort()
		return nil, fmt.Errorf("dial: %w", err)
	}
	c.Connection = conn
	c.blocked = conn.NotifyBlocked(make(chan amqp.Blocking, 8))
	return c, nil
}

// connection is one connection to the broker and its socket. Only closing the socket never
// blocks.
type connection struct {
	*amqp.Connection

	socket        net.Conn
	stopHandshake func() bool
	timeout       time.Duration
	blocked       chan amqp.Blocking // memory and disk alarms
}

// bounded runs steps in which the library may wait for the broker indefinitely. It cuts the
// connection when they take longer than the timeout or when ctx ends.
func (c *connection) bounded(ctx context.Context, steps func() error) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, c.abort)
	err := steps()
	if !stop() {
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// close closes the connection in good order, which shows that the broker has handled every
// frame sent before. It cuts the connection when this takes too long. Closing again does
// nothing.
func (c *connection) close() {
	const politeness = 2 * time.Second
	timer := time.AfterFunc(politeness, c.abort)
	// The error does not matter: the connection is closed afterwards.
	_ = c.Close()
	timer.Stop()
	c.abort()
}

// abort closes the socket. Every call that waits for the broker then returns.
func (c *connection) abort() {
	if c.socket != nil {
		_ = c.socket.Close()
	}
}

// reason returns the error for a value of NotifyClose.
func reason(closed *amqp.Error) error {
	if closed == nil {
		return amqp.ErrClosed
	}
	return closed
}

// classify returns the class of failure for Check.
func classify(err error) error {
	var problem *amqp.Error
	if !errors.As(err, &problem) {
		return ErrUnreachable
	}
	switch problem.Code {
	case amqp.AccessRefused, amqp.NotAllowed:
		return ErrRefused
	case amqp.PreconditionFailed, amqp.ResourceLocked:
		return ErrConflict
	default:
		return ErrUnreachable
	}
}

// boundedConn fails a write that takes too long. Otherwise a broker that stops reading, as
// in a memory alarm, would block writers indefinitely, and with them the library's locks.
type boundedConn struct {
	net.Conn

	timeout time.Duration
}

func (c *boundedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// backoff is a pause that doubles from min to max. A random part of up to half is left out,
// so that clients that fail together do not return together.
type backoff struct {
	min, max time.Duration
	current  time.Duration
}

func (b *backoff) next() time.Duration {
	b.current = min(max(b.current*2, b.min), b.max)
	return b.current/2 + rand.N(b.current/2+1)
}

func (b *backoff) reset() { b.current = 0 }
