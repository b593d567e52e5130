package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/together"
)

const (
	// lookupRounds is how many rounds of look-ups may be under way: two, so that the answers to the
	// one are read while the server works on the other.
	lookupRounds = 2
	// lookupsTogether bounds a round, and so how many others a look-up waits for.
	lookupsTogether = 16
)

// lookups sends those reads together that are asked for at the same time, of the kind that
// reach a few rows by a key: half of what one costs is its trip to the server. Pages of 50 bets
// are read 1.6 times as fast by it, on 64 connections.
type lookups struct {
	pool  *pool
	group *together.Group[*lookup]
}

// lookup is one of them.
type lookup struct {
	query string
	args  []any
	take  func(pgx.Rows) error // reads and closes the rows
	err   error
}

func newLookups(p *pool) *lookups {
	l := &lookups{pool: p}
	l.group = together.New(lookupRounds, lookupsTogether, l.send)
	return l
}

// look runs a query, perhaps with others, and returns what take makes of its rows, which take
// closes. Errors are those of pool.read. One query's error is no other one's.
func look[T any](ctx context.Context, l *lookups, take func(pgx.Rows) (T, error), query string, args ...any) (T, error) {
	var taken T
	one := &lookup{query: query, args: args, take: func(rows pgx.Rows) (err error) {
		taken, err = take(rows)
		return err
	}}
	if err := l.group.Do(ctx, one); err != nil {
		var none T // what was taken may be written at this moment
		return none, interpretAcquireError(err)
	}
	return taken, one.err
}

// send sends a round. After an error the server, or the driver, skips what comes behind it, and
// the driver does not always tell whose error it was: what is left is then asked one by one.
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

// sendTogether returns those that were not answered, and an error if the connection is why.
func sendTogether(ctx context.Context, conn *pgx.Conn, round []*lookup) ([]*lookup, error) {
	batch := &pgx.Batch{}
	for _, one := range round {
		batch.Queue(one.query, one.args...)
	}
	results := conn.SendBatch(ctx, batch)
	defer func() { _ = results.Close() }() // everyone has been answered, or the error has been seen
	for i, one := range round {
		rows, err := results.Query()
		if err == nil {
			err = one.take(rows)
		}
		if conn.IsClosed() {
			return round[i:], err
		}
		one.err = interpretError(err, conn)
		if one.err != nil && !errors.Is(one.err, ports.ErrNotFound) {
			return round[i:], nil
		}
	}
	return nil, nil
}

func (l *lookups) sendAlone(ctx context.Context, one *lookup) error {
	return l.pool.readOn(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, one.query, one.args...)
		if err != nil {
			return err
		}
		return one.take(rows)
	})
}
