package usecase

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

const (
	// settleChunk is how many bets one transaction settles: few enough that the wallets
	// it locks are free again within about 50 ms.
	settleChunk = 500
	// settleChunkBesideBets is that while bets are being placed. With it, and with pauses, the p99
	// of a bet beside a large settlement went from 22 times what it is otherwise to 4 times, and
	// settling took two to three times as long.
	settleChunkBesideBets = 100
	// settleRetry is the pause before an event is tried again whose bets another settler
	// holds, and the first of the growing pauses after an error.
	settleRetry    = 50 * time.Millisecond
	settleRetryMax = 5 * time.Second
	// sweepLimit bounds what one sweep takes on; the next one goes on from there.
	sweepLimit = 1000
)

// SettlerConfig is what a Settler works with. All of it is required but the observers.
type SettlerConfig struct {
	Settlements ports.Settlements
	// Shares settle disjoint shares of the same bets, all together, without waiting for
	// each other. An event with more bets than one chunk is settled by all of them; by
	// Settlements alone when there are none.
	Shares []ports.Settlements
	// SharesAtOnce is how many of them work on one event at the same time, the next one when
	// another has come to its end. With more shares than that, it matters less that some have
	// more bets than others. By default it is all of them.
	SharesAtOnce int
	// Workers is how many chunks may be settled at once.
	Workers int
	// GiveWay tells whether bets are being placed at present, who come first. While they are, one
	// small chunk is settled at a time, and half as much time as it took is left to the bets
	// after it. By default they never are.
	GiveWay func() bool
	// SweepInterval is the time between looks for events that nobody woke the settler for.
	SweepInterval time.Duration
	Logger        *slog.Logger
	// Settled is told of every chunk: its bets, and how long it took.
	Settled func(bets int, took time.Duration)
	// Behind is told, at every sweep, how many events it found.
	Behind func(events int)
	// Healed is told of bets that only a sweep found, long after they should have been settled.
	Healed func(bets int)
}

// Settler settles the bets of events that have got a result. It is woken for an event,
// and sweeps for events that it was not woken for: after a crash, or when another
// replica died. Several settlers share the work of one event; each bet is settled by
// one of them. What is left after a crash is in the rows, so there is nothing to resume from.
type Settler struct {
	SettlerConfig
	mu     sync.Mutex
	known  map[domain.EventID]*settling // queued or in work
	queue  []*part                      // ready to be worked on, first come first served
	queued chan struct{}                // signals that the queue is not empty
	turn   chan struct{}                // full while somebody settles beside bets
}

// settling is an event on its way through the settler, in passes over its bets.
type settling struct {
	event domain.EventID
	parts int     // of the present pass, that have not come to their end
	later []*part // those of them that begin when others have come to their end
	again bool    // woken while in work: its result may be newer than the pass
	late  bool    // found by a sweep when it should long have been settled
}

// part is a part of a pass: at first there is one, and after a full chunk one for each share.
type part struct {
	*settling
	bets  ports.Settlements
	after domain.BetID // the cursor
	pause time.Duration
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
		SettlerConfig: config,
		known:         make(map[domain.EventID]*settling),
		queued:        make(chan struct{}, 1),
		turn:          make(chan struct{}, 1),
	}
}

// Wake says that an event has got a result. It never blocks, and may be called at any
// time and more than once.
func (s *Settler) Wake(event domain.EventID) { s.wake(event, false) }

func (s *Settler) wake(event domain.EventID, late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if task, ok := s.known[event]; ok {
		task.again = true
		return
	}
	task := &settling{event: event, late: late}
	s.known[event] = task
	s.begin(task, 0)
}

// begin begins a pass, after a pause. It needs s.mu.
func (s *Settler) begin(task *settling, pause time.Duration) {
	task.parts = 1
	s.push(&part{settling: task, bets: s.Settlements, pause: pause})
}

// push puts a part at the end of the queue once its pause is over. It needs s.mu.
func (s *Settler) push(p *part) {
	if p.pause == 0 {
		s.enqueue(p)
		return
	}
	time.AfterFunc(p.pause, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.enqueue(p)
	})
}

// enqueue needs s.mu.
func (s *Settler) enqueue(p *part) {
	s.queue = append(s.queue, p)
	select {
	case s.queued <- struct{}{}:
	default:
	}
}

// Run settles until ctx ends; a chunk in progress is finished.
func (s *Settler) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range s.Workers {
		workers.Go(func() { s.work(ctx) })
	}
	s.sweepRegularly(ctx)
	workers.Wait()
	return nil
}

func (s *Settler) work(ctx context.Context) {
	for {
		p := s.next(ctx)
		if p == nil {
			return
		}
		if s.GiveWay() {
			s.stepInTurn(ctx, p)
		} else {
			s.step(ctx, p, settleChunk)
		}
	}
}

