package postgres

import (
	"context"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/line"
)

// Cursors implements ports.Cursors.
type Cursors struct{ pool *pool }

// Cursor implements ports.Cursors.
func (c *Cursors) Cursor(ctx context.Context) (cursor ports.Cursor, err error) {
	err = c.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		row, err := q.Cursor(ctx)
		cursor = ports.Cursor{Epoch: line.Epoch{Dataset: row.Dataset, Generation: row.Generation}, After: row.AfterSeq}
		return err
	})
	return cursor, err
}

// MoveCursor implements ports.Cursors.
func (c *Cursors) MoveCursor(ctx context.Context, from, next ports.Cursor) (bool, error) {
	var moved int64
	err := c.pool.write(ctx, func(tx *transaction) {
		query(tx, (*pgdb.Queries).MoveCursor, pgdb.MoveCursorParams{
			NextDataset: next.Epoch.Dataset, NextGeneration: next.Epoch.Generation, NextAfterSeq: next.After,
			FromDataset: from.Epoch.Dataset, FromGeneration: from.Epoch.Generation, FromAfterSeq: from.After,
		}, &moved)
	})
	return err == nil && moved == 1, err
}
