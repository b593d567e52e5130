// Package ports says what line-provider needs from the outside: a store that
// keeps events, and through it the log of changes. The comments are the contract;
// portstest holds it against every adapter. The bus is line.Publisher.
//
// Whatever a store cannot do because it cannot be reached, it refuses with
// domain.ErrUnavailable; any other error that is not named is a defect.
package ports

import (
	"context"
	"iter"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/line"
)

// Store is all ports that one store stands behind.
type Store interface {
	Events
	Catalogue
	ChangeLog
	Outbox
	Lease
}

// Snapshot is an event together with the epoch its numbers belong to.
type Snapshot struct {
	Epoch line.Epoch
	Event domain.Event
}

// Events keeps the events. It is safe for concurrent use.
//
// What Create, Recall and Apply return without an error is on the disk of every
// server that the deployment requires. They go on when ctx is cancelled, within a
// bound of their own, so that a caller who hangs up leaves no doubt behind.
// domain.ErrUnavailable from them means that it is not known whether the change
// was made.
type Events interface {
	// Event returns an event as it is now, or domain.ErrEventNotFound.
	Event(ctx context.Context, id domain.EventID) (Snapshot, error)

	// Create stores a new event in one atomic step: it allots the next id and the
	// next seq, and writes the event, its first history entry and, if there is one,
	// the idempotency key. If the key is known already, nothing is written and what
	// Recall returns is returned.
	Create(ctx context.Context, creation Creation) (Created, error)

	// Recall returns the event that was created under a key, as it was created;
	// Created.Replayed is then true. It returns the zero Created for a key that is
	// not known, and domain.ErrKeyReused for one that belongs to another request.
	// Keys are kept for ever.
	Recall(ctx context.Context, key Key) (Created, error)

	// Apply carries out a change in one atomic step: if the event still has the
	// version the decision was made on, in the same data set, it allots the next
	// seq and writes the event and its history entry. Otherwise it writes nothing
	// and returns domain.ErrVersionMismatch. Of concurrent changes to one version
	// exactly one succeeds.
	//
	// An empty change writes nothing. It returns the event as it is once that is
	// as durable as a change.
	Apply(ctx context.Context, update Update) (Snapshot, error)
}

// Creation is a new event on its way to the store.
type Creation struct {
	Change domain.Change // of domain.ActionCreate
	Author domain.Author
	Key    *Key // nil when the caller sent none
}

// Created is a stored new event.
type Created struct {
	Snapshot

	Replayed bool // it was created by an earlier request with the same key
}

// Update is a change on its way to the store.
type Update struct {
	Epoch  line.Epoch // of the snapshot that the decision was made on
	Change domain.Change
	Author domain.Author
	Reason string // may be empty
}

// Key makes a creation repeatable.
type Key struct {
	Scope       string // who may repeat it, and what: the same text in another scope is another key
	Text        string // 1 to 255 characters
	Fingerprint [32]byte
}

// Importer is a store that takes many new events at once.
type Importer interface {
	// Import does what Create does with each of the creations, in order, in one atomic
	// step: when the sequence yields an error it returns that, and nothing was written. It
	// tells how many events are new, and how many were created under their keys before.
	Import(ctx context.Context, creations iter.Seq2[Creation, error]) (created, replayed int, err error)
}

// Catalogue lists what is stored, page by page.
type Catalogue interface {
	// Events returns events in ascending order of id.
	Events(ctx context.Context, query EventsQuery) (EventsPage, error)

	// History returns what happened to an event in ascending order of version, or
	// domain.ErrEventNotFound.
	History(ctx context.Context, query HistoryQuery) (HistoryPage, error)
}

// EventsQuery asks for events.
type EventsQuery struct {
	State domain.State   // only events in this state; 0 for any
	After domain.EventID // only events with a greater id
	Limit int            // at most so many, from 1 to 500
}

// EventsPage is a page of events.
type EventsPage struct {
	Epoch  line.Epoch
	Events []domain.Event
	More   bool // events follow after the last one
}

// HistoryQuery asks for what happened to an event.
type HistoryQuery struct {
	ID    domain.EventID
	After int64 // only versions above it
	Limit int   // at most so many, from 1 to 500
}

// HistoryPage is a page of an event's history.
type HistoryPage struct {
	Epoch   line.Epoch
	Entries []domain.Entry
	More    bool // entries follow after the last one
}

// ChangeLog is the line in the order of its changes. Each event is in it once,
// under the seq of its last change.
type ChangeLog interface {
	// Changes returns, from one atomic read, the events whose seq is above after,
	// in ascending order of seq, at most limit (1 to 500).
	Changes(ctx context.Context, after int64, limit int) (ChangesPage, error)
}

// ChangesPage is a page of the change log.
type ChangesPage struct {
	Epoch   line.Epoch
	LastSeq int64 // the highest seq allotted at the moment of the read
	Events  []domain.Event

	// NextAfter is the seq up to which the page is complete: no event that is not
	// on it had a seq above the page's start and up to here. It is never below the
	// page's start. A page without events reaches LastSeq.
	NextAfter int64
}

// Outbox is the part of the change log that is still to be published. It keeps
// one number, the published seq.
type Outbox interface {
	// Unpublished returns what Changes returns after the published seq.
	Unpublished(ctx context.Context, limit int) (ChangesPage, error)

	// MarkPublished raises the published seq to upTo. It leaves it alone when it is
	// there already, or when the store is no longer in epoch: then the numbers may
	// mean something else, and the caller reads again.
	MarkPublished(ctx context.Context, epoch line.Epoch, upTo int64) error

	// Head returns where the log stands.
	Head(ctx context.Context) (Head, error)
}

// Head is where the change log stands.
type Head struct {
	Epoch   line.Epoch
	LastSeq int64
	Waiting int64     // how many events are still to be published
	Oldest  time.Time // when the first of them changed; zero when none waits
}

// Lease keeps several processes from doing the same work at once. It saves work
// and protects nothing: a holder that is paused may overlap with the next one.
type Lease interface {
	// Hold takes or extends the lease for ttl and tells whether this process has it.
	Hold(ctx context.Context, ttl time.Duration) (bool, error)

	// Release gives the lease up if this process has it.
	Release(ctx context.Context) error
}
