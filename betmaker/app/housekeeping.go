package app

import (
	"context"
	"log/slog"
	"time"

	"stavka.local/shared/metrics"
)

const (
	// countInterval is the time between counts of dead letters.
	countInterval = 15 * time.Second
	// forgetInterval is the time between deletions of what has expired.
	forgetInterval = 10 * time.Minute
)

// housekeeping deletes what has expired and counts what nobody else does. Replicas may
// do so at the same time.
type housekeeping struct {
	store *store
	bus   bus
	m     *meters
	log   *slog.Logger
	// keepsLiabilities: this replica keeps the liabilities of events up to date.
	keepsLiabilities bool
}

func (h housekeeping) run(ctx context.Context) error {
	counting := time.NewTicker(countInterval)
	defer counting.Stop()
	forgetting := time.NewTicker(forgetInterval)
	defer forgetting.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-counting.C:
			h.count(ctx)
			h.forgetLiabilities(ctx)
		case <-forgetting.C:
			h.forget(ctx)
		}
	}
}

func (h housekeeping) count(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, countInterval)
	defer cancel()
	count, err := h.bus.DeadLetters(ctx)
	if err != nil {
		h.log.DebugContext(ctx, "dead letters are not counted", "error", err)
		return
	}
	metrics.SetCount(h.m.deadLetters, count)
}

func (h housekeeping) forget(ctx context.Context) {
	if _, err := h.store.Placements.ForgetRefusals(ctx); err != nil && ctx.Err() == nil {
		h.log.WarnContext(ctx, "old refusals are not deleted yet", "error", err)
	}
}

// forgetLiabilities lets go of what a replica with the limit keeps of liabilities, which
// does not follow the bets that are placed here. There should be no such replica: all have
// the limit or none. But while one takes the place of another, there is.
func (h housekeeping) forgetLiabilities(ctx context.Context) {
	if h.keepsLiabilities {
		return
	}
	if err := h.store.Placements.ForgetLiabilities(ctx); err != nil && ctx.Err() == nil {
		h.log.WarnContext(ctx, "the liabilities of events are not forgotten yet", "error", err)
	}
}
