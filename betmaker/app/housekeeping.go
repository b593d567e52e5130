package app

import (
	"context"
	"log/slog"
	"time"

	"stavka.local/shared/metrics"
)

const (
	// countInterval is the time between two counts of dead letters.
	countInterval = 15 * time.Second
	// forgetInterval is the time between two deletions of expired rows.
	forgetInterval = 10 * time.Minute
)

// housekeeping deletes expired rows and counts dead letters. Several replicas may do so at the same
// time.
type housekeeping struct {
	store *store
	bus   bus
	m     *meters
	log   *slog.Logger
	// keepsLiabilities reports whether this replica updates the liabilities of events.
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

// forgetLiabilities deletes the liabilities that a replica with the limit has stored, because they do
// not include the bets that are placed here. All replicas should have the limit or none, but while
// one replaces another they may differ.
func (h housekeeping) forgetLiabilities(ctx context.Context) {
	if h.keepsLiabilities {
		return
	}
	if err := h.store.Placements.ForgetLiabilities(ctx); err != nil && ctx.Err() == nil {
		h.log.WarnContext(ctx, "the liabilities of events are not forgotten yet", "error", err)
	}
}
