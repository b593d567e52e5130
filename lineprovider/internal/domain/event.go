package domain

import (
	"strconv"
	"time"

	"stavka.local/shared/odds"
)

// EventID identifies an event. Ids start at 1 and grow; none is used twice.
type EventID int64

// String returns the id's digits.
func (id EventID) String() string { return strconv.FormatInt(int64(id), 10) }

// State is the state of an event. The API document defines the numbers.
type State uint8

// The states. All but StateNew are final.
const (
	StateNew          State = 1
	StateFinishedWin  State = 2
	StateFinishedLose State = 3
	StateCancelled    State = 4
)

// IsFinal reports whether s settles the bets on the event.
func (s State) IsFinal() bool { return s > StateNew && s <= StateCancelled }

// IsValid reports whether s is one of the four states.
func (s State) IsValid() bool { return s >= StateNew && s <= StateCancelled }

// Event is an event of the line. It is a value: its methods return a Change, which a store
// applies. Instants are in UTC, in whole seconds, except RecordedAt.
type Event struct {
	ID             EventID
	Coefficient    odds.Decimal
	Deadline       time.Time // bets are accepted before it, not at it
	State          State
	CreatedAt      time.Time
	UpdatedAt      time.Time // never before CreatedAt, never decreases
	Name           string    // empty when the event has none
	Suspended      bool      // takes no bets for now; has no meaning once the state is final
	Version        int64     // 1 at creation, +1 with every change
	Seq            int64     // of the last change, unique in the line; the store allots it
	ResultRevision int64     // 0 while open, +1 with every result
	EffectiveAt    time.Time // when the result became fact; zero when unknown
	RecordedAt     time.Time // when the first result was recorded, to the millisecond; zero when there is none
}

// Rules are the configured limits of events.
type Rules struct {
	MinimumDuration time.Duration // from now to the default deadline
	MaxCoefficient  odds.Decimal  // the highest price allowed
}

// minCoefficient returns the stake and nothing more.
var minCoefficient = odds.MustParse("1.00")

func (r Rules) checkCoefficient(c odds.Decimal) error {
	if c.Less(minCoefficient) || r.MaxCoefficient.Less(c) {
		return ErrCoefficient.
			Detailf("The coefficient must be from %s to %s.", minCoefficient, r.MaxCoefficient).
			With("min", minCoefficient).With("max", r.MaxCoefficient)
	}
	return nil
}

// next returns e with the next version, for the caller to change. UpdatedAt does not decrease
// when the clock was set back.
func (e Event) next(now time.Time) Event {
	e.Version++
	if now.After(e.UpdatedAt) {
		e.UpdatedAt = now
	}
	return e
}
