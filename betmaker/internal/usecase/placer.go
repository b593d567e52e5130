package usecase

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/fault"
)

const (
	// maxBatch bounds one transaction of placements, so that nobody's locks are held for long.
	maxBatch = 512
	// batchSpacing is the least time from one batch to the next while bets come together. Small
	// batches cost most: with it the p99 of a bet at half of the peak rate went from about 30 to
	// about 20 ms, and the peak up by a twentieth. 10 ms cost a tenth at 64 connections.
	batchSpacing = 5 * time.Millisecond
	// busyFor is for how long after a batch bets count as being placed.
	busyFor = 100 * time.Millisecond
	// maxQueued bounds the placements that wait for a batch. Beyond it they are
	// refused at once: a queue that only grows answers nobody in time.
	maxQueued = 8 * maxBatch
	// batchTimeout bounds one batch in the store. It is far above what a batch takes; it
	// is there so that a store that hangs does not hold a worker for ever.
	batchTimeout = 15 * time.Second
)

// ErrOverloaded is what Place returns when more placements wait than can be answered soon.
var ErrOverloaded = fault.New(fault.Unavailable, "unavailable", "Too many bets are waiting; try again.").After(time.Second)

// PlacerConfig is what a Placer works with. All of it is required but Observe.
type PlacerConfig struct {
	Placements ports.Placements
	Limits     domain.Limits
	// Workers is how many batches may be in the store at once.
	Workers int
	// FeedAlive returns nil while the line is known, and otherwise why bets are refused.
	FeedAlive func() error
	// Confirm is that of an Authenticator, for a token that was only recognised so far.
	Confirm func(context.Context, domain.AccessClaims) (domain.Actor, error)
	// Peek returns an event from the local cache.
	Peek func(domain.EventID) (domain.Event, bool)
	// Fetch asks the line for an event that the projection does not have. It returns nil
	// when the event is there now and domain.ErrEventNotFound when the line has none.
	Fetch func(context.Context, domain.EventID) error
	// Observe is told of every batch that went through the store.
	Observe func(size int, took time.Duration)
}

// Placer places bets. Placements that arrive at the same time are decided together:
// while a batch is in the store the next one fills, and a lone placement goes at once.
type Placer struct {
	config    PlacerConfig
	queue     chan *pendingPlacement
	made      time.Time
	lastBatch atomic.Int64 // when it began, in nanoseconds after made

	gathering sync.Mutex // held by the worker that gathers the next batch
	lastSize  int        // of the last batch
}

type pendingPlacement struct {
	domain.Placement
	// left is closed when nobody waits for the answer any more.
	left   <-chan struct{}
	answer chan placementAnswer // holds one answer, so that answering never blocks
}

type placementAnswer struct {
	domain.Decision
	err error
}

// NewPlacer returns a Placer, which places bets while Run runs.
func NewPlacer(config PlacerConfig) *Placer {
	return &Placer{config: config, queue: make(chan *pendingPlacement, maxQueued), made: time.Now().Add(-busyFor)}
}

// IsBusy tells whether bets are being placed at present.
func (p *Placer) IsBusy() bool { return p.sinceLastBatch() < busyFor }

func (p *Placer) sinceLastBatch() time.Duration {
	return time.Since(p.made) - time.Duration(p.lastBatch.Load())
}

// Place decides a placement and keeps the bet. A nil error means that there is a
// verdict: a bet, which is then durable, or a refusal. Otherwise the error is a fault:
// the line is not known (feed_unavailable), the store is not available, the outcome of
// a commit is not known (outcome_unknown), the key was used for something else, or the
// user is not active. Only after outcome_unknown, or when ctx ended, may there be a bet
// nevertheless; repeating the placement with the same key tells.
func (p *Placer) Place(ctx context.Context, placement domain.Placement) (domain.Decision, error) {
	if err := p.config.FeedAlive(); err != nil {
		// What was decided while the line was known stays decided.
		return p.confirmed(ctx, placement, func() (domain.Decision, error) { return p.replay(ctx, placement, err) })
	}
	if decision, ok := p.refuseFinal(placement); ok {
		return p.confirmed(ctx, placement, func() (domain.Decision, error) { return decision, nil })
	}
	decision, err := p.submit(ctx, placement)
	if err != nil || !errors.Is(decision.Err, domain.ErrEventUnknown) {
		return decision, errors.Join(err, decision.Err)
	}
	if err := p.config.Fetch(ctx, placement.EventID); err != nil && !errors.Is(err, domain.ErrEventNotFound) {
		return domain.Decision{}, fmt.Errorf("place a bet on event %d: %w", placement.EventID, err)
	}
	placement.EventLookedUp = true
	decision, err = p.submit(ctx, placement)
	return decision, errors.Join(err, decision.Err)
}

// confirmed gives an answer that is found without the wallet, which would have told whether
// the user's token holds.
func (p *Placer) confirmed(
	ctx context.Context, placement domain.Placement, answer func() (domain.Decision, error),
) (domain.Decision, error) {
	if placement.TokenVersion != 0 {
		claims := domain.AccessClaims{UserID: placement.UserID, Version: placement.TokenVersion}
		if _, err := p.config.Confirm(ctx, claims); err != nil {
			return domain.Decision{}, err
		}
	}
	return answer()
}

