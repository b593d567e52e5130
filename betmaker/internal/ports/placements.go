package ports

import (
	"context"

	"stavka.local/betmaker/internal/domain"
)

// Batch is what is placed together.
type Batch struct {
	Placements []domain.Placement
	// WithLiabilities asks for the liabilities of the events, which then wait for each
	// other. All replicas must ask for them, or none.
	WithLiabilities bool
}

// Placements decides and keeps batches of bets.
type Placements interface {
	// Place decides a batch in one transaction. It locks, in this order, the users'
	// wallets, the events against closing and, when they are asked for, the events'
	// liabilities, each ascending; reads the working set under these locks, its clock last;
	// calls decide with it, which returns one decision for each placement; and writes every
	// decision that is new: its bet with the transfer of the stake, and its verdict when the
	// placement has an idempotency key. The wallets of users who placed a bet, and the
	// liabilities, are written as decide has left them in the set. Users and events that do not
	// exist are missing from the set, and so are refusals older than domain.RefusalTTL.
	//
	// decide may be called again, with a new set, only after all that followed from the
	// call before has been rolled back; the decisions of the last call stand.
	//
	// Place returns the decisions only after they are durable. On any error but
	// ErrOutcomeUnknown nothing was written. Place may be called concurrently.
	Place(ctx context.Context, batch Batch, decide func(*domain.WorkingSet) []domain.Decision) ([]domain.Decision, error)

	// Verdict returns the stored verdict for a key, or ErrNotFound. It takes no lock:
	// a verdict being decided right now is not found.
	Verdict(ctx context.Context, key domain.VerdictKey) (domain.Verdict, error)

	// ForgetRefusals deletes refusals older than domain.RefusalTTL, of placements and of
	// payments, and returns how many.
	ForgetRefusals(ctx context.Context) (int64, error)

	// ForgetLiabilities makes the store work out the liability of an event again when it is
	// next asked for, from the event's pending bets. That is needed after bets were placed
	// without asking for liabilities, which does not keep them up to date. It may be called at
	// any time.
	ForgetLiabilities(ctx context.Context) error
}
