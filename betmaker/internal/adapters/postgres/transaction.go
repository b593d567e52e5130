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
	// maxAttempts bounds the attempts at a transaction that the server aborted in favour of another one.
	maxAttempts = 4
	// maxForgotten is maxAttempts for a transaction whose liability another replica keeps deleting, which
	// may happen more often.
	maxForgotten = 10
	// rollbackTimeout bounds a rollback. After it the connection is closed, which rolls back, too.
	rollbackTimeout = 5 * time.Second
)

// pool is a set of connections.
type pool struct {
	*pgxpool.Pool
	timeout time.Duration // after which a connection is closed
	logger  *slog.Logger
}

// read runs queries that write nothing. The deadline of ctx holds. Its cancellation ends the wait for a
// connection, but not a query: that would close the connection, and many clients may leave at the same moment.
func (p *pool) read(ctx context.Context, query func(ctx context.Context, q *pgdb.Queries) error) error {
	return p.readOn(ctx, func(ctx context.Context, conn *pgx.Conn) error { return query(ctx, pgdb.New(conn)) })
}

// readOn is read on the connection itself.
func (p *pool) readOn(ctx context.Context, query func(ctx context.Context, conn *pgx.Conn) error) error {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return interpretAcquireError(err)
	}
	defer conn.Release()
	deadline := time.Now().Add(p.timeout)
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(deadline) {
		deadline = earlier
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	return interpretError(query(ctx, conn.Conn()), conn.Conn())
}

// snapshot runs work, whose queries write nothing and all see the database as it was at one
// instant. Each query has as much time as a read. The cancellation of ctx ends the work at
// its next query.
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
	tx := &transaction{conn: conn.Conn()}
	defer tx.rollback(ctx)
	tx.run("begin isolation level repeatable read read only")
	// Between two queries the rows are processed, which may take longer.
	tx.run("set local idle_in_transaction_session_timeout = 0")
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

// transact runs work in a transaction, and again from the start when the server aborted it
// because of a deadlock or a conflict. When work returns without having committed, its changes
// are rolled back. ctx bounds only the wait for a connection.
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
	tx := &transaction{conn: conn.Conn()}
	defer tx.rollback(ctx)
	tx.run("begin isolation level read committed")
	return work(ctx, tx)
}

// write runs the queued statements as a transaction, in one round trip.
func (p *pool) write(ctx context.Context, queue func(tx *transaction)) error {
	return p.transact(ctx, func(ctx context.Context, tx *transaction) error {
		queue(tx)
		return tx.commit(ctx)
	})
}

// transaction is a transaction whose statements are queued and sent together.
type transaction struct {
	conn  *pgx.Conn
	calls []call // queued
}

func (tx *transaction) queue(c call) { tx.calls = append(tx.calls, c) }

// run queues plain SQL without a result.
func (tx *transaction) run(sql string) {
	tx.queue(func(ctx context.Context, db pgdb.DBTX) error {
		_, err := db.Exec(ctx, sql)
		return err
	})
}

// isEmpty reports whether nothing is queued.
func (tx *transaction) isEmpty() bool { return len(tx.calls) == 0 }

// exchange sends the queued statements and reads the answers, in one round trip. After an
// error the transaction cannot be committed.
func (tx *transaction) exchange(ctx context.Context) error {
	_, err := tx.send(ctx)
	return interpretError(err, tx.conn)
}

// send is exchange with the driver's error. It returns how many statements the server has
// answered without an error.
func (tx *transaction) send(ctx context.Context) (answered int, err error) {
	calls := tx.calls
	tx.calls = nil
	return send(ctx, tx.conn, calls)
}

// commit sends the queued statements and commits, in one round trip. After
// ports.ErrOutcomeUnknown the transaction may have been committed, after any other error it
// has not.
func (tx *transaction) commit(ctx context.Context) error {
	var ending pgconn.CommandTag
	before := len(tx.calls)
	tx.queue(func(ctx context.Context, db pgdb.DBTX) (err error) {
		ending, err = db.Exec(ctx, "commit")
		return err
	})
	answered, err := tx.send(ctx)
	switch {
	case answered > before && ending.String() == "COMMIT":
		// A connection that breaks afterwards does not undo it.
		return nil
	case answered > before:
		return fmt.Errorf("commit ended in %q", ending)
	case isOutcomeUnknown(err, answered == before):
		return ports.ErrOutcomeUnknown.Because(err)
	default:
		return interpretError(err, tx.conn)
	}
}

// isOutcomeUnknown reports whether a commit may have happened although sending it, behind
// other statements, ended in err. Answers come in the order of the statements. If the server
// answers an earlier statement with an error, it has not reached the commit. If it answers the
// commit itself with an error, nothing was committed, unless the error also ends the session:
// such an error may have been raised after the commit.
func isOutcomeUnknown(err error, othersAnswered bool) bool {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return othersAnswered && pgErr.SeverityUnlocalized != "ERROR"
	}
	return !pgconn.SafeToRetry(err)
}

// rollback ends a transaction that was not committed. It must run in every case, because work
// may have panicked or may have written nothing.
func (tx *transaction) rollback(ctx context.Context) {
	if tx.conn.IsClosed() || tx.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	// If this fails, the connection is still in a transaction, and the pool closes it.
	_, _ = tx.conn.Exec(ctx, "rollback")
}
