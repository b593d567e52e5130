package line

import (
	"context"
	"errors"
)

// ErrPoison marks a message that no retry can make acceptable. The codec returns
// it for what it cannot decode, a consumer's handler for what the domain cannot
// take. Nothing else makes a message poison: a store that is down does not.
var ErrPoison = errors.New("poison message")

// Publisher sends messages to every subscriber of the bus.
// It is safe for concurrent use.
type Publisher interface {
	// PublishChange returns nil only after the bus has taken the message over:
	// durable, routed and confirmed. On any error the message may or may not be
	// on the bus; publishing it again is harmless.
	PublishChange(ctx context.Context, change Change) error

	// PublishHeartbeat offers a heartbeat to whoever listens now. It may be lost.
	PublishHeartbeat(ctx context.Context, heartbeat Heartbeat) error
}

// Subscriber receives messages. Every method blocks until ctx ends, lets handlers
// that run finish, and then returns nil; it connects, and connects again, for as
// long as it takes. Delivery is at least once, in any order.
type Subscriber interface {
	// ConsumeChanges hands each change to one of all the consumers that share the
	// queue, and takes it off the bus only after handle has returned nil. When
	// handle returns an error the message is kept and handed out again, after a
	// pause that grows; an error that is ErrPoison, or a panic, dead-letters it
	// instead, once. handle may run concurrently with itself; the context it gets
	// outlives ctx for a while, so that it can finish what it has begun.
	ConsumeChanges(ctx context.Context, handle func(context.Context, Change) error) error

	// WatchChanges hands every change published while it is connected to handle,
	// in every process that watches, one after the other. A change may be missed.
	WatchChanges(ctx context.Context, handle func(Change)) error

	// WatchHeartbeats hands over heartbeats like WatchChanges does changes. Only
	// the newest is kept for a slow watcher.
	WatchHeartbeats(ctx context.Context, handle func(Heartbeat)) error
}
