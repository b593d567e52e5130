package sqlite

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	sqlitefile "stavka.local/shared/sqlite"
)

// database is the file and its clock, which orders bets and results.
type database struct {
	file  *sqlitefile.DB
	clock clock
}

// read runs queries in one transaction, so that all of them see the same state.
func (d *database) read(ctx context.Context, query func(ctx context.Context, q *sqlitedb.Queries) error) error {
	return interpretError(d.file.Read(ctx, func(ctx context.Context, tx sqlitefile.Conn) error {
		return query(ctx, sqlitedb.New(tx))
	}))
}

// read is database.read for a query with a result.
func read[T any](ctx context.Context, db *database, query func(ctx context.Context, q *sqlitedb.Queries) (T, error)) (result T, err error) {
	err = db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) (err error) {
		result, err = query(ctx, q)
		return err
	})
	return result, err
}

// write runs work in the writing transaction, and commits unless work returns an error or panics. ctx
// bounds only the wait for the transaction to begin. The readings of the clock are kept with the
// transaction.
func (d *database) write(ctx context.Context, work func(ctx context.Context, q *sqlitedb.Queries) error) error {
	var until time.Time
	err := d.file.Write(ctx, func(ctx context.Context, tx sqlitefile.Conn) (err error) {
		q := sqlitedb.New(tx)
		if err := work(ctx, q); err != nil {
			return err
		}
		until, err = d.clock.reserve(ctx, q)
		return err
	})
	if err != nil {
		return interpretError(err)
	}
	d.clock.kept(until)
	return nil
}

// callersError is an error of a function that the caller has passed in. It ends the transaction, and
// interpretError returns its cause unchanged, even if that resembles an error of the file.
type callersError struct{ cause error }

func (e callersError) Error() string { return e.cause.Error() }

// asItIs marks err as the caller's.
func asItIs(err error) error {
	if err == nil {
		return nil
	}
	return callersError{err}
}
