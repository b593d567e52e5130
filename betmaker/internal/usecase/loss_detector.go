package usecase

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"stavka.local/shared/line"
)

const (
	// maxSeenPushes bounds the memory of messages. A page is applied within seconds of
	// the messages about what is in it, so the newest are enough.
	maxSeenPushes = 1 << 14
	// clockMargin covers the line's clock, which may differ by maxClockSkew and is read in
	// whole seconds.
	clockMargin = 2 * time.Second
)

// LossDetector finds out whether messages get lost: it counts the results which this
// replica learnt from the change log and whose message never came, although the bus was
// connected, and the line's heartbeats came, from before the result until a grace after
// it was learnt. That it is often the change log that is faster does not matter, nor
// does who consumed the message: a message goes by every replica.
//
// In a system that loses nothing the count stays 0; the change log has healed whatever
// is counted. It is safe for concurrent use.
type LossDetector struct {
	// Grace is how long after a page a message may come.
	Grace time.Duration
	// Heartbeats tells whether the line's heartbeats are coming.
	Heartbeats func() bool
	// Healed is told how many results were found to have had no message.
	Healed func(results int)
	Logger *slog.Logger

	mu        sync.Mutex
	connected time.Time // since when the bus is; zero while it is not
	seen      map[pushed]struct{}
	order     []pushed // of seen, the oldest first
	missing   map[pushed]time.Time
}

// pushed names a change, whatever the generation it was read in.
type pushed struct {
	dataset string
	seq     int64
}

// Connected takes note that the watch on changes is connected, or not any more.
func (l *LossDetector) Connected(up bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected = time.Time{}
	if up {
		l.connected = time.Now()
	}
	// Their messages may have gone by while nobody was looking.
	clear(l.missing)
}

// Pushed takes note of a message.
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

// Learnt takes note of a result that a page brought before any message did.
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
	ticker := time.NewTicker(max(l.Grace/4, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			l.count(ctx)
		}
	}
}

func (l *LossDetector) count(ctx context.Context) {
	heartbeats := l.Heartbeats()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !heartbeats {
		// The line is not well, so a message may come late.
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
