package postgres

import (
	"context"
	"math"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Bets implements ports.Bets.
type Bets struct {
	pool    *pool
	lookups *lookups
}

// Bet implements ports.Bets.
func (b *Bets) Bet(ctx context.Context, id domain.BetID) (bet domain.Bet, err error) {
	err = b.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
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
	rows, err := b.list(ctx, filter, limit32(limit))
	if err != nil {
		return nil, err
	}
	return mapRows(rows, betFromRow)
}

func (b *Bets) list(ctx context.Context, filter ports.BetFilter, limit int32) ([]pgdb.Bet, error) {
	var rows []pgdb.Bet
	user, event, status := int64(filter.UserID), int64(filter.EventID), int16(filter.Status)
	before := int64(filter.Before)
	if before == 0 {
		before = math.MaxInt64
	}
	ofUser := pgdb.ListBetsOfUserParams{UserID: user, Before: before, EventID: event, Status: status, AtMost: limit}
	if user != 0 && event == 0 && status == 0 {
		if err := b.lookups.do(ctx, fetchMany((*pgdb.Queries).ListBetsOfUser, ofUser, &rows)); err != nil {
			return nil, err
		}
		return rows, nil
	}
	// The other lists may read many rows to find a few, and no look-up should wait for that.
	err := b.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) (err error) {
		switch {
		case user != 0:
			rows, err = q.ListBetsOfUser(ctx, ofUser)
		case event != 0:
			rows, err = q.ListBetsOnEvent(ctx, pgdb.ListBetsOnEventParams{EventID: event, Before: before, Status: status, AtMost: limit})
		default:
			rows, err = q.ListBets(ctx, pgdb.ListBetsParams{Before: before, Status: status, AtMost: limit})
		}
		return err
	})
	return rows, err
}

// limit32 returns limit as a parameter of a query.
func limit32(limit int) int32 { return int32(min(limit, math.MaxInt32)) }
