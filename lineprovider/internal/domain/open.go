package domain

import (
	"time"

	"stavka.local/shared/odds"
)

// Offer is what a new event starts with.
type Offer struct {
	Coefficient odds.Decimal
	Deadline    *time.Time // nil: Rules.MinimumDuration from now
	Name        string     // may be empty
}

// Open decides on a new event.
//
// ErrCoefficient: the price is not one that may be offered.
// ErrDeadlineInPast: the deadline lies before now.
func Open(now time.Time, offer Offer, rules Rules) (Change, error) {
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
