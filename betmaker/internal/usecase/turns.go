package usecase

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// turns let the callers with the same key pass one at a time. Callers with different keys do not wait
// for each other. The zero value is ready for use.
type turns[K comparable] struct {
	mu   sync.Mutex
	held map[K]*turn
}

type turn struct {
	place   chan struct{} // holds one token while somebody has the turn
	callers int           // that have the turn or wait for it
}

// take waits for the turn of key, at most for patience. The caller must call leave. Errors:
// ErrTooManyLogins, that of ctx.
func (t *turns[K]) take(ctx context.Context, key K, patience time.Duration) (leave func(), err error) {
	mine := t.join(key)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case mine.place <- struct{}{}:
		return func() {
			<-mine.place
			t.quit(key, mine)
		}, nil
	case <-timer.C:
		err = ErrTooManyLogins
	case <-ctx.Done():
		err = fmt.Errorf("wait for the attempts before: %w", ctx.Err())
	}
	t.quit(key, mine)
	return nil, err
}

func (t *turns[K]) join(key K) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == nil {
		t.held = make(map[K]*turn)
	}
	mine, ok := t.held[key]
	if !ok {
		mine = &turn{place: make(chan struct{}, 1)}
		t.held[key] = mine
	}
	mine.callers++
	return mine
}

func (t *turns[K]) quit(key K, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.callers--; mine.callers == 0 {
		delete(t.held, key)
	}
}
