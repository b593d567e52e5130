package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/ports"
)

const (
	// maxAttempts bounds how often a transaction is tried that the server gave up for the sake of another.
	maxAttempts = 4
	// maxForgotten is that for one that needs a liability which another replica has just forgotten. With
	// four, a bet failed now and then while one forgot them again and again.
	maxForgotten = 10
	// rollbackTimeout bounds the wait for a rollback; after it the connection is closed, which rolls back, too.
	rollbackTimeout = 5 * time.Second
)

// pool is a set of connections.
type pool struct {
	*pgxpool.Pool
	timeout time.Duration // after which a connection is given up
	logger  *slog.Logger
}

// read runs queries that write nothing. A ctx that is cancelled ends the wait for a
// connection, but not a query: that would close the connection, and those of all other
// clients that leave at the same moment. The deadline of ctx holds.
func (p *pool) read(ctx context.Context, query func(ctx context.Context, q *pgdb.Queries) error) error {
	return p.readOn(ctx, func(ctx context.Context, conn *pgx.Conn) error { return query(ctx, pgdb.New(conn)) })
}

// readOn is read for who reads the answers in a way of their own.
func (p *pool) readOn(ctx context.Context, query func(ctx context.Context, conn *pgx.Conn) error) error {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return interpretAcquireError(err)
	}
	defer conn.Release()
	deadline := time.Now().Add(p.timeout)
	if asked, ok := ctx.Deadline(); ok && asked.Before(deadline) {
		deadline = asked
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	return interpretError(query(ctx, conn.Conn()), conn.Conn())
}

// snapshot runs work, whose queries write nothing and all see the database as it was at one
// instant, however long they take together. Each has as much time as a read has; a ctx that
// is cancelled ends the work at the next one.
func (p *pool) snapshot(ctx context.Context, work func(query snapshotQuery) error) error {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return interpretAcquireError(err)
	}
	defer conn.Release()
	query := func(do func(ctx context.Context, q *pgdb.Queries) error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timeout)
		defer cancel()
		return interpretError(do(ctx, pgdb.New(conn)), conn.Conn())
	}
	tx := &transaction{conn: conn.Conn(), batch: &pgx.Batch{}}
	defer tx.rollback(ctx)
	tx.exec("begin isolation level repeatable read read only")
	// Between two queries the rows are worked on.
	tx.exec("set local idle_in_transaction_session_timeout = 0")
	err = query(func(ctx context.Context, _ *pgdb.Queries) error {
		_, err := tx.send(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return work(query)
}

// snapshotQuery runs one query of a snapshot.
type snapshotQuery func(do func(ctx context.Context, q *pgdb.Queries) error) error

// transact runs work in a transaction, and once more from the start when the server
// chose it as a deadlock's victim. When work returns without having committed, what it
// did is rolled back. ctx bounds only the wait for a connection.
func (p *pool) transact(ctx context.Context, work func(ctx context.Context, tx *transaction) error) error {
	for attempt := 1; ; attempt++ {
		err := p.attempt(ctx, work)
		if attempt >= attemptsAt(err) {
			return err
		}
		p.logger.WarnContext(ctx, "a transaction starts again", "attempt", attempt, "error", err)
	}
}

func (p *pool) attempt(ctx context.Context, work func(ctx context.Context, tx *transaction) error) error {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return interpretAcquireError(err)
	}
	defer conn.Release()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timeout)
	defer cancel()
	tx := &transaction{conn: conn.Conn(), batch: &pgx.Batch{}}
	defer tx.rollback(ctx)
	tx.exec("begin isolation level read committed")
	return work(ctx, tx)
}

// write runs one writing statement as a transaction, in one round trip.
func (p *pool) write(ctx context.Context, queue func(tx *transaction)) error {
	return p.transact(ctx, func(ctx context.Context, tx *transaction) error {
		queue(tx)
		return tx.commit(ctx)
	})
}

// transaction is a transaction whose statements are queued and sent together.
type transaction struct {
	conn  *pgx.Conn
	batch *pgx.Batch
	reads []func(pgx.BatchResults) error // one for each statement of batch
}

// query queues a statement whose rows read takes.
func (tx *transaction) query(read func(pgx.BatchResults) error, sql string, args ...any) {
	tx.batch.Queue(sql, args...)
	tx.reads = append(tx.reads, read)
}

