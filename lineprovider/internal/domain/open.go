package domain

import (
	"time"

	"stavka.local/shared/odds"
)

// Offer describes a new event.
type Offer struct {
	Coefficient odds.Decimal
	Deadline    *time.Time // nil for Rules.MinimumDuration from now
	Name        string     // may be empty
}

// Open decides to create an event.
//
// ErrInvalidText: the name is not allowed.
// ErrCoefficient: the price is outside the allowed range.
// ErrDeadlineInPast: the deadline is before now.
func Open(now time.Time, offer Offer, rules Rules) (Change, error) {
	if err := checkText("name", offer.Name); err != nil {
		return Change{}, err
	}
	if err := rules.checkCoefficient(offer.Coefficient); err != nil {
		return Change{}, err
	}
	deadline := now.Add(rules.MinimumDuration)
	if offer.Deadline != nil {
		deadline = *offer.Deadline
	}
	if deadline.Before(now) {
		return Change{}, ErrDeadlineInPast
	}
	return Change{Action: ActionCreate, After: Event{
		Coefficient: offer.Coefficient,
		Deadline:    deadline,
		State:       StateNew,
		CreatedAt:   now,
		UpdatedAt:   now,
		Name:        offer.Name,
		Version:     1,
	}}, nil
}
