package sqlite

import (
	"context"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/line"
)

// Cursors implements ports.Cursors.
type Cursors struct{ db *database }

// Cursor implements ports.Cursors.
func (c *Cursors) Cursor(ctx context.Context) (ports.Cursor, error) {
	return read(ctx, c.db, func(ctx context.Context, q *sqlitedb.Queries) (ports.Cursor, error) {
		row, err := q.Cursor(ctx)
		return ports.Cursor{Epoch: line.Epoch{Dataset: row.Dataset, Generation: row.Generation}, After: row.AfterSeq}, err
	})
}

// MoveCursor implements ports.Cursors.
func (c *Cursors) MoveCursor(ctx context.Context, from, next ports.Cursor) (bool, error) {
	var moved int64
	err := c.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) (err error) {
		moved, err = q.MoveCursor(ctx, sqlitedb.MoveCursorParams{
			NextDataset: next.Epoch.Dataset, NextGeneration: next.Epoch.Generation, NextAfterSeq: next.After,
			FromDataset: from.Epoch.Dataset, FromGeneration: from.Epoch.Generation, FromAfterSeq: from.After,
		})
		return err
	})
	return err == nil && moved == 1, err
}
