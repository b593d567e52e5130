package ports

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/line"
)

// Amendment is an event after a person's decision, and the record of it.
type Amendment struct {
	Event domain.Event
	Audit domain.AuditRecord
}

// Events keeps the projection of the line.
type Events interface {
	// Update changes events in one transaction. It locks the events exclusively, in
	// ascending order, against each other and against bets being placed; loads those
	// that are known; reads its clock; and writes the events that decide returns, all
	// of which must be among ids. After it has returned, no bet can be accepted that
	// the written events refuse. decide may be called more than once.
	//
	// ErrOutcomeUnknown may be returned; repeating the update is then safe when decide
	// decides by sequence numbers.
	Update(ctx context.Context, ids []domain.EventID, decide func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event) error

	// Amend changes one event on a person's decision, like Update, and writes the audit record
	// of it in the same transaction. When decide returns nil, or an error, which Amend
	// returns, nothing is written. Errors: ErrNotFound for an event that is not known.
	// decide may be called more than once.
	Amend(ctx context.Context, id domain.EventID, decide func(now time.Time, event domain.Event) (*Amendment, error)) error

	// Event returns one event, or ErrNotFound.
	Event(ctx context.Context, id domain.EventID) (domain.Event, error)

	// OpenEvents returns up to limit events that are open (neither final, in quarantine
	// nor past their deadline by the store's clock), by id, from the first after the
	// given id. Suspended events are among them: they are visible, and may take bets again.
	OpenEvents(ctx context.Context, after domain.EventID, limit int) ([]domain.Event, error)

	// UndecidedEvents returns up to limit events of other data sets than the given one
	// that have no result and are not in quarantine, whatever their deadline, by id, from
	// the first after the given id.
	UndecidedEvents(ctx context.Context, notOf string, after domain.EventID, limit int) ([]domain.Event, error)
}

// Cursor is how far the line's change log has been read.
type Cursor struct {
	Epoch line.Epoch
	After int64
}

// Cursors keeps the cursor, one for all replicas.
type Cursors interface {
	// Cursor returns the cursor; the zero Cursor when nothing has been read yet.
	Cursor(ctx context.Context) (Cursor, error)

	// MoveCursor sets the cursor to next if it still equals from, and tells whether it
	// did: of several replicas that read the same page, one moves it.
	MoveCursor(ctx context.Context, from, next Cursor) (bool, error)
}

// Page is one page of the line's change log, from one atomic read.
type Page struct {
	Epoch     line.Epoch
	LastSeq   int64 // the highest seq of the line at that moment
	NextAfter int64 // where the next page starts: further on than this one, unless this is the last
	Events    []line.Event
}

// Line is line-provider, asked over HTTP.
type Line interface {
	// Changes returns the changes after seq, in order of seq, at most limit of them.
	Changes(ctx context.Context, after int64, limit int) (Page, error)

	// Event returns one event and the epoch it belongs to, or ErrNotFound when the
	// line has no such event.
	Event(ctx context.Context, id domain.EventID) (line.Change, error)
}
