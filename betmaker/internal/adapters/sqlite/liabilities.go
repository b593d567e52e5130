package sqlite

import (
	"context"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
)

// liabilities returns the liabilities of events: as they are kept, or worked out for an
// event of which none is kept yet.
func liabilities(
	ctx context.Context, q *sqlitedb.Queries, events map[domain.EventID]domain.Event,
) (map[domain.EventID]money.Amount, error) {
	ids := make([]domain.EventID, 0, len(events))
	for id := range events {
		ids = append(ids, id)
	}
	rows, err := q.Liabilities(ctx, list(ids))
	if err != nil {
		return nil, err
	}
	found := make(map[domain.EventID]money.Amount, len(events))
	for _, row := range rows {
		found[domain.EventID(row.EventID)] = money.FromMinor(row.Amount)
	}
	for _, id := range ids {
		if _, kept := found[id]; kept {
			continue
		}
		if found[id], err = workOutLiability(ctx, q, id); err != nil {
			return nil, err
		}
		// It is kept from now on, whether a bet adds to it or not.
		if err := writeLiability(ctx, q, id, found[id]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// workOutLiability returns the liability of an event's pending bets. Everybody who writes
// waits for it, but it happens once for each event: when the first bet on it is placed since
// liabilities have been asked for.
func workOutLiability(ctx context.Context, q *sqlitedb.Queries, event domain.EventID) (money.Amount, error) {
	liability := money.Amount{}
	pending := paged(sqlitedb.Bet{}, func(last sqlitedb.Bet) ([]sqlitedb.Bet, error) {
		return q.PendingBets(ctx, sqlitedb.PendingBetsParams{EventID: int64(event), After: last.ID, AtMost: pageSize})
	})
	for row, err := range pending {
		if err != nil {
			return liability, err
		}
		bet, err := betFromRow(row)
		if err != nil {
			return liability, err
		}
		liability = liability.Plus(bet.Liability())
	}
	return liability, nil
}

func writeLiability(ctx context.Context, q *sqlitedb.Queries, event domain.EventID, liability money.Amount) error {
	return q.WriteLiability(ctx, sqlitedb.WriteLiabilityParams{EventID: int64(event), Amount: liability.Minor()})
}
