package line

import (
	"context"
	"errors"
)

// ErrPoison marks a message that no retry can make acceptable. The codec returns it for a message
// that it cannot decode, and a consumer's handler for one that the domain cannot accept. Other
// failures, such as an unavailable store, do not make a message poison.
var ErrPoison = errors.New("poison message")

// Publisher sends messages to every subscriber of the bus.
// It is safe for concurrent use.
type Publisher interface {
	// PublishChange returns nil only after the bus has accepted the message: durable, routed and
	// confirmed. After an error the message may or may not be on the bus. Publishing it again is
	// harmless.
	PublishChange(ctx context.Context, change Change) error

	// PublishHeartbeat offers a heartbeat to the present listeners. It may be lost.
	PublishHeartbeat(ctx context.Context, heartbeat Heartbeat) error
}

// Subscriber receives messages. Every method blocks until ctx ends, waits for running handlers, and
// returns nil. It connects and reconnects until then. Delivery is at least once, in any order.
type Subscriber interface {
	// ConsumeChanges passes each change to one of the consumers that share the queue, and removes
	// it from the bus only after handle has returned nil. After an error the message is kept and
	// delivered again after a growing pause. An error that is ErrPoison, or a panic, dead-letters
	// it instead, once. handle may run concurrently with itself. Its context outlives ctx for a
	// while, so that it can finish.
	ConsumeChanges(ctx context.Context, handle func(context.Context, Change) error) error

	// WatchChanges passes every change that is published while it is connected to handle, in every
	// watching process, one after the other. It may miss a change.
	WatchChanges(ctx context.Context, handle func(Change)) error

	// WatchHeartbeats passes heartbeats to handle as WatchChanges does changes. For a slow handler
	// only the newest is kept.
	WatchHeartbeats(ctx context.Context, handle func(Heartbeat)) error
}
