package ports

import (
	"context"

	"stavka.local/betmaker/internal/domain"
)

// Placements decides and keeps batches of bets.
type Placements interface {
	// Place decides a batch in one transaction. It locks, in this order, the users'
	// wallets and then the events against closing, each ascending; reads the working
	// set under these locks, its clock last; calls decide with it, which returns one
	// decision for each placement; and writes every decision that is new: its bet, and
	// its verdict when the placement has an idempotency key. Users and events that do not
	// exist are missing from the set, and so are refusals older than domain.RefusalTTL.
	//
	// decide may be called again, with a new set, only after all that followed from the
	// call before has been rolled back; the decisions of the last call stand.
	//
	// Place returns the decisions only after they are durable. On any error but
	// ErrOutcomeUnknown nothing was written. Place may be called concurrently.
	Place(ctx context.Context, batch []domain.Placement, decide func(*domain.WorkingSet) []domain.Decision) ([]domain.Decision, error)

	// Verdict returns the stored verdict for a key, or ErrNotFound. It takes no lock:
	// a verdict being decided right now is not found.
	Verdict(ctx context.Context, key domain.VerdictKey) (domain.Verdict, error)

	// ForgetRefusals deletes refusals older than domain.RefusalTTL and returns how many.
	ForgetRefusals(ctx context.Context) (int64, error)
}
