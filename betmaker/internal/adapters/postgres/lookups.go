package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/together"
)

const (
	// lookupRounds bounds the rounds of look-ups that run at the same time. There are two, so that the
	// answers of one round are read while the server works on the other.
	lookupRounds = 2
	// lookupsTogether bounds the look-ups of a round, and so how many others a look-up waits for.
	lookupsTogether = 16
)

// lookups batches concurrent look-ups into one round trip. A look-up is a query that reads a few rows by a
// key, so that the trip to the server is a large part of its cost.
type lookups struct {
	pool  *pool
	group *together.Group[*lookup]
}

// lookup is one query of a round.
type lookup struct {
	call call
	err  error
}

func newLookups(p *pool) *lookups {
	l := &lookups{pool: p}
	l.group = together.New(lookupRounds, lookupsTogether, l.send)
	return l
}

// do runs a call, possibly together with others. An error of one call does not affect the others. After an
// error the result of the call must not be read, because the call may still be running. Errors are those of
// pool.read.
func (l *lookups) do(ctx context.Context, c call) error {
	one := &lookup{call: c}
	if err := l.group.Do(ctx, one); err != nil {
		return interpretAcquireError(err)
	}
	return one.err
}

// send runs a round. After an error, the server or the driver skips the rest of the batch, and the driver
// does not always name the look-up that failed. The rest then run one by one.
func (l *lookups) send(ctx context.Context, round []*lookup) {
	ctx, cancel := context.WithTimeout(ctx, l.pool.timeout)
	defer cancel()
	left := round
	err := l.pool.readOn(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
		left, err = sendTogether(ctx, conn, round)
		return err
	})
	for _, one := range left {
		if one.err = err; err == nil {
			one.err = l.sendAlone(ctx, one)
		}
	}
}

// sendTogether returns the look-ups that were not answered, and an error if the connection is the reason.
func sendTogether(ctx context.Context, conn *pgx.Conn, round []*lookup) ([]*lookup, error) {
	calls := make([]call, len(round))
	for i, one := range round {
		calls[i] = func(ctx context.Context, db pgdb.DBTX) error {
			err := one.call(ctx, db)
			if one.err = interpretError(err, conn); errors.Is(one.err, ports.ErrNotFound) {
				return nil
			}
			return err
		}
	}
	answered, err := send(ctx, conn, calls)
	if !conn.IsClosed() {
		err = nil
	}
	return round[answered:], err
}

func (l *lookups) sendAlone(ctx context.Context, one *lookup) error {
	return l.pool.readOn(ctx, func(ctx context.Context, conn *pgx.Conn) error { return one.call(ctx, conn) })
}
