package domain

import (
	"time"

	"stavka.local/shared/money"
)

// StakeLimitDelay is the time until a higher stake limit, or the removal of one, takes effect (UKGC
// RTS 12D, DC 30-2114: a decrease works at once, an increase only later).
const StakeLimitDelay = 24 * time.Hour

// StakeLimit bounds the stakes that a user places in a day, in UTC. The user sets it. The zero
// value sets no limit.
type StakeLimit struct {
	Amount money.Amount // zero for no limit
	// Next replaces Amount at NextAt, unless NextAt is zero.
	Next   money.Amount
	NextAt time.Time
}

// At returns the limit that is in effect at the instant now.
func (l StakeLimit) At(now time.Time) StakeLimit {
	if !l.NextAt.IsZero() && !now.Before(l.NextAt) {
		return StakeLimit{Amount: l.Next}
	}
	return l
}

// Set returns the limit after the user asked for another one, zero for none. A lower one takes
// effect at once and discards a pending change; a higher one takes effect after StakeLimitDelay.
func (l StakeLimit) Set(amount money.Amount, now time.Time) StakeLimit {
	l = l.At(now)
	if amount.IsPositive() && (!l.Amount.IsPositive() || !l.Amount.Less(amount)) || amount == l.Amount {
		return StakeLimit{Amount: amount}
	}
	return StakeLimit{Amount: l.Amount, Next: amount, NextAt: now.Add(StakeLimitDelay)}
}
