package domain

import (
	"fmt"
	"time"

	"stavka.local/shared/fault"
	"stavka.local/shared/instant"
)

// The shortest and the longest self-exclusion.
const (
	MinExclusion = 24 * time.Hour
	MaxExclusion = 100 * 365 * 24 * time.Hour
)

// Faults of self-exclusion.
var (
	ErrExclusionTooShort = fault.New(fault.Conflict, "exclusion_not_shortened", "A self-exclusion can only be made longer.")
	ErrInvalidExclusion  = fault.New(fault.Invalid, "invalid_request", "The self-exclusion is malformed.")
)

// Exclude returns the wallet after its user excluded themself until the given instant. The
// exclusion cannot be shortened. Errors: ErrInvalidExclusion, with the field; ErrExclusionTooShort.
func (w Wallet) Exclude(until, now time.Time) (Wallet, error) {
	switch {
	case until.Before(now.Add(MinExclusion)), until.After(now.Add(MaxExclusion)):
		return w, ErrInvalidExclusion.Detailf("until must be %s to %s from now.", days(MinExclusion), days(MaxExclusion)).With("field", "until")
	case until.Before(w.ExcludedUntil):
		return w, ErrExclusionTooShort.Detailf("You are already excluded until %s.", instant.Of(w.ExcludedUntil)).
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

// IsExcluded reports whether the user has excluded themself from betting.
func (w Wallet) IsExcluded(now time.Time) bool { return now.Before(w.ExcludedUntil) }
