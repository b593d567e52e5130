package ports

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/line"
)

// Amendment is an event after a manual change, with the audit record of the change.
type Amendment struct {
	Event domain.Event
	Audit domain.AuditRecord
}

// Events stores the projection of the line.
type Events interface {
	// Update changes events in one transaction. It locks the events in ascending order, against other
	// updates and against placements; reads the known ones and then the clock; and writes the events that
	// decide returns, which must be among ids. After Update has returned, no bet is accepted that the
	// written events refuse. decide may be called more than once.
	//
	// After ErrOutcomeUnknown the update may be repeated if decide compares sequence numbers.
	Update(ctx context.Context, ids []domain.EventID, decide func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event) error

	// Amend changes one event as Update does, and writes the audit record in the same transaction. If
	// decide returns nil or an error, nothing is written; Amend returns the error. It returns ErrNotFound
	// for an unknown event. decide may be called more than once.
	Amend(ctx context.Context, id domain.EventID, decide func(now time.Time, event domain.Event) (*Amendment, error)) error

	// Event returns an event, or ErrNotFound.
	Event(ctx context.Context, id domain.EventID) (domain.Event, error)

	// OpenEvents returns up to limit open events with ids above after, by id. An event is open if it is
	// neither final nor in quarantine, and its deadline is later than the store's clock. Suspended events
	// are included: they are visible, and may take bets again.
	OpenEvents(ctx context.Context, after domain.EventID, limit int) ([]domain.Event, error)

	// UndecidedEvents returns up to limit events with ids above after, by id, that have no result, are not
	// in quarantine, and belong to other data sets than notOf. The deadline does not matter.
	UndecidedEvents(ctx context.Context, notOf string, after domain.EventID, limit int) ([]domain.Event, error)

	// EventsAbove returns up to limit events of a data set with seqs above seq, the highest first, that are
	// not in quarantine.
	EventsAbove(ctx context.Context, dataset string, seq int64, limit int) ([]domain.Event, error)
}

// Cursor is a position in the line's change log: everything up to it has been read.
type Cursor struct {
	Epoch line.Epoch
	After int64
}

// Cursors stores the cursor, which all replicas share.
type Cursors interface {
	// Cursor returns the cursor, or the zero Cursor if nothing has been read.
	Cursor(ctx context.Context) (Cursor, error)

	// MoveCursor sets the cursor to next if it equals from, and reports whether it did. If several
	// replicas have read the same page, one of them moves the cursor.
	MoveCursor(ctx context.Context, from, next Cursor) (bool, error)
}

// Page is a page of the line's change log, from one atomic read.
type Page struct {
	Epoch     line.Epoch
	LastSeq   int64 // the highest seq of the line at the time of reading
	NextAfter int64 // the start of the next page; higher than this page's start unless this is the last one
	Events    []line.Event
	Clock     domain.ClockReading // of the line; zero if it does not say
}

// Line reads from line-provider.
type Line interface {
	// Changes returns up to limit changes after the seq after, by seq.
	Changes(ctx context.Context, after int64, limit int) (Page, error)

	// Event returns an event and its epoch, or ErrNotFound.
	Event(ctx context.Context, id domain.EventID) (line.Change, error)
}
