package usecase

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"stavka.local/shared/line"
	"stavka.local/shared/wait"
)

const (
	// maxSeenPushes bounds the memory for messages. A page is applied within seconds of the
	// messages about its changes, so the newest are enough.
	maxSeenPushes = 1 << 14
	// clockMargin covers the line's clock, which may differ by notableSkew and has whole seconds.
	clockMargin = 2 * time.Second
)

// LossDetector detects lost messages. It counts the results that this replica learnt from the
// change log and whose message never came, although the bus was connected, and the line's
// heartbeats came, from before the result until Grace after it was learnt. The change log may be
// faster than the message, and another replica may consume it, because every replica sees every
// message.
//
// The count stays 0 while no message is lost. The change log has made up for those that are
// counted. It is safe for concurrent use.
type LossDetector struct {
	// Grace is how long after a page its messages may come.
	Grace time.Duration
	// Heartbeats reports whether the line's heartbeats come.
	Heartbeats func() bool
	// Healed is called with the number of results found to have had no message.
	Healed func(results int)
	Logger *slog.Logger

	mu        sync.Mutex
	connected time.Time // since when the bus is connected; zero while it is not
	seen      map[pushed]struct{}
	order     []pushed // the keys of seen, oldest first
	missing   map[pushed]time.Time
}

// pushed identifies a change within any generation.
type pushed struct {
	dataset string
	seq     int64
}

// Connected records whether the watch on changes is connected.
func (l *LossDetector) Connected(up bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected = time.Time{}
	if up {
		l.connected = time.Now()
	}
	// Messages may have passed while the watch was not connected.
	clear(l.missing)
}

// Pushed records a message.
func (l *LossDetector) Pushed(change line.Change) {
	key := pushed{change.Epoch.Dataset, change.Event.Seq}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.missing, key)
	if _, again := l.seen[key]; again {
		return
	}
	if l.seen == nil {
		l.seen = make(map[pushed]struct{})
	}
	if len(l.order) >= maxSeenPushes {
		delete(l.seen, l.order[0])
		l.order = l.order[1:]
	}
	l.seen[key] = struct{}{}
	l.order = append(l.order, key)
}

// Learnt records a result that a page brought before a message did.
func (l *LossDetector) Learnt(change line.Change) {
	key := pushed{change.Epoch.Dataset, change.Event.Seq}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, came := l.seen[key]
	watched := !l.connected.IsZero() && change.Event.UpdatedAt.After(l.connected.Add(clockMargin))
	if came || !watched {
		return
	}
	if l.missing == nil {
		l.missing = make(map[pushed]time.Time)
	}
	l.missing[key] = time.Now()
}

// Run counts until ctx ends.
func (l *LossDetector) Run(ctx context.Context) error {
	return wait.Every(ctx, max(l.Grace/4, time.Millisecond), func() error { l.count(ctx); return nil })
}

func (l *LossDetector) count(ctx context.Context) {
	heartbeats := l.Heartbeats()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !heartbeats {
		// The line has a problem, so messages may come late.
		clear(l.missing)
		return
	}
	healed := 0
	for key, learnt := range l.missing {
		if time.Since(learnt) < l.Grace {
			continue
		}
		delete(l.missing, key)
		healed++
		l.Logger.ErrorContext(ctx, "a result had no message; it was found in the change log", "dataset", key.dataset, "seq", key.seq)
	}
	if healed > 0 {
		l.Healed(healed)
	}
}
