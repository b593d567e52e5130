package domain

import (
	"time"

	"stavka.local/shared/odds"
)

// Amendment names what shall be different about an open event; nil leaves a
// thing as it is.
type Amendment struct {
	Coefficient *odds.Decimal
	Deadline    *time.Time
	Name        *string // empty takes the name away
	Suspended   *bool
}

// Amend decides on an amendment of an open event. Asking for what is already so
// is no change.
//
// ErrEventNotOpen: the event has a result.
// ErrDeadlinePassed: the amendment names a price or a deadline after the deadline.
// ErrCoefficient, ErrDeadlineInPast: the new value may not be offered.
func (e Event) Amend(now time.Time, a Amendment, rules Rules) (Change, error) {
	if e.State.IsFinal() {
		return Change{}, ErrEventNotOpen.Detailf("Event %s is finished; only an open event can be changed.", e.ID)
	}
	if (a.Coefficient != nil || a.Deadline != nil) && e.isPastDeadline(now) {
		return Change{}, ErrDeadlinePassed.
			Detailf("The deadline of event %s has passed; its price and deadline are fixed.", e.ID)
	}
	after := e.next(now)
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
	if e.offersTheSameAs(after) {
		return unchanged(e), nil
	}
	return Change{Action: ActionChange, Before: e, After: after}, nil
}

// isPastDeadline: at its deadline an event is past it, as for bets.
func (e Event) isPastDeadline(now time.Time) bool { return !now.Before(e.Deadline) }

func (e Event) offersTheSameAs(o Event) bool {
	return e.Coefficient == o.Coefficient && e.Deadline.Equal(o.Deadline) &&
		e.Name == o.Name && e.Suspended == o.Suspended
}
