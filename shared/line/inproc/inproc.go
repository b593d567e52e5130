// Package inproc carries the line inside one process: it is the adapter behind
// line.Publisher and line.Subscriber for the URL "inproc:".
//
//	PublishChange ──> handler of ConsumeChanges ──┬─ nil ────> watchers; PublishChange returns nil
//	                  (one goroutine a change)    ├─ poison ─> dead letters; PublishChange returns nil
//	                                              └─ error ──> PublishChange returns it
//
// The bus keeps no changes. A publication is a call of the consumer's handler, and what
// the handler could not do is for the publisher to try again: line-provider's relay
// keeps a change until it has been published. So a change is acknowledged only after
// bet-maker has committed it, and nothing is lost with the process.
//
// Watchers are shown a change after the consumer has handled it, since they do the same
// with it as the consumer: then they find nothing left to do, and do not compete with it
// for the store. A dead letter is not shown to them.
//
// Messages are passed as values. They share no memory, so the receiver owns what it gets.
package inproc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"stavka.local/shared/line"
)

const (
	// changesKept is how many changes wait for a slow watcher. The oldest give way: what
	// it misses is in the store already.
	changesKept = 1024
	// heartbeatsKept is one, the newest. It says all that older ones said.
	heartbeatsKept = 1
)

// ErrNoSubscriber tells that nobody consumes changes.
var ErrNoSubscriber = errors.New("nobody consumes changes")

// errSubscribed is returned to a second consumer.
var errSubscribed = errors.New("changes are being consumed already, and this bus takes one consumer at a time")

// Options is what a Bus needs to know. Every field has a default.
type Options struct {
	// Logger defaults to slog.Default().
	Logger *slog.Logger
	// DeadLettered tells that a change has been dead-lettered. It is called from many
	// goroutines and must return at once.
	DeadLettered func()
}

// Bus connects a publisher and a subscriber of the same process. There is nothing to
// close. It is safe for concurrent use.
type Bus struct {
	opts        Options
	deadLetters atomic.Int64
	changes     audience[line.Change]
	heartbeats  audience[line.Heartbeat]

	subscribed chan struct{} // closed by the first consumer
	announce   func()        // closes it
	mu         sync.Mutex
	consumer   *consumer // the last one, until it has noticed its end; see present
}

var (
	_ line.Publisher  = (*Bus)(nil)
	_ line.Subscriber = (*Bus)(nil)
)

// New returns a bus that nobody uses yet.
func New(opts Options) *Bus {
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.DeadLettered == nil {
		opts.DeadLettered = func() {}
	}
	subscribed := make(chan struct{})
	return &Bus{opts: opts, subscribed: subscribed, announce: sync.OnceFunc(func() { close(subscribed) })}
}

// consumer is a ConsumeChanges that runs.
type consumer struct {
	isOver  func() bool
	handle  func(line.Change) error
	running sync.WaitGroup // handlers; grows under Bus.mu, and no more once it is over
}

// PublishChange implements line.Publisher. It returns nil only after the consumer's
// handler has returned nil, or has dead-lettered the change. Changes that are published
// at the same time are handled at the same time.
//
// Errors: ErrNoSubscriber, at once; one that is line.ErrPoison for a change that the codec
// would refuse, so that what works here works on every bus; the handler's; that of ctx,
// when it has ended before, and nothing is handled, or when it ends meanwhile, and then
// the handler goes to its end.
func (b *Bus) PublishChange(ctx context.Context, change line.Change) error {
	if err := b.publish(ctx, change); err != nil {
		return fmt.Errorf("publish %s: %w", change.MessageID(), err)
	}
	return nil
}

