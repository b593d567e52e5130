package domain

import (
	"strconv"
	"time"

	"stavka.local/shared/odds"
)

// EventID names an event, from 1 on. Ids grow, and none is given out twice.
type EventID int64

// String returns the id's digits.
func (id EventID) String() string { return strconv.FormatInt(int64(id), 10) }

// State is where an event is in its life. The numbers are the contract's.
type State uint8

// The states. All but StateNew are final.
const (
	StateNew          State = 1
	StateFinishedWin  State = 2
	StateFinishedLose State = 3
	StateCancelled    State = 4
)

// IsFinal tells whether s decides the bets on the event.
func (s State) IsFinal() bool { return s > StateNew && s <= StateCancelled }

// IsValid tells whether s is one of the four states.
func (s State) IsValid() bool { return s >= StateNew && s <= StateCancelled }

// Event is what the line offers to bet on. It is a value: its methods decide and
// return what would become of it, and a store makes it so. Instants are in UTC
// and have whole seconds.
type Event struct {
	ID             EventID
	Coefficient    odds.Decimal
	Deadline       time.Time // bets are accepted before it, not at it
	State          State
	CreatedAt      time.Time
	UpdatedAt      time.Time // never before CreatedAt, never going back
	Name           string    // empty when the event has none
	Suspended      bool      // no bets for now; says nothing once the event is final
	Version        int64     // 1 at creation, +1 with every change
	Seq            int64     // of the last change, in the whole line; the store allots it
	ResultRevision int64     // 0 while open, +1 with every result
	EffectiveAt    time.Time // when the result became fact; zero when nobody said
}

// Rules are what an operator configures about events.
type Rules struct {
	MinimumDuration time.Duration // how far ahead the deadline is when none is given
	MaxCoefficient  odds.Decimal  // the highest price that may be offered
}

// minCoefficient is a return of the stake and nothing more.
var minCoefficient = odds.MustParse("1.00")

func (r Rules) checkCoefficient(c odds.Decimal) error {
	if c.Less(minCoefficient) || r.MaxCoefficient.Less(c) {
		return ErrCoefficient.
			Detailf("The coefficient must be from %s to %s.", minCoefficient, r.MaxCoefficient).
			With("min", minCoefficient).With("max", r.MaxCoefficient)
	}
	return nil
}

// next returns e as its next version, which the caller goes on to change. A clock
// that was set back does not make an event younger.
func (e Event) next(now time.Time) Event {
	e.Version++
	if now.After(e.UpdatedAt) {
		e.UpdatedAt = now
	}
	return e
}
