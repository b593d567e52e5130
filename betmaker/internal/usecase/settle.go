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
	// Workers is how many events may be settled at once.
	Workers int
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
	queue  []*settling                  // ready to be worked on, first come first served
	queued chan struct{}                // signals that the queue is not empty
}

// settling is an event on its way through the settler.
type settling struct {
	event domain.EventID
	after domain.BetID // the cursor of the present pass
	again bool         // woken while in work: its result may be newer than the pass
	late  bool         // found by a sweep when it should long have been settled
	pause time.Duration
}

// NewSettler returns a Settler, which settles while Run runs.
func NewSettler(config SettlerConfig) *Settler {
	return &Settler{
		SettlerConfig: config,
		known:         make(map[domain.EventID]*settling),
		queued:        make(chan struct{}, 1),
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
	s.push(task)
}

// push needs s.mu.
func (s *Settler) push(task *settling) {
	s.queue = append(s.queue, task)
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
		task := s.next(ctx)
		if task == nil {
			return
		}
		s.step(ctx, task)
	}
}

// next waits for the next event to work on; nil when ctx has ended.
func (s *Settler) next(ctx context.Context) *settling {
	for {
		if ctx.Err() != nil {
			return nil
		}
		if task := s.pop(); task != nil {
			return task
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.queued:
		}
	}
}

func (s *Settler) pop() *settling {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	task := s.queue[0]
	s.queue = s.queue[1:]
	if len(s.queue) > 0 {
		// The signal wakes one worker; this one wakes the next.
		select {
		case s.queued <- struct{}{}:
		default:
		}
	}
	return task
}

// step settles one chunk of an event and puts the event back at the end of the queue
// until none of its bets is behind: an event with many bets does not hold up the others.
func (s *Settler) step(ctx context.Context, task *settling) {
	done, err := s.settleChunk(ctx, task)
	switch {
	case err != nil && ctx.Err() != nil:
		return
	case err != nil:
		task.pause = min(max(2*task.pause, settleRetry), settleRetryMax)
		s.Logger.WarnContext(ctx, "settling is paused", "event_id", task.event, "pause", task.pause, "error", err)
	case !done && task.after == 0:
		// A whole pass left bets behind: another settler holds them.
		task.pause = settleRetry
	default:
		task.pause = 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case done && !task.again:
		delete(s.known, task.event)
	case task.pause > 0:
		time.AfterFunc(task.pause, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.push(task)
		})
	default:
		s.push(task)
	}
}

// settleChunk tells whether the event is settled; otherwise task.after is where to go on.
func (s *Settler) settleChunk(ctx context.Context, task *settling) (done bool, err error) {
	if task.after == 0 {
		s.mu.Lock()
		task.again = false // from here on this pass sees the newest result
		s.mu.Unlock()
	}
	started := time.Now()
	chunk, err := s.Settlements.SettleChunk(context.WithoutCancel(ctx), task.event, task.after, settleChunk, (*domain.Settling).Settle)
	if err != nil {
		return false, fmt.Errorf("settle event %d after bet %d: %w", task.event, task.after, err)
	}
	if s.Settled != nil && chunk.Settled > 0 {
		s.Settled(chunk.Settled, time.Since(started))
	}
	if task.late && s.Healed != nil && chunk.Changed > 0 {
		s.Healed(chunk.Changed)
	}
	if chunk.More {
		task.after = chunk.Last
		return false, nil
	}
	task.after = 0
	done, err = s.Settlements.FinishSettling(ctx, task.event)
	if err != nil {
		return false, fmt.Errorf("finish settling event %d: %w", task.event, err)
	}
	return done, nil
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
