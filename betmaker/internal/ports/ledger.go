package ports

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
)

// LedgerReader receives a ledger. An error of any method ends the reading.
type LedgerReader interface {
	// Seal receives the seals, by id. A seal comes after the transfers with ids up to its Last, and before
	// the first transfer beyond, so that the reader need not remember seals. A seal beyond all transfers
	// comes after them. If the Last of seals do not ascend, which only tampering can cause, the order is
	// still by id.
	Seal(seal domain.Seal) error
	// Transfer receives the transfers, by id.
	Transfer(transfer domain.Transfer) error
	// Wallet receives the wallets, by user, after all transfers and seals.
	Wallet(user domain.UserID, wallet domain.Wallet) error
	// Event receives the events, by id, after all wallets. settled is the revision up to which the event's
	// bets are marked as settled. liability is the stored liability, nil if there is none.
	Event(event domain.Event, settled int64, liability *money.Amount) error
	// Bet receives the bets, by id, after all events, each with its transfers, by id. The transfers of a
	// bet that does not exist come with a bet that has only an id.
	Bet(bet domain.Bet, transfers []domain.Transfer) error
}

// Ledger checks and seals the transfers.
type Ledger interface {
	// Read passes the whole ledger to reader, as it was at one instant. No writer waits
	// for it. Errors:
	//   - those of reader and of ctx;
	//   - ErrUnavailable;
	//   - any other error means that stored data cannot be read.
	Read(ctx context.Context, reader LedgerReader) error

	// Seal seals up to limit transfers that follow the newest seal. It calls seal with the newest seal,
	// or the zero Seal, and with these transfers, by id, and writes the seal that is returned. It seals no
	// transfer while one with a lower id may still be written. Seal returns the newest seal, and whether
	// there may be more to seal now. If another replica is sealing, it does nothing. It takes no lock that
	// placements wait for.
	Seal(ctx context.Context, limit int, seal func(newest domain.Seal, transfers []domain.Transfer, now time.Time) domain.Seal) (newest domain.Seal, more bool, err error)
}
