package ports

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/domain"
)

// Chunk is the result of SettleChunk.
type Chunk struct {
	// Settled is the number of bets that were moved to the event's settle revision.
	Settled int
	// Changed is the number of these whose status or payout changed.
	Changed int
	// Last is the last bet that was read; the next chunk starts after it.
	Last domain.BetID
	// More reports whether there may be bets behind after Last.
	More bool
}

// Unsettled is an event with a result, some of whose bets may be behind.
type Unsettled struct {
	Event domain.EventID
	// For is the time since ResultedAt, by the store's clock.
	For time.Duration
}

// Cancellation is the settlement of a bet that is cancelled.
type Cancellation struct {
	domain.Settled
	Audit *domain.AuditRecord // nil if users cancel their own bets
}

// Settlements settles bets.
type Settlements interface {
	// SettleChunk settles, in one transaction, up to limit bets of an event whose revision is behind the
	// event's. It starts with the bet that follows after, 0 for the first. The order of the bets is the
	// store's and always the same; the bets of one user are by id. An event that is not settleable has no
	// bets behind. In this order, SettleChunk
	//   - locks the bets, skipping those that another settler has locked, and then their users' wallets,
	//     ascending;
	//   - reads the event and the clock;
	//   - calls decide with the bets, which returns one settlement for each. decide may be called more
	//     than once;
	//   - writes the settlements, the transfers, the wallets as decide has left them, and the change of the
	//     event's liability if one is stored.
	//
	// It returns an error if a settlement does not raise the revision of its bet, which is a defect. After
	// ErrOutcomeUnknown it may be repeated: a bet is settled at most once per revision.
	SettleChunk(ctx context.Context, event domain.EventID, after domain.BetID, limit int,
		decide func(*domain.Settling) []domain.Settled) (Chunk, error)

	// FinishSettling marks the event as settled up to its present revision if no bet is behind, including
	// locked bets, and reports whether the event is settled. It never marks a result that arrives at the
	// same time. For an event that is not settleable it returns true and marks nothing.
	FinishSettling(ctx context.Context, event domain.EventID) (bool, error)

	// Unsettled returns up to limit settleable events that are not marked as settled up to their present
	// revision, longest waiting first.
	Unsettled(ctx context.Context, limit int) ([]Unsettled, error)

	// CancelBet cancels a bet in one transaction. It locks the bet, its user's wallet and the event against
	// closing; reads the event and then the clock; calls decide with a set of this one bet; and writes the
	// cancellation as SettleChunk does, with its audit record. The cancellation may keep the bet's revision.
	// If decide returns nil or an error, nothing is written; CancelBet returns the error. It returns the
	// bet after the transaction, or ErrNotFound. decide may be called more than once.
	CancelBet(ctx context.Context, id domain.BetID, decide func(*domain.Settling) (*Cancellation, error)) (domain.Bet, error)
}
