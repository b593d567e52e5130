package sqlite

import (
	"context"
	"sync"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
)

// reservation is how far ahead of its readings the clock writes to the file, so that it writes at most
// once in that time.
const reservation = time.Second

// clock is a wall clock that only goes forward. Each reading is at least a microsecond, the resolution
// of stored instants, after the one before: a bet accepted before a close must have an earlier time than
// the close.
//
// The file has an instant that no reading in a committed transaction is after. A reopened file begins
// there, so the clock does not go back between two processes either.
type clock struct {
	wall func() time.Time

	mu       sync.Mutex
	last     time.Time
	reserved time.Time // as in the file
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = c.next(c.wall())
	return c.last
}

// next returns the reading that follows the last one. It needs c.mu.
func (c *clock) next(wall time.Time) time.Time {
	now := wall.UTC().Truncate(time.Microsecond)
	if !now.After(c.last) {
		now = c.last.Add(time.Microsecond)
	}
	return now
}

// both reads the wall clock and this one at the same moment.
func (c *clock) both() (wall, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall = c.wall().UTC()
	return wall, c.next(wall)
}

// begin takes over what the file has reserved.
func (c *clock) begin(ctx context.Context, q *sqlitedb.Queries) error {
	micros, err := q.ReservedClock(ctx)
	c.last = instant(micros)
	c.reserved = c.last
	return err
}

// reserve writes a later reservation, in the transaction that has read the clock, if the readings have
// passed the one in the file. It returns the reservation for kept.
func (c *clock) reserve(ctx context.Context, q *sqlitedb.Queries) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last.After(c.reserved) {
		return c.reserved, nil
	}
	until := c.last.Add(reservation)
	return until, q.ReserveClock(ctx, until.UnixMicro())
}

// kept records that a reservation has been committed.
func (c *clock) kept(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if until.After(c.reserved) {
		c.reserved = until
	}
}

// Clock implements ports.Clock.
type Clock struct{ db *database }

// Clocks implements ports.Clock.
func (c *Clock) Clocks(context.Context) (wall, store domain.ClockReading, err error) {
	before := time.Now()
	at, now := c.db.clock.both()
	after := time.Now()
	return domain.ClockReading{At: at, Before: before, After: after}, domain.ClockReading{At: now, Before: before, After: after}, nil
}
