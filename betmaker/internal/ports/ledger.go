package ports

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
)

// LedgerReader is shown a ledger. An error that it returns ends the reading.
type LedgerReader interface {
	// Seal is shown every seal, in order of id. Each comes after the transfers with ids up to
	// its Last and before the first one beyond, so that nobody has to remember seals; a
	// seal that reaches beyond all transfers comes after them. Where the seals' Last do not
	// ascend, as only tampering leaves them, their order of id stands.
	Seal(seal domain.Seal) error
	// Transfer is shown every transfer, in order of id.
	Transfer(transfer domain.Transfer) error
	// Wallet is shown every wallet, in order of user, after all transfers and seals.
	Wallet(user domain.UserID, wallet domain.Wallet) error
	// Event is shown every event, in order of id, after all wallets: with the revision up to
	// which its bets are marked as settled, and the liability that is kept of it, if one is.
	Event(event domain.Event, settled int64, liability *money.Amount) error
	// Bet is shown every bet together with its transfers, both in order of id, after all
	// events. Transfers of a bet that does not exist come with a bet that has only an id.
	Bet(bet domain.Bet, transfers []domain.Transfer) error
}

// Ledger checks and seals the transfers.
type Ledger interface {
	// Read shows reader all that concerns money as it was at one instant. It holds nobody up.
	// An error that is neither reader's, nor the context's, nor ErrUnavailable means that
	// something is stored that cannot be read.
	Read(ctx context.Context, reader LedgerReader) error

	// Seal seals transfers after the newest seal, up to limit of them: it calls seal with the
	// newest seal, the zero Seal when there is none, and the transfers that follow it, in
	// order of id, and writes what it returns. A transfer that is not in the store yet
	// never gets an id up to that of a sealed one: what may still be being written, and all
	// after it, is left for later. Seal returns the newest seal, and whether there may be
	// more to seal now. When another replica is sealing it does nothing. It takes no lock that
	// a placement waits for.
	Seal(ctx context.Context, limit int, seal func(newest domain.Seal, transfers []domain.Transfer, now time.Time) domain.Seal) (newest domain.Seal, more bool, err error)
}
