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
	// maxBatch bounds one transaction of placements and so the time for which it holds locks.
	maxBatch = 512
	// batchSpacing is the least time between the starts of two batches under load. Without it
	// batches are small, and each has a fixed cost. A longer one lowers the peak with few
	// connections.
	batchSpacing = 5 * time.Millisecond
	// busyFor is how long after a batch bets count as being placed.
	busyFor = 100 * time.Millisecond
	// maxQueued bounds the placements that wait for a batch. Further ones are refused at once,
	// because in a growing queue no request is answered in time.
	maxQueued = 8 * maxBatch
	// batchTimeout bounds one batch in the store. It is far above the usual duration, and frees a
	// worker if the store hangs.
	batchTimeout = 15 * time.Second
)

// ErrOverloaded is returned by Place when more placements wait than can be answered soon.
var ErrOverloaded = fault.New(fault.Unavailable, "unavailable", "Too many bets are waiting; try again.").After(time.Second)

// ErrTooManyRefusals is returned by Place for a placement whose refusal would be one too many to keep.
var ErrTooManyRefusals = fault.New(fault.Throttled, "too_many_requests",
	"Too many of your bets with an Idempotency-Key were refused; try again later.")

// PlacerConfig configures a Placer. All members are required except RefusalsWait, Refused and Observe.
type PlacerConfig struct {
	Placements ports.Placements
	Limits     domain.Limits
	// Workers is how many batches may be in the store at the same time.
	Workers int
	// RefusalsWait returns how long a user has to wait until one more refusal may be kept, and 0 if it
	// may be kept now. Refused is called for each refusal that was kept. Nil functions do nothing.
	RefusalsWait func(domain.UserID) time.Duration
	Refused      func(domain.UserID)
	// FeedAlive returns nil while the line is known, and otherwise the reason for refusing bets.
	FeedAlive func() error
	// Confirm is Authenticator.Confirm, for a token that was only recognised.
	Confirm func(context.Context, domain.AccessClaims) (domain.Actor, error)
	// Peek returns an event from the local cache.
	Peek func(domain.EventID) (domain.Event, bool)
	// Fetch asks the line for an event that the projection does not have. It returns nil if the
	// projection has the event now, and domain.ErrEventNotFound if the line does not have it.
	Fetch func(context.Context, domain.EventID) error
	// Observe is called for every batch that passed through the store.
	Observe func(size int, took time.Duration)
}

// Placer places bets. It decides concurrent placements together: while a batch is in the store the
// next one fills. A single placement does not wait.
type Placer struct {
	config    PlacerConfig
	queue     chan *pendingPlacement
	made      time.Time
	lastBatch atomic.Int64 // when it began, in nanoseconds since made

	gathering sync.Mutex // held by the worker that gathers the next batch
	lastSize  int        // of the last batch
}

type pendingPlacement struct {
	domain.Placement
	// left is closed when the caller no longer waits for the answer.
	left   <-chan struct{}
	answer chan placementAnswer // of capacity 1, so that answering never blocks
}

type placementAnswer struct {
	domain.Decision
	err error
}

// NewPlacer returns a Placer, which places bets while Run runs.
func NewPlacer(config PlacerConfig) *Placer {
	return &Placer{config: config, queue: make(chan *pendingPlacement, maxQueued), made: time.Now().Add(-busyFor)}
}

// IsBusy reports whether bets are being placed.
func (p *Placer) IsBusy() bool { return p.sinceLastBatch() < busyFor }

func (p *Placer) sinceLastBatch() time.Duration {
	return time.Since(p.made) - time.Duration(p.lastBatch.Load())
}

// Place decides a placement and stores the bet. A nil error means that there is a verdict: a bet,
// which is durable, or a refusal. Otherwise the error is a fault: the line is not known
// (feed_unavailable), the store is not available, it is not known whether the commit succeeded
// (outcome_unknown), the key was used for another request, or the user is not active. Only after
// outcome_unknown or the end of ctx may there be a bet in spite of the error. Repeating the
// placement with the same key shows it.
//
// A user who has caused too many kept refusals gets ErrTooManyRefusals for a new placement with a key.
// Earlier verdicts are still replayed.
func (p *Placer) Place(ctx context.Context, placement domain.Placement) (domain.Decision, error) {
	if placement.IdempotencyKey == "" {
		return p.decide(ctx, placement)
	}
	if p.config.RefusalsWait != nil {
		if wait := p.config.RefusalsWait(placement.UserID); wait > 0 {
			return p.confirmed(ctx, placement, func() (domain.Decision, error) {
				return p.replay(ctx, placement, ErrTooManyRefusals.After(wait))
			})
		}
	}
	decision, err := p.decide(ctx, placement)
	if err == nil && !decision.Accepted() && !decision.Replayed && p.config.Refused != nil {
		p.config.Refused(placement.UserID)
	}
	return decision, err
}

func (p *Placer) decide(ctx context.Context, placement domain.Placement) (domain.Decision, error) {
	if err := p.config.FeedAlive(); err != nil {
		// Earlier verdicts stay valid while the line is not known.
		return p.confirmed(ctx, placement, func() (domain.Decision, error) { return p.replay(ctx, placement, err) })
	}
	if decision, ok := p.refuseClosed(placement); ok {
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

// confirmed confirms the token for an answer that does not read the wallet, which would show
// whether the token is valid.
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

// replay answers a placement by its stored verdict. Without one it returns reason, which is why
// there cannot be a new one.
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

// refuseClosed refuses, without the store, a bet on an event that is final in the cache. Only that
// is safe: a final event never changes back, while everything else may have changed and is decided
// on the locked row. An event in quarantine may have been replaced by an open one. A placement with
// a key goes to the store, which may have its first verdict.
func (p *Placer) refuseClosed(placement domain.Placement) (domain.Decision, bool) {
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

// Run decides placements until ctx ends. It finishes the batches in the store, and refuses waiting
// placements as unavailable.
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
		// A batch belongs to many requests. It outlives each of them, and a stop.
		p.place(context.WithoutCancel(ctx), batch)
	}
}

// gather waits for placements and returns them as a batch. It reports false when ctx has ended. One
// worker gathers at a time. After a batch of several placements it keeps batchSpacing before the
// next.
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

// fill returns a batch of the waiting placements. It drops those whose caller has left.
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

// place passes a batch through the store and answers all its callers. If the store refuses a batch
// because of its content, place retries each placement separately, so that one bad placement does
// not fail the others.
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
		// The batch may have waited since Place checked, for the store or in a halted process, and
		// the line may have fallen silent.
		ws.LineUnknown = p.config.FeedAlive()
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
