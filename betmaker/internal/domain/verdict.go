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

// Verdict is the decision about a placement: a bet or a refusal.
type Verdict struct {
	Fingerprint [sha256.Size]byte
	Bet         Bet     // as accepted; zero if refused
	Refusal     Refusal // zero if accepted
	RequestID   string  // of the request that was decided
}

// Accepted reports whether the verdict is a bet.
func (v Verdict) Accepted() bool { return v.Bet.ID != 0 }

// Replay answers a repeated request with the verdict on the first one. If the content differs, the
// decision has the error ErrKeyReused.
func (v Verdict) Replay(fingerprint [sha256.Size]byte) Decision {
	if v.Fingerprint != fingerprint {
		return Decision{Err: ErrKeyReused}
	}
	return Decision{Verdict: v, Replayed: true}
}

// Decision is the answer to one placement of a batch.
type Decision struct {
	Verdict
	// Replayed: an earlier request reached the verdict.
	Replayed bool
	// Err is set if there is no verdict to store: the key was used for another request, the
	// user's token is no longer valid, the user is not active, the event has to be looked up, or
	// the line is not known.
	Err error
}

// IsNew reports whether the store has to write the verdict.
func (d Decision) IsNew() bool { return d.Err == nil && !d.Replayed }

// ErrEventUnknown is returned if the event is not in the projection and must be requested from the
// line. It never leaves bet-maker.
var ErrEventUnknown = fault.New(fault.NotFound, "event_unknown", "The event is not in the projection.")

// Faults that end a placement without a verdict to store.
var (
	ErrKeyReused    = fault.New(fault.Unprocessable, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
	ErrUserInactive = fault.New(fault.Forbidden, "user_inactive", "The user is not active.")
)
