package domain

import (
	"crypto/sha256"

	"stavka.local/shared/fault"
)

// Operation scopes an idempotency key, besides its user. The numbers are the stores'.
type Operation uint8

// The operations that take an idempotency key.
const (
	OperationBet        Operation = 1
	OperationDeposit    Operation = 2
	OperationWithdrawal Operation = 3
)

// VerdictKey names the stored verdict on a bet.
type VerdictKey struct {
	UserID UserID
	Key    string
}

// Verdict is what was decided about a placement: a bet, or a refusal.
type Verdict struct {
	Fingerprint [sha256.Size]byte
	Bet         Bet     // as accepted; the zero Bet when refused
	Refusal     Refusal // the zero Refusal when accepted
	RequestID   string  // of the request that was decided
}

// Accepted tells whether the verdict is a bet.
func (v Verdict) Accepted() bool { return v.Bet.ID != 0 }

// Replay answers a repeated request with the verdict of the first, provided that
// it asks for the same.
func (v Verdict) Replay(fingerprint [sha256.Size]byte) Decision {
	if v.Fingerprint != fingerprint {
		return Decision{Err: ErrKeyReused}
	}
	return Decision{Verdict: v, Replayed: true}
}

// Decision is the answer to one placement of a batch.
type Decision struct {
	Verdict
	// Replayed: the verdict was reached by an earlier request.
	Replayed bool
	// Err is set instead of a verdict when there is none to keep: the key was used
	// for something else, the user's token does not hold any more, the user is not active, the
	// event has to be looked up, the line is not known.
	Err error
}

// IsNew tells whether the store has to write the decision's verdict down.
func (d Decision) IsNew() bool { return d.Err == nil && !d.Replayed }

// ErrEventUnknown says that the event is not in the projection and the line has to
// be asked. It never leaves bet-maker.
var ErrEventUnknown = fault.New(fault.NotFound, "event_unknown", "The event is not in the projection.")

// Faults that end a placement without a verdict.
var (
	ErrKeyReused    = fault.New(fault.Unprocessable, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
	ErrUserInactive = fault.New(fault.Forbidden, "user_inactive", "The user is not active.")
)
