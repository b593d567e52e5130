package domain

import (
	"time"

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