// replay answers a placement whose verdict is stored, or returns the reason why there
// cannot be a new one.
func (p *Placer) replay(ctx context.Context, placement domain.Placement, reason error) (domain.Decision, error) {
	if placement.IdempotencyKey == "" {
		return domain.Decision{}, reason
	}
	verdict, err := p.config.Placements.Verdict(ctx, domain.VerdictKey{UserID: placement.UserID, Key: placement.IdempotencyKey})
	if errors.Is(err, ports.ErrNotFound) {
		return domain.Decision{}, reason
	}
	if err != nil {
		return domain.Decision{}, fmt.Errorf("look for an earlier verdict: %w", err)
	}
	decision := verdict.Replay(placement.Fingerprint())
	return decision, decision.Err
}

// refuseFinal refuses, without the store, a bet on an event that the cache knows to be
// decided: that never changes back, while everything else may have and is decided on
// the locked row; so may an event in quarantine, which an operator may have replaced by
// an open one. A placement with a key goes to the store all the same, where its first
// verdict may be kept.
func (p *Placer) refuseFinal(placement domain.Placement) (domain.Decision, bool) {
	if placement.IdempotencyKey != "" || !p.config.Limits.Stake.Allow(placement.Stake) {
		return domain.Decision{}, false
	}
	event, ok := p.config.Peek(placement.EventID)
	if !ok || !event.State.IsFinal() || event.Quarantined {
		return domain.Decision{}, false
	}
	refusal := domain.Refusal{Code: domain.RefusedEventClosed}
	return domain.Decision{Verdict: domain.Verdict{Refusal: refusal, RequestID: placement.RequestID}}, true
}

func (p *Placer) submit(ctx context.Context, placement domain.Placement) (domain.Decision, error) {
	pending := &pendingPlacement{Placement: placement, left: ctx.Done(), answer: make(chan placementAnswer, 1)}
	select {
	case p.queue <- pending:
	default:
		return domain.Decision{}, ErrOverloaded
	}
	select {
	case answer := <-pending.answer:
		return answer.Decision, answer.err
	case <-ctx.Done():
		return domain.Decision{}, fmt.Errorf("wait for the verdict on a bet: %w", ctx.Err())
	}
}

// Run decides placements until ctx ends. Batches that are in the store by then are
// finished; placements that still wait are refused as unavailable.
func (p *Placer) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range p.config.Workers {
		workers.Go(func() { p.work(ctx) })
	}
	workers.Wait()
	for {
		select {
		case pending := <-p.queue:
			pending.answer <- placementAnswer{err: ports.ErrUnavailable}
		default:
			return nil
		}
	}
}

func (p *Placer) work(ctx context.Context) {
	for {
		batch, ok := p.gather(ctx)
		if !ok {
			return
		}
		// A batch is not one request's: it outlives each of them, and a stop.
		p.place(context.WithoutCancel(ctx), batch)
	}
}

// gather waits for placements and returns them as a batch; false when ctx has ended. One
// worker gathers at a time, and for as long as placements come together none begins a batch
// right after another.
func (p *Placer) gather(ctx context.Context) ([]*pendingPlacement, bool) {
	p.gathering.Lock()
	defer p.gathering.Unlock()
	select {
	case <-ctx.Done():
		return nil, false
	case first := <-p.queue:
		if p.lastSize > 1 {
			select {
			case <-ctx.Done():
			case <-time.After(batchSpacing - p.sinceLastBatch()):
			}
		}
		batch := p.fill(first)
		p.lastSize = len(batch)
		p.lastBatch.Store(int64(time.Since(p.made)))
		return batch, true
	}
}

// fill returns a batch of what is waiting now. Those whose caller has left are dropped.
func (p *Placer) fill(first *pendingPlacement) []*pendingPlacement {
	batch := make([]*pendingPlacement, 0, min(1+len(p.queue), maxBatch))
	for next := first; ; {
		select {
		case <-next.left:
		default:
			batch = append(batch, next)
		}
		if len(batch) == maxBatch {
			return batch
		}
		select {
		case next = <-p.queue:
		default:
			return batch
		}
	}
}

// place puts a batch through the store and answers everyone in it. A batch that the
// store refuses for what is in it is tried again one placement at a time, so that one
// bad placement never fails its neighbours.
func (p *Placer) place(ctx context.Context, batch []*pendingPlacement) {
	if len(batch) == 0 {
		return
	}
	decisions, err := p.transact(ctx, batch)
	if err == nil {
		for i, pending := range batch {
			pending.answer <- placementAnswer{Decision: decisions[i]}
		}
		return
	}
	if len(batch) > 1 && fault.Find(err) == nil {
		for _, pending := range batch {
			p.place(ctx, []*pendingPlacement{pending})
		}
		return
	}
	for _, pending := range batch {
		pending.answer <- placementAnswer{err: err}
	}
}

func (p *Placer) transact(ctx context.Context, batch []*pendingPlacement) ([]domain.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	placements := make([]domain.Placement, len(batch))
	for i, pending := range batch {
		placements[i] = pending.Placement
	}
	started := time.Now()
	together := ports.Batch{Placements: placements, WithLiabilities: p.config.Limits.Liability.IsPositive()}
	decisions, err := p.config.Placements.Place(ctx, together, func(ws *domain.WorkingSet) []domain.Decision {
		// Asked once more: since Place was called the batch may have waited, for the store
		// or for a process that was halted, and the line may have fallen silent.
		ws.Blind = p.config.FeedAlive()
		return ws.Decide(p.config.Limits, placements)
	})
	if p.config.Observe != nil {
		p.config.Observe(len(batch), time.Since(started))
	}
	if err != nil {
		return nil, fmt.Errorf("place a batch of %d bets: %w", len(batch), err)
	}
	return decisions, nil
}
