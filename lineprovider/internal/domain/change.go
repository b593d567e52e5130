package domain

import "time"

// Action says what a change did, in one word of the history.
type Action string

// The actions.
const (
	ActionCreate  Action = "created"
	ActionChange  Action = "changed"
	ActionFinish  Action = "finished"
	ActionCorrect Action = "corrected"
	ActionRemove  Action = "removed"
)

// Change is a decision about one event: it was Before and shall be After. The
// store carries it out only while the event's version is Before.Version.
type Change struct {
	Action Action
	Before Event // the zero Event for ActionCreate
	After  Event // its Seq is the store's to allot, and so is the ID of a new event
}

// IsEmpty tells whether the decision is that everything stays as it is.
func (c Change) IsEmpty() bool { return c.After.Version == c.Before.Version }

// unchanged is the decision to leave e alone.
func unchanged(e Event) Change { return Change{Before: e, After: e} }

// Author is who asked for a change.
type Author struct {
	Actor string // the person, as the caller names them (X-Actor); may be empty
	Token string // the label of the token that was used; never the token
}

// Entry is one accepted change in an event's history.
type Entry struct {
	Action Action
	At     time.Time // by the service's clock, in whole seconds
	Author Author
	Reason string // may be empty
	Event  Event  // as it was after the change
}
