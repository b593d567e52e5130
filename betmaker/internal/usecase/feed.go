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

// notableSkew is the difference between two clocks that is logged.
const notableSkew = time.Second

// Feed tracks the line for one replica. The poller and the watcher of heartbeats update it; placing
// bets depends on it. It is safe for concurrent use.
type Feed struct {
	maxSkew time.Duration
	logger  *slog.Logger
	ready   chan struct{} // closed once the line has been read for the first time

	mu        sync.Mutex
	state     domain.Feed
	clocks    domain.Clocks
	differ    bool      // the clocks, notably
	dataset   string    // of the cursor; empty while it is unknown
	heartbeat time.Time // when the last one came
	caughtUp  bool
}

// NewFeed returns a feed that is dead after a silence, or a lag, of timeout, and while the clocks differ
// by more than maxSkew.
func NewFeed(timeout, maxSkew time.Duration, logger *slog.Logger) *Feed {
	return &Feed{maxSkew: maxSkew, logger: logger, ready: make(chan struct{}), state: domain.NewFeed(timeout)}
}

// Check returns nil while the line is known and the clocks agree, and otherwise
// domain.ErrFeedUnavailable.
func (f *Feed) Check() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.check(time.Now())
}

// check needs f.mu.
func (f *Feed) check(now time.Time) error {
	if err := f.state.Check(now); err != nil {
		return err
	}
	return f.clocks.Check(f.maxSkew)
}

// Run logs when the feed becomes alive or dead, until ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	alive := false
	return wait.Every(ctx, time.Second, func() error {
		switch err := f.Check(); {
		case alive && err != nil:
			alive = false
			f.logger.ErrorContext(ctx, "no bets are taken", "error", err)
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
	now := time.Now()
	status := f.state.Status(now)
	status.Alive, status.Skew = f.check(now) == nil, f.clocks.Skew()
	return status
}

// Ready returns a channel that is closed once the line has been read to its end.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Dataset returns the current data set; empty while it is unknown.
func (f *Feed) Dataset() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dataset
}

// ClockSkew returns how the clocks differed when they were last compared.
func (f *Feed) ClockSkew() domain.ClockSkew {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clocks.Skew()
}

// RecordedBy returns the latest instant of the store's clock at which the line may have recorded a
// result, given the instant of its own clock. While the clocks have not been compared, they may differ by
// as much as they may while bets are taken.
func (f *Feed) RecordedBy(at time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	ahead, known := f.clocks.LineAhead()
	if !known {
		ahead = domain.ClockDifference{Margin: f.maxSkew}
	}
	return ahead.RecordedBy(at)
}

// storeClockRead records a reading of the clock of the store's server and of the store's.
func (f *Feed) storeClockRead(ctx context.Context, wall, store domain.ClockReading) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clocks.StoreRead(wall, store)
	f.reportSkew(ctx)
}

// lineClockRead records a reading of the line's clock, unless it is zero.
func (f *Feed) lineClockRead(ctx context.Context, reading domain.ClockReading) {
	if reading.At.IsZero() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clocks.LineRead(time.Now(), reading)
	f.reportSkew(ctx)
}

// reportSkew logs when the clocks begin to differ and when they agree again. It needs f.mu.
func (f *Feed) reportSkew(ctx context.Context) {
	skew := f.clocks.Skew()
	differ := skew.Greatest() > notableSkew
	switch {
	case differ && !f.differ:
		f.logger.WarnContext(ctx, "the clocks differ; beyond MAX_CLOCK_SKEW no bets are taken",
			"store_ahead_by", skew.Store, "line_ahead_of_store_by", skew.Line, "max_clock_skew", f.maxSkew)
	case f.differ && !differ:
		f.logger.InfoContext(ctx, "the clocks agree again", "store_ahead_by", skew.Store, "line_ahead_of_store_by", skew.Line)
	}
	f.differ = differ
}

// heartbeatCame records a heartbeat, if it counts, and reports whether the change log must be read
// because of it.
func (f *Feed) heartbeatCame(heartbeat line.Heartbeat) (news bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if !f.state.Hears(now, heartbeat.SentAt) {
		return false
	}
	f.heartbeat = now
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
