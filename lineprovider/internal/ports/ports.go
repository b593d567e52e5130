// Package ports declares what line-provider needs from the outside: a store of events and of the
// log of their changes. The bus is line.Publisher. The comments are the contract; portstest checks
// every adapter against it.
//
// A store that cannot be reached returns domain.ErrUnavailable. Any other error that a comment
// does not name is a defect.
package ports

import (
	"context"
	"iter"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/line"
)

// Store combines the ports that one store implements.
type Store interface {
	Events
	Catalogue
	ChangeLog
	Outbox
	Lease
}

// Snapshot is an event with the epoch that its numbers belong to.
type Snapshot struct {
	Epoch line.Epoch
	Event domain.Event
}

// Events stores events. It is safe for concurrent use.
//
// When Create, Recall and Apply return without an error, the result is on the disk of every server
// that the deployment requires. They continue when ctx is cancelled, for a limited time, so that a
// caller that disconnects does not leave the change undecided. When they return
// domain.ErrUnavailable, the change may or may not have been made.
type Events interface {
	// Event returns the current state of an event, or domain.ErrEventNotFound.
	Event(ctx context.Context, id domain.EventID) (Snapshot, error)

	// Create stores a new event in one atomic step: it allots the next id and the next seq, and
	// writes the event, its first history entry and the idempotency key, if any. If the key is
	// known, Create writes nothing and returns what Recall returns.
	Create(ctx context.Context, creation Creation) (Created, error)

	// Recall returns the event that was created under a key, as it was at its creation, with
	// Created.Replayed set. For an unknown key it returns the zero Created, and for a key of
	// another request domain.ErrKeyReused. Keys are never deleted.
	Recall(ctx context.Context, key Key) (Created, error)

	// Apply applies a change in one atomic step. If the event still has the version that the
	// decision was made on, in the same data set, Apply allots the next seq and writes the event
	// and its history entry. Otherwise it writes nothing and returns domain.ErrVersionMismatch.
	// Of concurrent changes to one version exactly one succeeds.
	//
	// For an empty change Apply writes nothing. It returns the event unchanged, once that is as
	// durable as a change.
	Apply(ctx context.Context, update Update) (Snapshot, error)
}

// Creation is a new event to store.
type Creation struct {
	Change domain.Change // of domain.ActionCreate
	Author domain.Author
	Key    *Key // nil for none
}

// Created is an event that Create stored.
type Created struct {
	Snapshot

	Replayed bool // an earlier request with the same key created it
}

// Update is a change to apply.
type Update struct {
	Epoch  line.Epoch // of the snapshot that the decision is based on
	Change domain.Change
	Author domain.Author
	Reason string // may be empty
}

// Key is an idempotency key: it makes a creation safe to repeat.
type Key struct {
	Scope       string // the caller and the operation; the same text in another scope is another key
	Text        string // 1 to 255 characters
	Fingerprint [32]byte
}

// Importer stores many new events at once.
type Importer interface {
	// Import does what Create does for each of the creations, in order, in one atomic step. When
	// the sequence yields an error, Import writes nothing and returns that error. It returns how
	// many events are new, and how many had been created under their keys before.
	Import(ctx context.Context, creations iter.Seq2[Creation, error]) (created, replayed int, err error)
}

// Catalogue lists events and their histories, page by page.
type Catalogue interface {
	// Events returns events in ascending order of id.
	Events(ctx context.Context, query EventsQuery) (EventsPage, error)

	// History returns the history of an event in ascending order of version, or
	// domain.ErrEventNotFound.
	History(ctx context.Context, query HistoryQuery) (HistoryPage, error)
}

// EventsQuery selects events.
type EventsQuery struct {
	State domain.State   // only events in this state; 0 for any
	After domain.EventID // only events with a greater id
	Limit int            // the length of the page, from 1 to 500
}

// EventsPage is a page of events.
type EventsPage struct {
	Epoch  line.Epoch
	Events []domain.Event
	More   bool // events follow after the last one
}

// HistoryQuery selects entries of an event's history.
type HistoryQuery struct {
	ID    domain.EventID
	After int64 // only versions above it
	Limit int   // the length of the page, from 1 to 500
}

// HistoryPage is a page of an event's history.
type HistoryPage struct {
	Epoch   line.Epoch
	Entries []domain.Entry
	More    bool // entries follow after the last one
}

// ChangeLog lists events in the order of their changes. Each event is in it once, at the seq of its
// last change.
type ChangeLog interface {
	// Changes returns at most limit (1 to 500) events whose seq is above after, in ascending
	// order of seq, from one atomic read.
	Changes(ctx context.Context, after int64, limit int) (ChangesPage, error)
}

// ChangesPage is a page of the change log.
type ChangesPage struct {
	Epoch   line.Epoch
	LastSeq int64 // the highest seq allotted at the time of the read
	Events  []domain.Event

	// NextAfter is the seq up to which the page is complete: every event with a seq above the
	// page's start and up to NextAfter is on it. NextAfter is never below the page's start. A
	// page without events reaches LastSeq.
	NextAfter int64
}

// Outbox is the part of the change log that is not published yet. It stores one number, the
// published seq.
type Outbox interface {
	// Unpublished returns what Changes returns after the published seq.
	Unpublished(ctx context.Context, limit int) (ChangesPage, error)

	// MarkPublished raises the published seq to upTo. It does nothing when the published seq is
	// not below upTo, or when the store is no longer in epoch: then the numbers may have another
	// meaning, and the caller must read again.
	MarkPublished(ctx context.Context, epoch line.Epoch, upTo int64) error

	// Head returns the current state of the log.
	Head(ctx context.Context) (Head, error)
}

// Head is the state of the change log.
type Head struct {
	Epoch   line.Epoch
	LastSeq int64
	Waiting int64     // the number of events to publish
	Oldest  time.Time // when the first of them changed; zero for none
}

// Lease keeps several processes from doing the same work at once. It only saves work: a holder that
// was paused may overlap with the next one.
type Lease interface {
	// Hold takes or extends the lease for ttl and reports whether this process holds it.
	Hold(ctx context.Context, ttl time.Duration) (bool, error)

	// Release gives up the lease if this process holds it.
	Release(ctx context.Context) error
}
