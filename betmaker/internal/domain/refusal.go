package domain

import (
	"time"

	"stavka.local/shared/fault"
	"stavka.local/shared/instant"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// RefusalTTL is how long the refusal of a request with an idempotency key is replayed. Afterwards a
// request with the same key is decided anew.
const RefusalTTL = 24 * time.Hour

// RefusalCode is the reason for refusing a bet or payment. The numbers are the stores'.
type RefusalCode uint8

// The reasons for which a bet is refused.
const (
	RefusedEventNotFound    RefusalCode = 1
	RefusedEventClosed      RefusalCode = 2
	RefusedEventSuspended   RefusalCode = 3
	RefusedPriceChanged     RefusalCode = 4
	RefusedStakeOutOfLimits RefusalCode = 5

	RefusedInsufficientFunds RefusalCode = 6
	RefusedLimitExceeded     RefusalCode = 7
	RefusedSelfExcluded      RefusalCode = 8
)

// The reasons for which a payment is refused.
const (
	RefusedWithdrawal      RefusalCode = 9 // for more than the balance
	RefusedDebt            RefusalCode = 10
	RefusedBalanceTooLarge RefusalCode = 11
)

// Refusal is the verdict on a refused bet or payment: the reason and the values that the answer
// carries. The JSON names are those of the problem document and of the stores.
type Refusal struct {
	Code               RefusalCode  `json:"-"`
	CurrentCoefficient odds.Decimal `json:"current_coefficient,omitzero"`
	EventVersion       int64        `json:"event_version,omitzero"`
	Min                money.Amount `json:"min,omitzero"`
	Max                money.Amount `json:"max,omitzero"`
	// LargestStake is the largest stake that would have passed; zero when none would.
	LargestStake  money.Amount `json:"max_stake,omitzero"`
	Limit         LimitName    `json:"limit,omitzero"`
	ExcludedUntil time.Time    `json:"excluded_until,omitzero"`
	Debt          money.Amount `json:"debt,omitzero"`
}

// IsZero reports whether there is no refusal.
func (r Refusal) IsZero() bool { return r.Code == 0 }

// The faults of refused bets and payments.
var (
	ErrEventNotFound    = fault.New(fault.NotFound, "event_not_found", "There is no such event.")
	ErrEventClosed      = fault.New(fault.Conflict, "event_closed", "The event takes no more bets.")
	ErrEventSuspended   = fault.New(fault.Conflict, "event_suspended", "The event takes no bets at the moment.")
	ErrPriceChanged     = fault.New(fault.Conflict, "price_changed", "The price has changed.")
	ErrStakeOutOfLimits = fault.New(fault.Unprocessable, "stake_out_of_limits", "The stake is outside the limits.")

	ErrInsufficientFunds = fault.New(fault.Conflict, "insufficient_funds", "The wallet does not hold enough.")
	ErrLimitExceeded     = fault.New(fault.Conflict, "limit_exceeded", "The stake would exceed a limit.")
	ErrSelfExcluded      = fault.New(fault.Forbidden, "self_excluded", "The user has excluded themself from betting.")
	ErrOutstandingDebt   = fault.New(fault.Conflict, "outstanding_debt", "Nothing can be withdrawn while there is a debt.")
	ErrBalanceTooLarge   = fault.New(fault.Conflict, "balance_too_large", "The deposit is too large for the wallet.")
)

// Fault returns the fault that the caller sees. Equal refusals give equal faults.
func (r Refusal) Fault() *fault.Error {
	switch r.Code {
	case RefusedEventNotFound:
		return ErrEventNotFound
	case RefusedEventClosed:
		return ErrEventClosed
	case RefusedEventSuspended:
		return ErrEventSuspended
	case RefusedPriceChanged:
		return ErrPriceChanged.Detailf("The price is now %s.", r.CurrentCoefficient).
			With("current_coefficient", r.CurrentCoefficient).
			With("event_version", r.EventVersion)
	case RefusedStakeOutOfLimits:
		return ErrStakeOutOfLimits.Detailf("A stake must be from %s to %s.", r.Min, r.Max).
			With("min", r.Min).
			With("max", r.Max)
	case RefusedInsufficientFunds:
		return ErrInsufficientFunds.Detailf("The largest stake that the wallet allows is %s.", r.LargestStake).With("max_stake", r.LargestStake)
	case RefusedLimitExceeded:
		return ErrLimitExceeded.Detailf("The largest stake that the %s limit allows is %s.", r.Limit, r.LargestStake).
			With("max_stake", r.LargestStake).
			With("limit", r.Limit)
	case RefusedSelfExcluded:
		return ErrSelfExcluded.Detailf("You have excluded yourself until %s.", instant.Of(r.ExcludedUntil)).
			With("excluded_until", r.ExcludedUntil)
	case RefusedWithdrawal:
		return ErrInsufficientFunds.Detailf("The wallet holds %s.", r.Max).With("max", r.Max)
	case RefusedDebt:
		return ErrOutstandingDebt.Detailf("The user owes %s.", r.Debt).With("debt", r.Debt)
	case RefusedBalanceTooLarge:
		return ErrBalanceTooLarge.Detailf("A deposit cannot lift a wallet above %s; only payouts can.", r.Max).With("max", r.Max)
	}
	return fault.New(fault.Internal, "internal_error", "The refusal has no known reason.")
}
