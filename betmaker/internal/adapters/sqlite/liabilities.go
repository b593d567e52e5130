package sqlite

import (
	"context"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
)

// liabilities returns the liabilities of events. It computes and stores the missing ones.
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
		if _, stored := found[id]; stored {
			continue
		}
		if found[id], err = computeLiability(ctx, q, id); err != nil {
			return nil, err
		}
		// It is stored even if no bet is accepted.
		if err := writeLiability(ctx, q, id, found[id]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// computeLiability returns the liability of an event's pending bets. Writers wait meanwhile. It is
// called once per event: for the first bet that is placed with liabilities.
func computeLiability(ctx context.Context, q *sqlitedb.Queries, event domain.EventID) (liability money.Amount, err error) {
	pending := paged(sqlitedb.Bet{}, func(last sqlitedb.Bet) ([]sqlitedb.Bet, error) {
		return q.PendingBets(ctx, sqlitedb.PendingBetsParams{EventID: int64(event), After: last.ID, AtMost: pageSize})
	}, betFromRow)
	for bet, err := range pending {
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
