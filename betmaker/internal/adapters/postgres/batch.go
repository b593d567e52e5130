package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
)

// call runs one statement on db and decodes its answer: a generated method of pgdb.Queries, or plain SQL.
// It must return the errors of db and must not keep any result on an error, because send runs it twice.
type call func(ctx context.Context, db pgdb.DBTX) error

// exec queues a generated method without a result.
func exec[Params any](tx *transaction, method func(*pgdb.Queries, context.Context, Params) error, params Params) {
	tx.queue(func(ctx context.Context, db pgdb.DBTX) error { return method(pgdb.New(db), ctx, params) })
}

// execPlain is exec for a method without parameters.
func execPlain(tx *transaction, method func(*pgdb.Queries, context.Context) error) {
	tx.queue(func(ctx context.Context, db pgdb.DBTX) error { return method(pgdb.New(db), ctx) })
}

// query queues a generated method and stores its result: a row, rows, or a number of affected rows. The error
// of a missing row is pgx.ErrNoRows.
func query[Params, Result any](
	tx *transaction, method func(*pgdb.Queries, context.Context, Params) (Result, error), params Params, into *Result,
) {
	tx.queue(fetch(method, params, into))
}

// queryMany is query for statements that return many rows, see collect.
func queryMany[Params, Row any](
	tx *transaction, method func(*pgdb.Queries, context.Context, Params) ([]Row, error), params Params, into *[]Row,
) {
	tx.queue(fetchMany(method, params, into))
}

// queryPlain is query for a method without parameters.
func queryPlain[Result any](tx *transaction, method func(*pgdb.Queries, context.Context) (Result, error), into *Result) {
	type none = struct{}
	query(tx, func(q *pgdb.Queries, ctx context.Context, _ none) (Result, error) { return method(q, ctx) }, none{}, into)
}

// fetch returns the call of a generated method that stores its result.
func fetch[Params, Result any](
	method func(*pgdb.Queries, context.Context, Params) (Result, error), params Params, into *Result,
) call {
	return func(ctx context.Context, db pgdb.DBTX) error {
		result, err := method(pgdb.New(db), ctx, params)
		if err == nil {
			*into = result
		}
		return err
	}
}

// fetchMany is fetch for statements that return many rows, which collect decodes.
func fetchMany[Params, Row any](
	method func(*pgdb.Queries, context.Context, Params) ([]Row, error), params Params, into *[]Row,
) call {
	generated := fetch(method, params, into)
	return func(ctx context.Context, db pgdb.DBTX) (err error) {
		if a, ok := db.(answers); ok {
			*into, err = collect[Row](a.results)
			return err
		}
		return generated(ctx, db)
	}
}

// send runs calls in one round trip. Each call runs twice: first on a recorder, which adds its statement to the
// batch, and then on the answers of the server. send stops at the first error and returns how many calls have
// succeeded.
func send(ctx context.Context, conn *pgx.Conn, calls []call) (answered int, err error) {
	batch := &pgx.Batch{}
	for _, call := range calls {
		_ = call(ctx, recorder{batch}) // errRecorded
	}
	results := conn.SendBatch(ctx, batch)
	for _, call := range calls {
		if err = call(ctx, answers{results}); err != nil {
			break
		}
		answered++
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return answered, err
}

// errRecorded is the answer of a recorder.
var errRecorded = errors.New("the statement has been recorded, not run")

// recorder implements pgdb.DBTX. It adds statements to a batch instead of running them.
type recorder struct{ batch *pgx.Batch }

// Exec implements pgdb.DBTX.
func (r recorder) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	r.batch.Queue(sql, args...)
	return pgconn.CommandTag{}, errRecorded
}

// Query implements pgdb.DBTX.
func (r recorder) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	r.batch.Queue(sql, args...)
	return nil, errRecorded
}

// QueryRow implements pgdb.DBTX.
func (r recorder) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	r.batch.Queue(sql, args...)
	return recordedRow{}
}

type recordedRow struct{}

// Scan implements pgx.Row.
func (recordedRow) Scan(...any) error { return errRecorded }

// answers implements pgdb.DBTX. It ignores the statements and returns the results of a batch in order.
type answers struct{ results pgx.BatchResults }

// Exec implements pgdb.DBTX.
func (a answers) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return a.results.Exec()
}

// Query implements pgdb.DBTX.
func (a answers) Query(context.Context, string, ...any) (pgx.Rows, error) { return a.results.Query() }

// QueryRow implements pgdb.DBTX.
func (a answers) QueryRow(context.Context, string, ...any) pgx.Row { return a.results.QueryRow() }
