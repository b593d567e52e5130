package usecase

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/line"
)

// maxClockSkew is by how much line-provider's clock may differ from ours before
// somebody should look at it. Deadlines do not depend on it, but what people read does.
const maxClockSkew = time.Second

// Feed is what this replica knows about the line, shared by whoever learns about it
// (the poller, the watcher of heartbeats) and whoever depends on it (placing bets).
// It is safe for concurrent use.
type Feed struct {
	timeout time.Duration
	logger  *slog.Logger
	ready   chan struct{} // closed once the line has been read for the first time

	mu        sync.Mutex
	state     domain.Feed
	dataset   string        // of the cursor; empty while it is not known
	heartbeat time.Time     // when the last heartbeat came, whatever it said
	skew      time.Duration // how far line-provider's clock is ahead, as last seen
	caughtUp  bool
}

// NewFeed returns a feed that dies after a silence, or a lag, of timeout.
func NewFeed(timeout time.Duration, logger *slog.Logger) *Feed {
	return &Feed{timeout: timeout, logger: logger, ready: make(chan struct{}), state: domain.NewFeed(timeout)}
}

// Check returns nil while the line is known, and otherwise domain.ErrFeedUnavailable.
func (f *Feed) Check() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state.Check(time.Now())
}

// Run logs when the feed comes alive and when it dies, until ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for alive := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		switch err := f.Check(); {
		case alive && err != nil:
			alive = false
			f.logger.ErrorContext(ctx, "the line is not known any more: no bets are taken", "error", err)
		case !alive && err == nil:
			alive = true
			f.logger.InfoContext(ctx, "the line is known: bets are taken")
		}
	}
}

// Status describes the feed as it is now.
func (f *Feed) Status() domain.FeedStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state.Status(time.Now())
}

// Ready returns a channel that is closed once the line has been read to its end for
// the first time.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Dataset returns the data set that is being followed; empty while none is known.
func (f *Feed) Dataset() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dataset
}

// ClockSkew returns how far line-provider's clock was ahead of ours when last seen;
// negative when it is behind.
func (f *Feed) ClockSkew() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.skew
}

// ObserveClock takes note of how far line-provider's clock was ahead of ours in an
// answer to us. Heartbeats tell it more exactly, so it counts only in their absence.
func (f *Feed) ObserveClock(ctx context.Context, aheadBy time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.heartbeat) > f.timeout {
		f.observeClock(ctx, aheadBy)
	}
}

// observeClock logs when the clocks begin to differ too much and when that is mended.
// It needs f.mu.
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

// heartbeatCame takes note of a heartbeat and tells whether the change log has to be
// read because of it.
func (f *Feed) heartbeatCame(ctx context.Context, heartbeat line.Heartbeat) (news bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
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

// HasHeartbeat tells whether a heartbeat came less than d ago.
func (f *Feed) HasHeartbeat(d time.Duration) bool { return time.Since(f.lastHeartbeat()) < d }

// follow says which data set the cursor is on.
func (f *Feed) follow(dataset string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dataset = dataset
}

// turn takes note that the change log has begun another epoch.
func (f *Feed) turn(epoch line.Epoch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.Turn(time.Now(), domain.Epoch(epoch))
}

// reachedEnd takes note that the change log, asked at the instant asked, has been
// applied to its end.
func (f *Feed) reachedEnd(asked time.Time, epoch line.Epoch, lastSeq int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.CaughtUp(asked, domain.Epoch(epoch), lastSeq)
	if !f.caughtUp {
		f.caughtUp = true
		close(f.ready)
	}
}