func (b *Bus) publish(ctx context.Context, change line.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkCarriable(change); err != nil {
		return err
	}
	result, err := b.handOver(change)
	if err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// handOver has the consumer handle a change, and returns where the result will be.
func (b *Bus) handOver(change line.Change) (<-chan error, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.present()
	if c == nil {
		return nil, ErrNoSubscriber
	}
	result := make(chan error, 1) // the publisher may be gone by then
	c.running.Go(func() { result <- b.deliver(c, change) })
	return result, nil
}

// deliver has a change handled. An error means that it is to be published again.
func (b *Bus) deliver(c *consumer, change line.Change) error {
	err := guard(func() error { return c.handle(change) })
	switch {
	case err == nil:
		b.changes.show(change)
		return nil
	case errors.Is(err, line.ErrPoison):
		b.deadLetters.Add(1)
		b.opts.Logger.Error("message goes to the dead letters", "message_id", change.MessageID(), "error", err)
		b.opts.DeadLettered()
		return nil
	default:
		return err
	}
}

// PublishHeartbeat implements line.Publisher. It waits for nobody, and nobody listening
// is no error.
func (b *Bus) PublishHeartbeat(ctx context.Context, heartbeat line.Heartbeat) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish heartbeat: %w", err)
	}
	if _, err := line.EncodeHeartbeat(heartbeat); err != nil {
		return fmt.Errorf("publish heartbeat: %w", err)
	}
	b.heartbeats.show(heartbeat)
	return nil
}

// ConsumeChanges implements line.Subscriber, for one consumer at a time: while ctx lasts,
// another one gets an error at once. A process has one bet-maker, so a second consumer is
// a mistake in how the program is put together.
//
// When ctx ends no further change is handled, and publishing is answered with
// ErrNoSubscriber. Handlers that run go to their end, however long they take, under a
// context that does not end.
func (b *Bus) ConsumeChanges(ctx context.Context, handle func(context.Context, line.Change) error) error {
	c := &consumer{
		isOver: func() bool { return ctx.Err() != nil },
		handle: func(change line.Change) error { return handle(context.WithoutCancel(ctx), change) },
	}
	if err := b.subscribe(c); err != nil {
		return err
	}
	<-ctx.Done()
	b.unsubscribe(c)
	c.running.Wait()
	return nil
}

// present returns the consumer, or nil when there is none or its time is over. The caller
// holds b.mu.
func (b *Bus) present() *consumer {
	if b.consumer == nil || b.consumer.isOver() {
		return nil
	}
	return b.consumer
}

func (b *Bus) subscribe(c *consumer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.present() != nil {
		return fmt.Errorf("consume changes: %w", errSubscribed)
	}
	b.consumer = c
	b.announce()
	return nil
}

func (b *Bus) unsubscribe(c *consumer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.consumer == c { // and no later one
		b.consumer = nil
	}
}

// WatchChanges implements line.Subscriber. It shows the changes that the consumer has
// handled; a watcher that is more than a thousand behind misses the oldest.
func (b *Bus) WatchChanges(ctx context.Context, handle func(line.Change)) error {
	b.changes.watch(ctx, changesKept, b.opts.Logger, handle)
	return nil
}

// WatchHeartbeats implements line.Subscriber.
func (b *Bus) WatchHeartbeats(ctx context.Context, handle func(line.Heartbeat)) error {
	b.heartbeats.watch(ctx, heartbeatsKept, b.opts.Logger, handle)
	return nil
}

// Subscribed returns a channel that is closed as soon as there has been a consumer of
// changes. Whoever publishes after that does not come too early.
func (b *Bus) Subscribed() <-chan struct{} { return b.subscribed }

// Check returns nil while changes are consumed, else ErrNoSubscriber. It does not wait.
func (b *Bus) Check(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.present() == nil {
		return ErrNoSubscriber
	}
	return nil
}

// DeadLetters returns how many changes have been dead-lettered since the bus was made.
// Nothing more is kept of them than what was logged.
func (b *Bus) DeadLetters(context.Context) (int, error) { return int(b.deadLetters.Load()), nil }

// guard turns a panic into poison: what made us panic once will do it again.
func guard(attempt func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: panic: %v\n%s", line.ErrPoison, r, debug.Stack())
		}
	}()
	return attempt()
}
