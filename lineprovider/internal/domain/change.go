package domain

import "time"

// Action is the kind of a change, as the history shows it.
type Action string

// The actions.
const (
	ActionCreate  Action = "created"
	ActionChange  Action = "changed"
	ActionFinish  Action = "finished"
	ActionCorrect Action = "corrected"
	ActionRemove  Action = "removed"
)

// Change is a decision about one event: Before becomes After. A store applies it only while
// the event's version is Before.Version.
type Change struct {
	Action Action
	Before Event // the zero Event for ActionCreate
	After  Event // the store allots its Seq, and the ID of a new event
}

// IsEmpty reports whether the event stays as it is.
func (c Change) IsEmpty() bool { return c.After.Version == c.Before.Version }

// unchanged returns the decision to leave e as it is.
func unchanged(e Event) Change { return Change{Before: e, After: e} }

// Author names the person and the token behind a change.
type Author struct {
	Actor string // the person, as named by the caller (X-Actor); may be empty
	Token string // the label of the token; never the token itself
}

// Entry is one accepted change in an event's history.
type Entry struct {
	Action Action
	At     time.Time // by the service's clock, in whole seconds
	Author Author
	Reason string // may be empty
	Event  Event  // as it was after the change
}
