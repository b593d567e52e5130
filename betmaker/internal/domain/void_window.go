package domain

import (
	"slices"
	"time"
	"unicode/utf8"

	"stavka.local/shared/fault"
	"stavka.local/shared/plaintext"
)

// maxVoidWindows bounds the windows of one event, which are always read together with it.
const maxVoidWindows = 100

// maxReason bounds the text of a reason, in characters.
const maxReason = 500

// VoidWindow voids the bets on an event that were accepted at or after From and before To.
type VoidWindow struct {
	ID     int64     `json:"id"` // from 1 for each event
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason"`
	By     UserID    `json:"by"`
	At     time.Time `json:"at"`

	// A window that was undone is kept but voids nothing.
	UndoneAt   time.Time `json:"undone_at,omitzero"`
	UndoneBy   UserID    `json:"undone_by,omitzero"`
	UndoReason string    `json:"undo_reason,omitzero"`
}

// IsActive reports whether the window voids bets.
func (w VoidWindow) IsActive() bool { return w.UndoneAt.IsZero() }

func (w VoidWindow) holds(at time.Time) bool {
	return w.IsActive() && !at.Before(w.From) && at.Before(w.To)
}

// Faults of void windows.
var (
	ErrInvalidVoid    = fault.New(fault.Invalid, "invalid_request", "The void window is malformed.")
	ErrVoidNotFound   = fault.New(fault.NotFound, "void_not_found", "The event has no such void window.")
	ErrVoidUndone     = fault.New(fault.Conflict, "void_undone", "The void window has already been undone.")
	ErrTooManyWindows = fault.New(fault.Conflict, "too_many_voids", "The event already has the most void windows allowed.")
)

// Void returns e with a new window and the window. The caller must settle the bets of e afterwards.
// The window must be in the past, because users could not know about a future one. If an equal
// window is active, Void returns that one and false, so that the request may be repeated. Errors:
// ErrInvalidVoid, with the field; ErrTooManyWindows.
func (e Event) Void(window VoidWindow, now time.Time) (Event, VoidWindow, bool, error) {
	switch {
	case !window.From.Before(window.To):
		return e, VoidWindow{}, false, invalidVoid("to", "must be after from")
	case window.To.After(now):
		return e, VoidWindow{}, false, invalidVoid("to", "must not be in the future")
	}
	if err := validateReason(window.Reason); err != nil {
		return e, VoidWindow{}, false, err
	}
	for _, known := range e.VoidWindows {
		if known.IsActive() && known.From.Equal(window.From) && known.To.Equal(window.To) && known.Reason == window.Reason {
			return e, known, false, nil
		}
	}
	if len(e.VoidWindows) >= maxVoidWindows {
		return e, VoidWindow{}, false, ErrTooManyWindows
	}
	window.ID, window.At = int64(len(e.VoidWindows))+1, now
	e.VoidWindows = append(slices.Clip(e.VoidWindows), window)
	return e.revised(now), window, true, nil
}

// UndoVoid returns e with the window undone, and the window. The caller must settle the bets of e
// afterwards. Errors: ErrVoidNotFound; ErrVoidUndone; ErrInvalidVoid, with the field.
func (e Event) UndoVoid(id int64, reason string, by UserID, now time.Time) (Event, VoidWindow, error) {
	if err := validateReason(reason); err != nil {
		return e, VoidWindow{}, err
	}
	i := slices.IndexFunc(e.VoidWindows, func(w VoidWindow) bool { return w.ID == id })
	switch {
	case i < 0:
		return e, VoidWindow{}, ErrVoidNotFound
	case !e.VoidWindows[i].IsActive():
		return e, VoidWindow{}, ErrVoidUndone
	}
	e.VoidWindows = slices.Clone(e.VoidWindows)
	e.VoidWindows[i].UndoneAt, e.VoidWindows[i].UndoneBy, e.VoidWindows[i].UndoReason = now, by, reason
	return e.revised(now), e.VoidWindows[i], nil
}

// isVoided reports whether an active window contains the instant.
func (e Event) isVoided(at time.Time) bool {
	return slices.ContainsFunc(e.VoidWindows, func(w VoidWindow) bool { return w.holds(at) })
}

func validateReason(reason string) error {
	if n := utf8.RuneCountInString(reason); !utf8.ValidString(reason) || n < 1 || n > maxReason {
		return invalidVoid("reason", "must have 1 to 500 characters")
	}
	if problem := plaintext.Problem(reason); problem != "" {
		return invalidVoid("reason", problem)
	}
	return nil
}

func invalidVoid(field, what string) error {
	return ErrInvalidVoid.Detailf("%s %s.", field, what).With("field", field)
}
