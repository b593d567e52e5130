package postgres

import (
	"context"
	"math"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Bets implements ports.Bets.
type Bets struct{ pool *pool }

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
	err = b.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := listBets(ctx, q, filter, limit32(limit))
		if err != nil {
			return err
		}
		bets, err = betsFromRows(rows)
		return err
	})
	return bets, err
}

func listBets(ctx context.Context, q *pgdb.Queries, filter ports.BetFilter, limit int32) ([]pgdb.Bet, error) {
	user, event, status := int64(filter.UserID), int64(filter.EventID), int16(filter.Status)
	before := int64(filter.Before)
	if before == 0 {
		before = math.MaxInt64
	}
	switch {
	case user != 0:
		return q.ListBetsOfUser(ctx, pgdb.ListBetsOfUserParams{
			UserID: user, EventID: event, Status: status, Before: before, AtMost: limit,
		})
	case event != 0:
		return q.ListBetsOnEvent(ctx, pgdb.ListBetsOnEventParams{EventID: event, Status: status, Before: before, AtMost: limit})
	default:
		return q.ListBets(ctx, pgdb.ListBetsParams{Status: status, Before: before, AtMost: limit})
	}
}

// limit32 returns limit as the database counts rows.
func limit32(limit int) int32 { return int32(min(limit, math.MaxInt32)) }
