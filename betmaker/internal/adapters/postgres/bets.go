package postgres

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"

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
	query, args := listQuery(filter, limit32(limit))
	scan := func(rows pgx.Rows) ([]domain.Bet, error) { return scanBets(rows, limit) }
	if filter.UserID != 0 && filter.EventID == 0 && filter.Status == 0 {
		return look(ctx, b.lookups, scan, query, args...)
	}
	// Others may read many rows to find a few, and nobody has to wait for that.
	err = b.pool.readOn(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		bets, err = scan(rows)
		return err
	})
	return bets, err
}

func listQuery(filter ports.BetFilter, limit int32) (query string, args []any) {
	user, event, status := int64(filter.UserID), int64(filter.EventID), int16(filter.Status)
	before := int64(filter.Before)
	if before == 0 {
		before = math.MaxInt64
	}
	switch {
	case user != 0:
		return pgdb.ListBetsOfUser, []any{user, before, event, status, limit}
	case event != 0:
		return pgdb.ListBetsOnEvent, []any{event, before, status, limit}
	default:
		return pgdb.ListBets, []any{before, status, limit}
	}
}

// limit32 returns limit as the database counts rows.
func limit32(limit int) int32 { return int32(min(limit, math.MaxInt32)) }
