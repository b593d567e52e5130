package ports

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/domain"
)

// TransferFilter narrows a list of transfers. Zero members do not narrow.
type TransferFilter struct {
	UserID domain.UserID
	Kind   domain.TransferKind
	BetID  domain.BetID
	// Before is the page's start: only transfers with smaller ids. Zero for the newest.
	Before domain.TransferID
}

// Wallets keeps the users' money.
type Wallets interface {
	// Wallet returns a user's wallet, and the store's clock, or ErrNotFound.
	Wallet(ctx context.Context, user domain.UserID) (domain.Wallet, time.Time, error)

	// Transfers returns up to limit transfers, the newest first.
	Transfers(ctx context.Context, filter TransferFilter, limit int) ([]domain.Transfer, error)

	// Pay decides a payment in one transaction: it locks the wallets of who pays and of the
	// user, ascending; reads the set, with the stored verdict for the key, unless that is a
	// refusal older than domain.RefusalTTL; calls decide; and writes what is new: the verdict,
	// the transfers, the wallet and the audit record. It returns the decision, its
	// transfers with their ids, after it is durable. A user without a wallet is
	// ErrNotFound. decide may be called more than once.
	Pay(ctx context.Context, payment domain.Payment, decide func(domain.PaymentSet) domain.PaymentDecision) (domain.PaymentDecision, error)

	// Restrict changes what a user may stake: it locks the wallet, calls decide with the
	// clock and the wallet, and writes the StakeLimit and ExcludedUntil of what it returns,
	// and nothing else; when decide returns an error, nothing, and Restrict returns it. Once it
	// has returned, no bet is accepted that the restrictions forbid. Errors: ErrNotFound.
	// decide may be called more than once.
	Restrict(ctx context.Context, user domain.UserID, decide func(now time.Time, wallet domain.Wallet) (domain.Wallet, error)) (domain.Wallet, error)
}
