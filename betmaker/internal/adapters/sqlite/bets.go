package sqlite

import (
	"context"
	"math"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Bets implements ports.Bets.
type Bets struct{ db *database }

// Bet implements ports.Bets.
func (b *Bets) Bet(ctx context.Context, id domain.BetID) (bet domain.Bet, err error) {
	err = b.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		row, err := q.BetByID(ctx, int64(id))
		if err != nil {
			return err
		}
		bet, err = betFromRow(row)
		return err
	})
	return bet, err
}

// List implements ports.Bets.
func (b *Bets) List(ctx context.Context, filter ports.BetFilter, limit int) (bets []domain.Bet, err error) {
	err = b.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		rows, err := listBets(ctx, q, filter, int64(limit))
		if err != nil {
			return err
		}
		bets, err = betsFromRows(rows)
		return err
	})
	return bets, err
}

func listBets(ctx context.Context, q *sqlitedb.Queries, filter ports.BetFilter, limit int64) ([]sqlitedb.Bet, error) {
	user, event, status := int64(filter.UserID), int64(filter.EventID), int64(filter.Status)
	before := int64(filter.Before)
	if before == 0 {
		before = math.MaxInt64
	}
	switch {
	case user != 0:
		return q.ListBetsOfUser(ctx, sqlitedb.ListBetsOfUserParams{
			UserID: user, EventID: event, Status: status, Before: before, AtMost: limit,
		})
	case event != 0:
		return q.ListBetsOnEvent(ctx, sqlitedb.ListBetsOnEventParams{EventID: event, Status: status, Before: before, AtMost: limit})
	default:
		return q.ListBets(ctx, sqlitedb.ListBetsParams{Status: status, Before: before, AtMost: limit})
	}
}
