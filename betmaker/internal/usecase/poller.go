package usecase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/crashpoint"
	"stavka.local/shared/line"
	"stavka.local/shared/wait"
)

const (
	// pageLimit is how many changes a page has: the most that the line allows.
	pageLimit = 500
	// pollSoon is the pause between polls while heartbeats are missing or polls fail.
	pollSoon = time.Second
	// pollGap is the shortest pause between polls, so that many stale messages do not cause as many
	// polls.
	pollGap = 100 * time.Millisecond
	// maxTurns bounds how often one poll starts again because the epoch changed. The next poll
	// tries again.
	maxTurns = 3
)

// PollerConfig configures a Poller. All members are required except Polled.
type PollerConfig struct {
	Line    ports.Line
	Cursors ports.Cursors
	Clock   ports.Clock
	Events  ports.Events
	Apply   *ApplyEventChange
	Feed    *Feed
	// Interval is the time between polls in normal operation.
	Interval time.Duration
	// HeartbeatInterval is the time between line-provider's heartbeats. After twice that silence
	// the poller polls every second.
	HeartbeatInterval time.Duration
	Logger            *slog.Logger
	// Polled is called after each poll with its duration and error.
	Polled func(took time.Duration, err error)
}

// Poller reads the line's change log, so that lost messages do no harm. It polls at the start,
// whenever a heartbeat announces something unknown, every second while there are no heartbeats, and
// otherwise at its interval. Each poll compares the clocks of the store, of the line and of this process.
//
// Only a poll moves the cursor, which all replicas share, and only past committed changes. When the
// line begins another epoch, the cursor goes back to its beginning.
type Poller struct {
	config PollerConfig
	woken  chan struct{} // of capacity 1, so that waking never blocks

	// The members below belong to Run.
	reached ports.Cursor // the furthest that this replica has seen
	swept   string       // the last data set for which abandoned events were quarantined
	failing bool
}

// NewPoller returns a Poller, which polls while Run runs.
func NewPoller(config PollerConfig) *Poller {
	if config.Polled == nil {
		config.Polled = func(time.Duration, error) {}
	}
	return &Poller{config: config, woken: make(chan struct{}, 1)}
}

// Wake makes the poller poll now. It never blocks.
func (p *Poller) Wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// Heartbeat records a heartbeat. It never blocks.
func (p *Poller) Heartbeat(heartbeat line.Heartbeat) {
	if p.config.Feed.heartbeatCame(heartbeat) {
		p.Wake()
	}
}

// Run polls until ctx ends.
func (p *Poller) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		failed := p.pollOnce(ctx) != nil
		p.pause(ctx, time.Now(), failed)
	}
	return nil
}

// pollOnce polls and reports the result, unless ctx has ended.
func (p *Poller) pollOnce(ctx context.Context) error {
	started := time.Now()
	err := p.poll(ctx)
	if ctx.Err() == nil {
		p.config.Polled(time.Since(started), err)
		p.report(ctx, err)
	}
	return err
}

// report logs when polls begin to fail and when they succeed again.
func (p *Poller) report(ctx context.Context, err error) {
	switch {
	case err != nil && !p.failing:
		p.config.Logger.WarnContext(ctx, "the line cannot be read; trying again every second", "error", err)
	case err != nil:
		p.config.Logger.DebugContext(ctx, "the line still cannot be read", "error", err)
	case p.failing:
		p.config.Logger.InfoContext(ctx, "the line can be read again")
	}
	p.failing = err != nil
}

// pause waits until the next poll is due. Heartbeats postpone it.
func (p *Poller) pause(ctx context.Context, last time.Time, failed bool) {
	if failed {
		_ = wait.For(ctx, pollSoon)
		return
	}
	_ = wait.For(ctx, pollGap)
	for {
		due := last.Add(p.config.Interval)
		if silent := p.config.Feed.lastHeartbeat().Add(2 * p.config.HeartbeatInterval); silent.Before(due) {
			due = silent
			if soonest := last.Add(pollSoon); due.Before(soonest) {
				due = soonest
			}
		}
		left := time.Until(due)
		if left <= 0 || ctx.Err() != nil || wait.Until(ctx, p.woken, left) {
			return
		}
	}
}

// poll reads the change log from the cursor to its end and applies it. It compares the clocks before it
// applies anything, because results depend on them.
func (p *Poller) poll(ctx context.Context) error {
	wall, store, err := p.config.Clock.Clocks(ctx)
	if err != nil {
		return fmt.Errorf("read the store's clock: %w", err)
	}
	p.config.Feed.storeClockRead(ctx, wall, store)
	cursor, err := p.cursor(ctx)
	if err != nil {
		return err
	}
	for turns := 0; ; {
		readAt := time.Now()
		page, err := p.config.Line.Changes(ctx, cursor.After, pageLimit)
		if err != nil {
			return fmt.Errorf("read the change log: %w", err)
		}
		p.config.Feed.lineClockRead(ctx, page.Clock)
		now, err := p.cursor(ctx)
		if err != nil {
			return err
		}
		if now != cursor {
			// Another replica was faster. If it has begun another data set, the page may be of the
			// former one and must not be applied.
			cursor = now
			continue
		}
		if page.Epoch != cursor.Epoch || page.LastSeq < cursor.After {
			if turns++; turns > maxTurns {
				return errors.New("the line keeps changing its epoch")
			}
			if cursor, err = p.turn(ctx, cursor, page); err != nil {
				return err
			}
			continue
		}
		p.config.Apply.forgetAbove(page.Epoch.Dataset, page.LastSeq)
		if cursor, err = p.take(ctx, cursor, page); err != nil {
			return err
		}
		if page.NextAfter < page.LastSeq {
			// Also when the page has no events: perhaps none of them could be read.
			continue
		}
		if err := p.quarantineAbandoned(ctx, page.Epoch.Dataset); err != nil {
			return err
		}
		if err := p.quarantineAhead(ctx, page); err != nil {
			return err
		}
		p.config.Feed.reachedEnd(readAt, page.Epoch, page.LastSeq)
		return nil
	}
}

