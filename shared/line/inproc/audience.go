package inproc

import (
	"context"
	"log/slog"
	"sync"

	"stavka.local/shared/line"
)

// audience is the watchers of messages of one kind.
type audience[T any] struct {
	mu    sync.Mutex
	seats map[chan T]struct{} // one for each watcher; only show sends to them
}

// show sends a message to every watcher without waiting for any. It drops the oldest
// message of a watcher whose seat is full.
func (a *audience[T]) show(message T) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for seat := range a.seats {
		select {
		case seat <- message:
			continue
		default:
		}
		select {
		case <-seat:
		default: // the watcher has just received it
		}
		seat <- message
	}
}

// watch calls see with each message, one after the other, until ctx ends. At most kept
// messages wait for see. A message that makes see panic is skipped.
func (a *audience[T]) watch(ctx context.Context, kept int, log *slog.Logger, see func(T)) {
	seat := make(chan T, kept)
	a.mu.Lock()
	if a.seats == nil {
		a.seats = make(map[chan T]struct{})
	}
	a.seats[seat] = struct{}{}
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.seats, seat)
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case message := <-seat:
			if ctx.Err() != nil {
				return
			}
			if err := line.Guard(func() error { see(message); return nil }); err != nil {
				log.ErrorContext(ctx, "a watcher skips a message", "error", err)
			}
		}
	}
}
