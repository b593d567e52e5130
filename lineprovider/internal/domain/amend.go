package domain

import (
	"time"

	"stavka.local/shared/odds"
)

// Amendment lists the changes to an open event. A nil field stays as it is.
type Amendment struct {
	Coefficient *odds.Decimal
	Deadline    *time.Time
	Name        *string // empty removes the name
	Suspended   *bool
}

// Amend decides an amendment of an open event. An amendment that leaves everything as it is
// makes an empty Change.
//
// ErrInvalidText: the name is not allowed.
// ErrEventNotOpen: the event has a result.
// ErrDeadlinePassed: the deadline has passed, and the amendment sets a price or a deadline.
// ErrCoefficient, ErrDeadlineInPast: the new value is not allowed.
func (e Event) Amend(now time.Time, a Amendment, rules Rules) (Change, error) {
	if a.Name != nil {
		if err := checkText("name", *a.Name); err != nil {
			return Change{}, err
		}
	}
	if e.State.IsFinal() {
		return Change{}, ErrEventNotOpen.Detailf("Event %s is finished; only an open event can be changed.", e.ID)
	}
	if (a.Coefficient != nil || a.Deadline != nil) && e.isPastDeadline(now) {
		return Change{}, ErrDeadlinePassed.
			Detailf("The deadline of event %s has passed; its price and deadline are fixed.", e.ID)
	}
	after := e
	if a.Coefficient != nil {
		if err := rules.checkCoefficient(*a.Coefficient); err != nil {
			return Change{}, err
		}
		after.Coefficient = *a.Coefficient
	}
	if a.Deadline != nil {
		if a.Deadline.Before(now) {
			return Change{}, ErrDeadlineInPast
		}
		after.Deadline = *a.Deadline
	}
	if a.Name != nil {
		after.Name = *a.Name
	}
	if a.Suspended != nil {
		after.Suspended = *a.Suspended
	}
	if after == e {
		return unchanged(e), nil
	}
	return Change{Action: ActionChange, Before: e, After: after.next(now)}, nil
}

// isPastDeadline reports whether the deadline has passed. At the deadline it has, as for bets.
func (e Event) isPastDeadline(now time.Time) bool { return !now.Before(e.Deadline) }
