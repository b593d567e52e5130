package domain

import (
	"fmt"
	"math"
	"math/bits"

	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// StakeLimits bounds the stake of one bet. Both ends are allowed.
type StakeLimits struct{ Min, Max money.Amount }

// Allow reports whether a stake is within the limits.
func (l StakeLimits) Allow(stake money.Amount) bool {
	return !stake.Less(l.Min) && !l.Max.Less(stake)
}

// Limits are the limits that the house sets.
type Limits struct {
	Stake StakeLimits
	// Payout bounds the payout of one bet; zero for no limit.
	Payout money.Amount
	// Liability bounds the liability of each event; zero for no limit.
	Liability money.Amount
}

// LimitName names the limit that a bet would have exceeded.
type LimitName string

// The limits that a refusal can name.
const (
	LimitPayout    LimitName = "payout"    // MAX_PAYOUT, of one bet
	LimitLiability LimitName = "liability" // EVENT_LIABILITY_LIMIT, of all bets on an event
	LimitDaily     LimitName = "daily"     // the user's own limit for a day
)

// Liability returns what the house would lose if the pending bet won: the potential payout minus
// the stake, which is in escrow. The liability of an event is the sum over its pending bets. A bet
// that is not pending adds nothing.
func (b Bet) Liability() money.Amount {
	if b.Status != StatusPending {
		return money.Amount{}
	}
	return b.PotentialPayout().Minus(b.Stake)
}

// PendingBets is a number of pending bets that have the same potential payout as Bet.
type PendingBets struct {
	Bet
	Count int64
}

// Liability returns the sum of the liabilities of the bets. It panics when that does not fit 64
// bits, as money.Amount.Plus does.
func (p PendingBets) Liability() money.Amount {
	each := p.PotentialPayout().Minus(p.Stake).Minor()
	high, low := bits.Mul64(uint64(each), uint64(p.Count))
	if high != 0 || low > math.MaxInt64 {
		panic(fmt.Sprintf("domain: the liability of %d bets of %s at %s is out of range", p.Count, p.Stake, p.Coefficient))
	}
	return money.FromMinor(int64(low))
}

// stakeFor returns the largest stake with at most the given payout, which is rounded down.
func stakeFor(price odds.Decimal, payout money.Amount) money.Amount {
	return largest(payout, price.Hundredths())
}

// stakeWithin returns the largest stake that adds at most room to the liability of an event. It
// reports false when any stake does.
func stakeWithin(price odds.Decimal, room money.Amount) (money.Amount, bool) {
	if price.Hundredths() == 100 {
		return money.Amount{}, false
	}
	return largest(room, price.Hundredths()-100), true
}

// largest returns the largest stake for which stake x hundredths / 100, rounded down, is at most
// bound, or zero.
func largest(bound money.Amount, hundredths int64) money.Amount {
	if bound.Minor() < 0 {
		return money.Amount{}
	}
	return money.FromMinor((bound.Minor()*100 + 99) / hundredths)
}
