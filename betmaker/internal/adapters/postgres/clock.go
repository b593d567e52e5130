package postgres

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
)

// Clock implements ports.Clock.
type Clock struct{ pool *pool }

// Clocks implements ports.Clock. Waiting for a connection does not count as a part of the reading.
func (c *Clock) Clocks(ctx context.Context) (wall, store domain.ClockReading, err error) {
	err = c.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		before := time.Now()
		row, err := q.Clocks(ctx)
		after := time.Now()
		wall = domain.ClockReading{At: row.Wall, Before: before, After: after}
		store = domain.ClockReading{At: row.Now, Before: before, After: after}
		return err
	})
	return wall, store, err
}
