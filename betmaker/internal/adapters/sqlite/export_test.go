package sqlite

import (
	"context"
	"time"

	sqlitefile "stavka.local/shared/sqlite"
)

// ForgetAtOnce is how many refusals ForgetRefusals deletes per transaction.
const ForgetAtOnce = forgetAtOnce

// InterpretError turns an error of the file into one of the ports'.
func InterpretError(err error) error { return interpretError(err) }

// SetWallClock replaces the clock that the store's clock follows.
func (s *Store) SetWallClock(wall func() time.Time) { s.db.clock.wall = wall }

// Advance makes the clock read a later instant than the wall clock.
func (s *Store) Advance(by time.Duration) {
	s.db.clock.mu.Lock()
	defer s.db.clock.mu.Unlock()
	s.db.clock.last = s.db.clock.next(s.db.clock.wall()).Add(by)
}

// Write runs work in a writing transaction, with its connection.
func (s *Store) Write(ctx context.Context, work func(ctx context.Context, tx sqlitefile.Conn) error) error {
	return s.db.file.Write(ctx, work)
}