// exec queues a statement without rows.
func (tx *transaction) exec(sql string, args ...any) {
	tx.query(ignoreRows, sql, args...)
}

// isEmpty tells whether nothing is queued.
func (tx *transaction) isEmpty() bool { return len(tx.reads) == 0 }

func ignoreRows(results pgx.BatchResults) error {
	_, err := results.Exec()
	return err
}

// all reads the rows of a statement into a slice, by position.
func all[Row any](into *[]Row) func(pgx.BatchResults) error {
	return collect(into, pgx.RowToStructByPos[Row])
}

// column reads a statement's only column into a slice.
func column[Value any](into *[]Value) func(pgx.BatchResults) error {
	return collect(into, pgx.RowTo[Value])
}

func collect[T any](into *[]T, row pgx.RowToFunc[T]) func(pgx.BatchResults) error {
	return scanned(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, row)
		return err
	})
}

// scanned has scan read the rows of a statement, which closes them.
func scanned(scan func(pgx.Rows) error) func(pgx.BatchResults) error {
	return func(results pgx.BatchResults) error {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		return scan(rows)
	}
}

// one reads a statement's only row, or pgx.ErrNoRows.
func one[Row any](into *Row) func(pgx.BatchResults) error {
	return exactlyOne(into, pgx.RowToStructByPos[Row])
}

// scalar reads the only column of a statement's only row, or pgx.ErrNoRows.
func scalar[Value any](into *Value) func(pgx.BatchResults) error {
	return exactlyOne(into, pgx.RowTo[Value])
}

func exactlyOne[T any](into *T, row pgx.RowToFunc[T]) func(pgx.BatchResults) error {
	return func(results pgx.BatchResults) error {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		*into, err = pgx.CollectExactlyOneRow(rows, row)
		return err
	}
}

// affected reads how many rows a statement wrote.
func affected(into *int64) func(pgx.BatchResults) error {
	return func(results pgx.BatchResults) error {
		tag, err := results.Exec()
		*into = tag.RowsAffected()
		return err
	}
}

// exchange sends what is queued and reads the answers, in one round trip. Nothing of a
// transaction in which it failed is ever written.
func (tx *transaction) exchange(ctx context.Context) error {
	_, err := tx.send(ctx)
	return interpretError(err, tx.conn)
}

// send returns how many statements the server has answered without an error.
func (tx *transaction) send(ctx context.Context) (answered int, err error) {
	results := tx.conn.SendBatch(ctx, tx.batch)
	reads := tx.reads
	tx.batch, tx.reads = &pgx.Batch{}, nil
	for _, read := range reads {
		if err = read(results); err != nil {
			break
		}
		answered++
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return answered, err
}

// commit sends what is queued and commits, in one round trip. On ports.ErrOutcomeUnknown
// the transaction may have been committed, on any other error it has not.
func (tx *transaction) commit(ctx context.Context) error {
	var outcome pgconn.CommandTag
	before := len(tx.reads)
	tx.query(func(results pgx.BatchResults) (err error) {
		outcome, err = results.Exec()
		return err
	}, "commit")
	answered, err := tx.send(ctx)
	switch {
	case answered > before && outcome.String() == "COMMIT":
		// Whatever happened to the connection afterwards does not take it back.
		return nil
	case answered > before:
		return fmt.Errorf("commit ended in %q", outcome)
	case isOutcomeUnknown(err, answered == before):
		return ports.ErrOutcomeUnknown.Because(err)
	default:
		return interpretError(err, tx.conn)
	}
}

// isOutcomeUnknown tells whether a commit may have happened although sending it, behind
// other statements, ended in err. The answers come in the order of the statements, so an
// error of the server's in the place of an earlier one means that the commit was not
// reached. In the place of the commit's own answer that holds for an error that leaves
// the session alive; one that ends it may have been raised after the commit.
func isOutcomeUnknown(err error, othersAnswered bool) bool {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return othersAnswered && pgErr.SeverityUnlocalized != "ERROR"
	}
	return !pgconn.SafeToRetry(err)
}

// rollback ends a transaction that was not committed. It is run in every case: work may
// have panicked, or have found nothing to write.
func (tx *transaction) rollback(ctx context.Context) {
	if tx.conn.IsClosed() || tx.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	// When this fails the connection is not fit to be used again, and the pool, seeing
	// that it is still in a transaction, closes it.
	_, _ = tx.conn.Exec(ctx, "rollback")
}
