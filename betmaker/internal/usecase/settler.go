package usecase

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/wait"
)

const (
	// settleChunk is how many bets one transaction settles. It bounds how long the
	// transaction locks their wallets.
	settleChunk = 500
	// settleChunkBesideBets is how many it settles while bets are being placed, so that these
	// wait for less time. Settling takes longer then.
	settleChunkBesideBets = 100
	// sweepLimit bounds the events that one sweep queues. The next sweep goes on from there.
	sweepLimit = 1000
)

// SettlerConfig configures a Settler. Settlements, Workers, SweepInterval and Logger are
// required.
type SettlerConfig struct {
	Settlements ports.Settlements
	// Shares settle disjoint shares of the same bets without waiting for each other.
	// Together they cover all bets. They settle the events that have more bets than one
	// chunk. Without shares, Settlements settles them alone.
	Shares []ports.Settlements
	// SharesAtOnce is how many shares work on one event at the same time. When a share ends,
	// the next one begins. More shares than that even out the work when some of them have
	// more bets than others. The default is all of them.
	SharesAtOnce int
	// Workers is how many chunks may be settled at the same time.
	Workers int
	// GiveWay reports whether bets are being placed. While they are, the settler settles one
	// small chunk at a time and then pauses for half its duration. The default reports false.
	GiveWay func() bool
	// SweepInterval is the time between sweeps for events that the settler was not woken for.
	SweepInterval time.Duration
	Logger        *slog.Logger
	// Settled is called for every chunk with its bets and the time it took.
	Settled func(bets int, took time.Duration)
	// Behind is called at every sweep with the number of events found.
	Behind func(events int)
	// Healed is called for bets that only a sweep found, long after their result.
	Healed func(bets int)
}

// Settler settles the bets of events that have a result. Wake queues an event; sweeps queue
// events that nothing woke it for, after a crash of this replica or of another one. Several
// settlers may work on the same event; each bet is settled by one of them. All progress is in
// the rows of the store, so a crash leaves nothing to resume.
type Settler struct {
	config SettlerConfig
	queue  *settleQueue
	turn   chan struct{} // full while a worker settles beside bets
}

// NewSettler returns a Settler, which settles while Run runs.
func NewSettler(config SettlerConfig) *Settler {
	if config.SharesAtOnce == 0 {
		config.SharesAtOnce = len(config.Shares)
	}
	if config.GiveWay == nil {
		config.GiveWay = func() bool { return false }
	}
	return &Settler{
		config: config,
		queue:  newSettleQueue(config.Settlements, config.Shares, config.SharesAtOnce),
		turn:   make(chan struct{}, 1),
	}
}

// Wake queues an event that has a result. It never blocks, and may be called at any time and
// more than once.
func (s *Settler) Wake(event domain.EventID) { s.queue.add(event, false) }

// Run settles until ctx ends. It finishes the chunks in progress.
func (s *Settler) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range s.config.Workers {
		workers.Go(func() { s.work(ctx) })
	}
	s.sweepRegularly(ctx)
	workers.Wait()
	return nil
}

func (s *Settler) work(ctx context.Context) {
	for {
		part := s.queue.next(ctx)
		switch {
		case part == nil:
			return
		case s.config.GiveWay():
			s.stepInTurn(ctx, part)
		default:
			s.step(ctx, part, settleChunk)
		}
	}
}

// stepInTurn is step while bets are being placed, see SettlerConfig.GiveWay.
func (s *Settler) stepInTurn(ctx context.Context, part *settlePart) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	started := time.Now()
	s.step(ctx, part, settleChunkBesideBets)
	_ = wait.For(ctx, time.Since(started)/2)
}

// step settles one chunk and puts the part back at the end of the queue while it has more
// bets, so that an event with many bets does not hold up the others.
func (s *Settler) step(ctx context.Context, part *settlePart, limit int) {
	chunk, err := s.settleChunk(ctx, part, limit)
	switch {
	case err != nil && ctx.Err() != nil:
	case err != nil:
		s.queue.retry(part, s.pauseAfter(ctx, part, err))
	case chunk.More:
		s.queue.advance(part, chunk.Last)
	case s.queue.endPart(part):
		s.finish(ctx, part)
	}
}

func (s *Settler) settleChunk(ctx context.Context, part *settlePart, limit int) (ports.Chunk, error) {
	pass := part.pass
	if part.after == 0 {
		s.queue.seesNewest(pass)
	}
	started := time.Now()
	chunk, err := part.bets.SettleChunk(context.WithoutCancel(ctx), pass.event, part.after, limit, (*domain.Settling).Settle)
	if err != nil {
		return chunk, fmt.Errorf("settle event %d after bet %d: %w", pass.event, part.after, err)
	}
	if s.config.Settled != nil && chunk.Settled > 0 {
		s.config.Settled(chunk.Settled, time.Since(started))
	}
	if pass.late && s.config.Healed != nil && chunk.Changed > 0 {
		s.config.Healed(chunk.Changed)
	}
	return chunk, nil
}

// finish marks the event of a pass, whose last part is given, as settled. It begins another
// pass if that fails or if bets are left.
func (s *Settler) finish(ctx context.Context, part *settlePart) {
	pass := part.pass
	done, err := s.config.Settlements.FinishSettling(ctx, pass.event)
	switch {
	case err != nil && ctx.Err() != nil:
	case err != nil:
		err = fmt.Errorf("finish settling event %d: %w", pass.event, err)
		s.queue.repeat(pass, s.pauseAfter(ctx, part, err))
	case !done:
		// Another settler holds the bets that this pass left behind.
		s.queue.repeat(pass, settleRetry)
	default:
		s.queue.finish(pass)
	}
}

// pauseAfter logs an error and returns the pause after it.
func (s *Settler) pauseAfter(ctx context.Context, part *settlePart, err error) time.Duration {
	pause := part.nextPause()
	s.config.Logger.WarnContext(ctx, "settling is paused", "event_id", part.pass.event, "pause", pause, "error", err)
	return pause
}

func (s *Settler) sweepRegularly(ctx context.Context) {
	_ = wait.Every(ctx, s.config.SweepInterval, func() error {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.config.Logger.WarnContext(ctx, "the sweep for unsettled events failed; trying again at the next interval", "error", err)
		}
		return nil
	})
}

func (s *Settler) sweep(ctx context.Context) error {
	unsettled, err := s.config.Settlements.Unsettled(ctx, sweepLimit)
	if err != nil {
		return fmt.Errorf("look for unsettled events: %w", err)
	}
	if s.config.Behind != nil {
		s.config.Behind(len(unsettled))
	}
	for _, u := range unsettled {
		s.queue.add(u.Event, u.For > 2*s.config.SweepInterval)
	}
	return nil
}
