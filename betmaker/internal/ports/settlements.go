package ports

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/domain"
)

// Chunk is what one step of settling an event did.
type Chunk struct {
	// Settled counts the bets that now follow the event's settle revision.
	Settled int
	// Changed counts those among them whose status or payout changed.
	Changed int
	// Last is the last bet that was looked at; the next step starts after it.
	Last domain.BetID
	// More tells whether there may be bets behind after Last.
	More bool
}

// Unsettled is an event with a result that not all of its bets follow yet.
type Unsettled struct {
	Event domain.EventID
	// For is how long ago, by the store's clock, the result came (ResultedAt).
	For time.Duration
}

// Cancellation is what becomes of a bet that is cancelled.
type Cancellation struct {
	domain.Settled
	Audit *domain.AuditRecord // nil when users cancel their own
}

// Settlements moves bets to where their event's result wants them.
type Settlements interface {
	// SettleChunk settles, in one transaction, up to limit bets of the event whose revision is
	// behind the event's, from the one after after on, 0 for the first one, in an order that
	// is the store's and always the same, in which each user's bets are in order of id. It locks
	// the bets, skipping those that another settler holds, then their users' wallets in ascending
	// order; reads the event and the clock; calls decide with the bets in that order; and writes
	// what it returns, one for each bet: the settlements, the transfers, the wallets as decide
	// has left them, and the change of the event's liability, if one is kept. A settlement
	// that does not raise the bet's revision is a defect, and an error. An event that is not
	// settleable has no bets behind. decide may be called more than once.
	//
	// ErrOutcomeUnknown may be returned; repeating is safe: a bet is settled at most
	// once per revision.
	SettleChunk(ctx context.Context, event domain.EventID, after domain.BetID, limit int,
		decide func(*domain.Settling) []domain.Settled) (Chunk, error)

	// FinishSettling marks the event as settled up to its present revision if no bet
	// is behind it, counted without skipping locked bets, and tells whether the event is
	// settled now. A result that arrives at the same time is never marked as settled by
	// it. An event that is not settleable has nothing to finish: true, and no mark.
	FinishSettling(ctx context.Context, event domain.EventID) (bool, error)

	// Unsettled returns up to limit settleable events that are not marked as settled
	// up to their present revision, those that have waited longest first.
	Unsettled(ctx context.Context, limit int) ([]Unsettled, error)

	// CancelBet changes one bet on a person's wish, in one transaction: it locks the bet, its
	// user's wallet and the event against closing; reads the event and, last, the clock; calls
	// decide with a set of this one bet; and writes the cancellation that it returns as
	// SettleChunk does, though it may keep the revision, with its audit record, if it has one.
	// When decide returns nil, or an error, which CancelBet returns, nothing is written. The
	// bet is returned as it is then. Errors: ErrNotFound. decide may be called more than once.
	CancelBet(ctx context.Context, id domain.BetID, decide func(*domain.Settling) (*Cancellation, error)) (domain.Bet, error)
}