// cursor returns the present cursor.
func (p *Poller) cursor(ctx context.Context) (ports.Cursor, error) {
	cursor, err := p.config.Cursors.Cursor(ctx)
	if err != nil {
		return ports.Cursor{}, fmt.Errorf("read the cursor: %w", err)
	}
	p.follow(ctx, cursor)
	return cursor, nil
}

// follow records the cursor.
func (p *Poller) follow(ctx context.Context, cursor ports.Cursor) {
	if cursor.Epoch == p.reached.Epoch && cursor.After < p.reached.After {
		// Only a restored store, or a turn within an epoch, does this.
		p.config.Logger.WarnContext(ctx, "the cursor has gone back", "epoch", cursor.Epoch, "from", p.reached.After, "to", cursor.After)
		p.config.Apply.Forget()
	}
	p.reached = cursor
	p.config.Feed.follow(cursor.Epoch.Dataset)
}

// turn begins the epoch of page at its beginning.
func (p *Poller) turn(ctx context.Context, cursor ports.Cursor, page ports.Page) (ports.Cursor, error) {
	if cursor.Epoch.Dataset != "" {
		p.config.Logger.WarnContext(ctx, "the line has begun another epoch and is read from its beginning",
			"epoch", page.Epoch, "last_seq", page.LastSeq, "former_epoch", cursor.Epoch, "cursor", cursor.After)
	}
	p.config.Feed.turn(page.Epoch)
	return p.move(ctx, cursor, ports.Cursor{Epoch: page.Epoch})
}

// take applies a page and then moves the cursor past it.
func (p *Poller) take(ctx context.Context, cursor ports.Cursor, page ports.Page) (ports.Cursor, error) {
	changes := make([]line.Change, len(page.Events))
	for i, event := range page.Events {
		changes[i] = line.Change{Epoch: page.Epoch, Event: event}
	}
	if err := p.config.Apply.Apply(ctx, changes, FromPage); err != nil {
		return cursor, err
	}
	if page.NextAfter == cursor.After {
		return cursor, nil
	}
	crashpoint.Hit("poll.applied")
	return p.move(ctx, cursor, ports.Cursor{Epoch: page.Epoch, After: page.NextAfter})
}

// move moves the cursor and returns its new position, which is another one if another replica has
// moved it meanwhile.
func (p *Poller) move(ctx context.Context, from, to ports.Cursor) (ports.Cursor, error) {
	moved, err := p.config.Cursors.MoveCursor(ctx, from, to)
	if err != nil {
		return from, fmt.Errorf("move the cursor to %d of epoch %s: %w", to.After, to.Epoch, err)
	}
	if !moved {
		return p.cursor(ctx)
	}
	p.follow(ctx, to)
	return to, nil
}

// quarantineAbandoned puts events without a result that are not of the present data set into
// quarantine. The line does not know them, so it would never decide them. Those whose ids the
// present data set uses again are already in quarantine.
func (p *Poller) quarantineAbandoned(ctx context.Context, dataset string) error {
	if p.swept == dataset {
		return nil
	}
	for after := domain.EventID(0); ; {
		abandoned, err := p.config.Events.UndecidedEvents(ctx, dataset, after, pageLimit)
		if err != nil {
			return fmt.Errorf("look for abandoned events: %w", err)
		}
		if len(abandoned) == 0 {
			break
		}
		after = abandoned[len(abandoned)-1].ID
		err = p.config.Apply.quarantine(ctx, abandoned,
			"the line no longer knows an undecided event: it is in quarantine until an operator resolves it")
		if err != nil {
			return err
		}
	}
	p.swept = dataset
	return nil
}

// quarantineAhead puts events into quarantine whose seq the line has not assigned. They came from
// somebody else who has the service token, or the line has lost changes within an epoch. No later
// change of the line could win against them.
func (p *Poller) quarantineAhead(ctx context.Context, page ports.Page) error {
	for {
		above, err := p.config.Events.EventsAbove(ctx, page.Epoch.Dataset, page.LastSeq, pageLimit)
		if err != nil {
			return fmt.Errorf("look for events ahead of the line: %w", err)
		}
		if len(above) == 0 {
			return nil
		}
		// Messages may have brought changes that were made after the page was read. The line had
		// assigned their numbers before they were found here, so its next answer covers them.
		next, err := p.config.Line.Changes(ctx, page.LastSeq, 1)
		if err != nil {
			return fmt.Errorf("read the end of the change log: %w", err)
		}
		if next.Epoch != page.Epoch {
			return nil // the next poll reads that epoch
		}
		ahead := slices.DeleteFunc(slices.Clone(above), func(event domain.Event) bool { return event.Seq <= next.LastSeq })
		err = p.config.Apply.quarantine(ctx, ahead,
			"an event is ahead of the line's change log: it is in quarantine until an operator resolves it")
		if err != nil || len(above) < pageLimit || len(ahead) == 0 {
			return err
		}
	}
}
