package domain

import (
	"fmt"
	"time"

	"stavka.local/shared/fault"
	"stavka.local/shared/money"
)

// StakeLimitDelay is how long a user waits for a higher limit on their stakes, or none
// (UKGC RTS 12D, DC 30-2114: a decrease works at once, an increase only later).
const StakeLimitDelay = 24 * time.Hour

// StakeLimit is how much a user lets themself stake in a day, in UTC. The zero value
// sets no limit.
type StakeLimit struct {
	Amount money.Amount // nothing for no limit
	// Next is what takes the place of Amount at NextAt; if that is zero, nothing does.
	Next   money.Amount
	NextAt time.Time
}

// At returns the limit as it is at an instant: what is due has taken its place.
func (l StakeLimit) At(now time.Time) StakeLimit {
	if !l.NextAt.IsZero() && !now.Before(l.NextAt) {
		return StakeLimit{Amount: l.Next}
	}
	return l
}

// Set returns the limit after the user has wished for another one, nothing for none. A
// lower one counts at once, and one that waits is forgotten; a higher one waits.
func (l StakeLimit) Set(amount money.Amount, now time.Time) StakeLimit {
	l = l.At(now)
	if amount.IsPositive() && (!l.Amount.IsPositive() || !l.Amount.Less(amount)) || amount == l.Amount {
		return StakeLimit{Amount: amount}
	}
	return StakeLimit{Amount: l.Amount, Next: amount, NextAt: now.Add(StakeLimitDelay)}
}

// The shortest and the longest self-exclusion.
const (
	MinExclusion = 24 * time.Hour
	MaxExclusion = 100 * 365 * 24 * time.Hour
)

// Faults of restrictions.
var (
	ErrExclusionTooShort = fault.New(fault.Conflict, "exclusion_not_shortened", "a self-exclusion can only be made longer")
	ErrInvalidExclusion  = fault.New(fault.Invalid, "invalid_request", "the self-exclusion is malformed")
)

// Exclude returns the wallet after its user has excluded themself until an instant.
// There is no way back before it. Errors: ErrInvalidExclusion, with the field;
// ErrExclusionTooShort.
func (w Wallet) Exclude(until, now time.Time) (Wallet, error) {
	switch {
	case until.Before(now.Add(MinExclusion)), until.After(now.Add(MaxExclusion)):
		return w, ErrInvalidExclusion.Detailf("until must be %s to %s from now.", days(MinExclusion), days(MaxExclusion)).With("field", "until")
	case until.Before(w.ExcludedUntil):
		return w, ErrExclusionTooShort.Detailf("You are excluded until %s already.", w.ExcludedUntil.UTC().Format(time.RFC3339)).
			With("excluded_until", w.ExcludedUntil.UTC())
	}
	w.ExcludedUntil = until
	return w, nil
}

func days(d time.Duration) string {
	if d == 24*time.Hour {
		return "1 day"
	}
	return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
}

// IsExcluded tells whether the user has excluded themself from betting.
func (w Wallet) IsExcluded(now time.Time) bool { return now.Before(w.ExcludedUntil) }
