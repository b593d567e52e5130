package sqlite

import (
	"context"
	"sync"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	sqlitefile "stavka.local/shared/sqlite"
)

// database is the file, and the clock by which what happens in it is ordered.
type database struct {
	file  *sqlitefile.DB
	clock clock
}

// read runs queries that all see the same state of the database.
func (d *database) read(ctx context.Context, query func(ctx context.Context, q *sqlitedb.Queries) error) error {
	return interpretError(d.file.Read(ctx, func(ctx context.Context, tx sqlitefile.Conn) error {
		return query(ctx, sqlitedb.New(tx))
	}))
}

// write runs work in the writing transaction, and commits what it has done unless it
// returns an error or panics. ctx bounds only the wait for the turn.
func (d *database) write(ctx context.Context, work func(ctx context.Context, q *sqlitedb.Queries) error) error {
	return interpretError(d.file.Write(ctx, func(ctx context.Context, tx sqlitefile.Conn) error {
		return work(ctx, sqlitedb.New(tx))
	}))
}

// callersError is an error of a function that the caller has passed in. It ends the
// transaction, and comes out of it as it was, also when it looks like one of the file's.
type callersError struct{ cause error }

func (e callersError) Error() string { return e.cause.Error() }

// asItIs marks an error as the caller's.
func asItIs(err error) error {
	if err == nil {
		return nil
	}
	return callersError{err}
}

// clock is the wall clock that never goes back: whoever reads it later sees a later time, by
// a microsecond at least, which is the finest that is stored. Bets and results are ordered by
// it, so a bet that was accepted before a close must not look as if it came with it.
type clock struct {
	wall func() time.Time
	mu   sync.Mutex
	last time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.wall().UTC().Truncate(time.Microsecond)
	if !now.After(c.last) {
		now = c.last.Add(time.Microsecond)
	}
	c.last = now
	return now
}
