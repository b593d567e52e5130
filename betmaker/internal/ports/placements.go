package ports

import (
	"context"

	"stavka.local/betmaker/internal/domain"
)

// Batch is a list of placements that are decided together.
type Batch struct {
	Placements []domain.Placement
	// WithLiabilities includes the liabilities of the events in the working set. Batches with a common
	// event then wait for each other. It must be the same on all replicas.
	WithLiabilities bool
}

// Placements decides and stores batches of bets.
type Placements interface {
	// Place decides a batch in one transaction. In this order, it
	//   - locks the users' wallets, the events against closing, and the events' liabilities if the batch
	//     includes them, each in ascending order;
	//   - reads the working set under these locks, the clock last. Users and events that do not exist are
	//     missing from the set, and so are refusals older than domain.RefusalTTL;
	//   - calls decide, which returns one decision for each placement;
	//   - writes the new decisions: the bet with the transfer of its stake, and the verdict if the
	//     placement has an idempotency key. It writes the wallets of users who placed a bet, and the
	//     liabilities, as decide has left them in the set.
	//
	// decide may be called again with a new set, but only after the previous transaction was
	// rolled back. The decisions of the last call count.
	//
	// Place returns the decisions after they are durable. On any error but ErrOutcomeUnknown nothing was
	// written. Place may be called concurrently.
	Place(ctx context.Context, batch Batch, decide func(*domain.WorkingSet) []domain.Decision) ([]domain.Decision, error)

	// Verdict returns the stored verdict for a key, or ErrNotFound. It takes no lock, so it does not find
	// a verdict that is being decided.
	Verdict(ctx context.Context, key domain.VerdictKey) (domain.Verdict, error)

	// ForgetRefusals deletes the refusals of placements and payments that are older than
	// domain.RefusalTTL, and returns their number.
	ForgetRefusals(ctx context.Context) (int64, error)

	// ForgetLiabilities deletes the stored liabilities. The store computes the liability of an event again
	// from its pending bets when a batch next includes it. This is needed after bets were placed without
	// liabilities, which does not update them. It may be called at any time.
	ForgetLiabilities(ctx context.Context) error
}
