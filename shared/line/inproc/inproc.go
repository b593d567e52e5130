// Package inproc carries the line inside one process. It implements line.Publisher and
// line.Subscriber for the URL "inproc:".
//
//	PublishChange ──> handler of ConsumeChanges ──┬─ nil ────> watchers; PublishChange returns nil
//	                  (one goroutine a change)    ├─ poison ─> dead letters; PublishChange returns nil
//	                                              └─ error ──> PublishChange returns it
//
// The bus keeps no changes. Publishing calls the consumer's handler. If the handler fails,
// the publisher must try again: line-provider's relay keeps a change until it has been
// published. A change is therefore acknowledged only after bet-maker has committed it, and
// nothing is lost when the process ends.
//
// Watchers see a change after the consumer has handled it. They do the same work as the
// consumer, so they find it done and do not compete for the store. They do not see dead
// letters.
//
// Messages are passed by value and share no memory, so the receiver owns them.
package inproc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"stavka.local/shared/line"
)

const (
	// changesKept is how many changes wait for a slow watcher. The oldest are dropped: they
	// are in the store already.
	changesKept = 1024
	// heartbeatsKept is one: the newest heartbeat replaces the older ones.
	heartbeatsKept = 1
)

// ErrNoSubscriber is returned while there is no consumer of changes.
var ErrNoSubscriber = errors.New("there is no consumer of changes")

// errSubscribed is returned to a second consumer.
var errSubscribed = errors.New("there is a consumer of changes already, and this bus takes one consumer at a time")

// Options configures a Bus. Every field has a default.
type Options struct {
	// Logger defaults to slog.Default().
	Logger *slog.Logger
	// DeadLettered is called when a change is dead-lettered. It is called from many
	// goroutines and must return at once.
	DeadLettered func()
}

// Bus connects a publisher and a subscriber of the same process. It needs no closing and
// is safe for concurrent use.
type Bus struct {
	opts        Options
	deadLetters atomic.Int64
	changes     audience[line.Change]
	heartbeats  audience[line.Heartbeat]

	subscribed chan struct{} // closed when the first consumer subscribes
	announce   func()        // closes subscribed
	mu         sync.Mutex
	consumer   *consumer // the newest, until it unsubscribes; see present
}

var (
	_ line.Publisher  = (*Bus)(nil)
	_ line.Subscriber = (*Bus)(nil)
)

// New returns a bus without publishers and subscribers.
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

// consumer is a running call of ConsumeChanges.
type consumer struct {
	isOver  func() bool
	handle  func(line.Change) error
	running sync.WaitGroup // handlers; added to under Bus.mu, and only until isOver
}

// PublishChange implements line.Publisher. It returns nil only after the consumer's
// handler has returned nil or the change has been dead-lettered. Concurrent publications
// are handled concurrently.
//
// Errors:
//   - ErrNoSubscriber, at once, when there is no consumer;
//   - line.ErrPoison for a change that the codec would refuse, so that a change accepted
//     here is accepted by every bus;
//   - the error of the handler;
//   - the error of ctx. If ctx has ended before the call, nothing is handled. If it ends
//     during the call, the handler still runs to its end.
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

// handOver starts the consumer's handler for a change and returns the channel for its result.
func (b *Bus) handOver(change line.Change) (<-chan error, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.present()
	if c == nil {
		return nil, ErrNoSubscriber
	}
	result := make(chan error, 1) // buffered: the publisher may have left
	c.running.Go(func() { result <- b.deliver(c, change) })
	return result, nil
}

// deliver passes a change to the handler. An error means that the change must be published again.
func (b *Bus) deliver(c *consumer, change line.Change) error {
	err := line.Guard(func() error { return c.handle(change) })
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

// PublishHeartbeat implements line.Publisher. It does not wait for watchers and succeeds
// without any.
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

// ConsumeChanges implements line.Subscriber for one consumer at a time. Until ctx ends, a
// second call fails at once. A process has one bet-maker, so a second consumer is a mistake
// in how the program is wired.
//
// After ctx has ended no further change is handled, and PublishChange returns
// ErrNoSubscriber. Running handlers finish, however long they take, under a context that
// does not end.
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

// present returns the consumer, or nil when there is none or its context has ended. The
// caller holds b.mu.
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
	if b.consumer == c { // not a newer one
		b.consumer = nil
	}
}

// WatchChanges implements line.Subscriber. It shows the changes that the consumer has
// handled. A watcher that is more than changesKept behind misses the oldest.
func (b *Bus) WatchChanges(ctx context.Context, handle func(line.Change)) error {
	b.changes.watch(ctx, changesKept, b.opts.Logger, handle)
	return nil
}

// WatchHeartbeats implements line.Subscriber.
func (b *Bus) WatchHeartbeats(ctx context.Context, handle func(line.Heartbeat)) error {
	b.heartbeats.watch(ctx, heartbeatsKept, b.opts.Logger, handle)
	return nil
}

// Subscribed returns a channel that is closed when the first consumer of changes has
// subscribed. A publisher that waits for it does not publish too early.
func (b *Bus) Subscribed() <-chan struct{} { return b.subscribed }

// Check returns nil while there is a consumer of changes, else ErrNoSubscriber. It does not
// wait.
func (b *Bus) Check(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.present() == nil {
		return ErrNoSubscriber
	}
	return nil
}

// DeadLetters returns the number of changes that have been dead-lettered since the bus was
// made. The changes themselves are only logged.
func (b *Bus) DeadLetters(context.Context) (int, error) { return int(b.deadLetters.Load()), nil }
