package usecase

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/line"
	"stavka.local/shared/wait"
)

// maxClockSkew is the difference between line-provider's clock and ours that is logged. Deadlines
// do not depend on it, but the times that people read do.
const maxClockSkew = time.Second

// Feed tracks the line for one replica. The poller and the watcher of heartbeats update it; placing
// bets depends on it. It is safe for concurrent use.
type Feed struct {
	timeout time.Duration
	logger  *slog.Logger
	ready   chan struct{} // closed once the line has been read for the first time

	mu        sync.Mutex
	state     domain.Feed
	dataset   string        // of the cursor; empty while it is unknown
	heartbeat time.Time     // when the last one came
	skew      time.Duration // of line-provider's clock, ahead of ours
	caughtUp  bool
}

// NewFeed returns a feed that is dead after a silence, or a lag, of timeout.
func NewFeed(timeout time.Duration, logger *slog.Logger) *Feed {
	return &Feed{timeout: timeout, logger: logger, ready: make(chan struct{}), state: domain.NewFeed(timeout)}
}

// Check returns nil while the line is known, and otherwise domain.ErrFeedUnavailable.
func (f *Feed) Check() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state.Check(time.Now())
}

// Run logs when the feed becomes alive or dead, until ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	alive := false
	return wait.Every(ctx, time.Second, func() error {
		switch err := f.Check(); {
		case alive && err != nil:
			alive = false
			f.logger.ErrorContext(ctx, "the line is no longer known: no bets are taken", "error", err)
		case !alive && err == nil:
			alive = true
			f.logger.InfoContext(ctx, "the line is known: bets are taken")
		}
		return nil
	})
}

// Status returns the present status of the feed.
func (f *Feed) Status() domain.FeedStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state.Status(time.Now())
}

// Ready returns a channel that is closed once the line has been read to its end.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Dataset returns the current data set; empty while it is unknown.
func (f *Feed) Dataset() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dataset
}

// ClockSkew returns how far line-provider's clock was last ahead of ours; negative if it was
// behind.
func (f *Feed) ClockSkew() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.skew
}

// ObserveClock records how far line-provider's clock was ahead of ours in an answer. Heartbeats are
// more exact, so it counts only in their absence.
func (f *Feed) ObserveClock(ctx context.Context, aheadBy time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.heartbeat) > f.timeout {
		f.observeClock(ctx, aheadBy)
	}
}

// observeClock logs when the clocks begin to differ too much and when they agree again. It needs
// f.mu.
func (f *Feed) observeClock(ctx context.Context, aheadBy time.Duration) {
	wasOff, isOff := f.skew.Abs() > maxClockSkew, aheadBy.Abs() > maxClockSkew
	f.skew = aheadBy
	switch {
	case isOff && !wasOff:
		f.logger.WarnContext(ctx, "line-provider's clock differs from ours", "ahead_by", aheadBy)
	case wasOff && !isOff:
		f.logger.InfoContext(ctx, "line-provider's clock agrees with ours again", "ahead_by", aheadBy)
	}
}

// heartbeatCame records a heartbeat, if it counts, and reports whether the change log must be read
// because of it.
func (f *Feed) heartbeatCame(ctx context.Context, heartbeat line.Heartbeat) (news bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if !f.state.Hears(now, heartbeat.SentAt) {
		return false
	}
	f.heartbeat = now
	f.observeClock(ctx, heartbeat.SentAt.Sub(now))
	return f.state.Heartbeat(now, domain.Epoch(heartbeat.Epoch), heartbeat.LastSeq)
}

// lastHeartbeat returns when the last heartbeat came; zero for never.
func (f *Feed) lastHeartbeat() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heartbeat
}

// HasHeartbeat reports whether a heartbeat came less than d ago.
func (f *Feed) HasHeartbeat(d time.Duration) bool { return time.Since(f.lastHeartbeat()) < d }

// follow sets the data set of the cursor.
func (f *Feed) follow(dataset string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dataset = dataset
}

// turn records that the change log has begun another epoch.
func (f *Feed) turn(epoch line.Epoch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.Turn(time.Now(), domain.Epoch(epoch))
}

// reachedEnd records that the change log, read at the instant readAt, has been applied to its end.
func (f *Feed) reachedEnd(readAt time.Time, epoch line.Epoch, lastSeq int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.CaughtUp(readAt, domain.Epoch(epoch), lastSeq)
	if !f.caughtUp {
		f.caughtUp = true
		close(f.ready)
	}
}