// stepInTurn is step beside bets that are being placed, see GiveWay.
func (s *Settler) stepInTurn(ctx context.Context, p *part) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	started := time.Now()
	s.step(ctx, p, settleChunkBesideBets)
	select {
	case <-ctx.Done():
	case <-time.After(time.Since(started) / 2):
	}
}

// next waits for the next part to work on; nil when ctx has ended.
func (s *Settler) next(ctx context.Context) *part {
	for {
		if ctx.Err() != nil {
			return nil
		}
		if p := s.pop(); p != nil {
			return p
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.queued:
		}
	}
}

func (s *Settler) pop() *part {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	p := s.queue[0]
	s.queue = s.queue[1:]
	if len(s.queue) > 0 {
		// The signal wakes one worker; this one wakes the next.
		select {
		case s.queued <- struct{}{}:
		default:
		}
	}
	return p
}

// step settles one chunk and puts the event back at the end of the queue until none of its
// bets is behind: an event with many bets does not hold up the others.
func (s *Settler) step(ctx context.Context, p *part, limit int) {
	chunk, err := s.settleChunk(ctx, p, limit)
	switch {
	case err != nil && ctx.Err() != nil:
	case err != nil:
		s.retry(ctx, p, err)
	case chunk.More:
		s.goOn(p, chunk.Last)
	case s.endsPass(p):
		s.finish(ctx, p)
	}
}

func (s *Settler) settleChunk(ctx context.Context, p *part, limit int) (ports.Chunk, error) {
	if p.after == 0 {
		s.mu.Lock()
		p.again = false // from here on this pass sees the newest result
		s.mu.Unlock()
	}
	started := time.Now()
	chunk, err := p.bets.SettleChunk(context.WithoutCancel(ctx), p.event, p.after, limit, (*domain.Settling).Settle)
	if err != nil {
		return chunk, fmt.Errorf("settle event %d after bet %d: %w", p.event, p.after, err)
	}
	if s.Settled != nil && chunk.Settled > 0 {
		s.Settled(chunk.Settled, time.Since(started))
	}
	if p.late && s.Healed != nil && chunk.Changed > 0 {
		s.Healed(chunk.Changed)
	}
	return chunk, nil
}

// goOn goes on after a full chunk: with each of the shares by itself from the first one on.
func (s *Settler) goOn(p *part, after domain.BetID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.after > 0 || len(s.Shares) == 0 {
		p.after, p.pause = after, 0
		s.push(p)
		return
	}
	p.parts, p.later = len(s.Shares), make([]*part, 0, len(s.Shares))
	for _, share := range s.Shares {
		p.later = append(p.later, &part{settling: p.settling, bets: share, after: after})
	}
	for range s.SharesAtOnce {
		s.pushLater(p.settling)
	}
}

// endsPass takes a part out of its pass, and tells whether it was the last.
func (s *Settler) endsPass(p *part) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushLater(p.settling)
	p.parts--
	return p.parts == 0
}

// pushLater begins the next part of a pass, if there is one. It needs s.mu.
func (s *Settler) pushLater(task *settling) {
	if len(task.later) > 0 {
		s.push(task.later[0])
		task.later = task.later[1:]
	}
}

// finish forgets an event whose bets have all been settled, and begins another pass
// otherwise.
func (s *Settler) finish(ctx context.Context, p *part) {
	done, err := s.Settlements.FinishSettling(ctx, p.event)
	if err != nil && ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		err = fmt.Errorf("finish settling event %d: %w", p.event, err)
		s.begin(p.settling, s.pauseAfter(ctx, p, err))
	case !done:
		// A whole pass left bets behind: another settler holds them.
		s.begin(p.settling, settleRetry)
	case p.again:
		s.begin(p.settling, 0)
	default:
		delete(s.known, p.event)
	}
}

func (s *Settler) retry(ctx context.Context, p *part, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.pause = s.pauseAfter(ctx, p, err)
	s.push(p)
}

// pauseAfter returns the pause after an error: longer each time.
func (s *Settler) pauseAfter(ctx context.Context, p *part, err error) time.Duration {
	pause := min(max(2*p.pause, settleRetry), settleRetryMax)
	s.Logger.WarnContext(ctx, "settling is paused", "event_id", p.event, "pause", pause, "error", err)
	return pause
}

func (s *Settler) sweepRegularly(ctx context.Context) {
	ticker := time.NewTicker(s.SweepInterval)
	defer ticker.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "the sweep for unsettled events is put off", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Settler) sweep(ctx context.Context) error {
	unsettled, err := s.Settlements.Unsettled(ctx, sweepLimit)
	if err != nil {
		return fmt.Errorf("look for unsettled events: %w", err)
	}
	if s.Behind != nil {
		s.Behind(len(unsettled))
	}
	for _, u := range unsettled {
		s.wake(u.Event, u.For > 2*s.SweepInterval)
	}
	return nil
}
