package sqlite

import (
	"context"
	"math"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	sqlitefile "stavka.local/shared/sqlite"
)

// Bets implements ports.Bets.
type Bets struct{ db *database }

// Bet implements ports.Bets.
func (b *Bets) Bet(ctx context.Context, id domain.BetID) (domain.Bet, error) {
	return read(ctx, b.db, func(ctx context.Context, q *sqlitedb.Queries) (domain.Bet, error) { return betByID(ctx, q, int64(id)) })
}

func betByID(ctx context.Context, q *sqlitedb.Queries, id int64) (domain.Bet, error) {
	row, err := q.BetByID(ctx, id)
	if err != nil {
		return domain.Bet{}, err
	}
	return betFromRow(row)
}

// List implements ports.Bets.
func (b *Bets) List(ctx context.Context, filter ports.BetFilter, limit int) ([]domain.Bet, error) {
	return read(ctx, b.db, func(ctx context.Context, q *sqlitedb.Queries) ([]domain.Bet, error) {
		rows, err := listBets(ctx, q, filter, int64(limit))
		if err != nil {
			return nil, err
		}
		return sqlitefile.MapRows(rows, betFromRow)
	})
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
