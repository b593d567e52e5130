package ports

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/domain"
)

// TransferFilter selects transfers. Zero fields select all.
type TransferFilter struct {
	UserID domain.UserID
	Kind   domain.TransferKind
	BetID  domain.BetID
	// Before selects transfers with lower ids; zero starts at the newest.
	Before domain.TransferID
}

// Wallets stores the users' money.
type Wallets interface {
	// Wallet returns a user's wallet and the store's clock, or ErrNotFound.
	Wallet(ctx context.Context, user domain.UserID) (domain.Wallet, time.Time, error)

	// Transfers returns up to limit transfers, newest first.
	Transfers(ctx context.Context, filter TransferFilter, limit int) ([]domain.Transfer, error)

	// Pay decides a payment in one transaction. It locks the wallets of the payer and of the user,
	// ascending; reads the set, including the stored verdict for the key unless that is a refusal older
	// than domain.RefusalTTL; calls decide; and, if the decision is new, writes the verdict, the transfers,
	// the wallet and the audit record. It returns the decision, with the ids of its transfers, after it is
	// durable. It returns ErrNotFound for a user without a wallet. decide may be called more than once.
	Pay(ctx context.Context, payment domain.Payment, decide func(domain.PaymentSet) domain.PaymentDecision) (domain.PaymentDecision, error)

	// Restrict changes the restrictions of a user. It locks the wallet, calls decide with the clock and the
	// wallet, and writes StakeLimit and ExcludedUntil of the wallet that decide returns, and nothing else.
	// After it has returned, no bet is accepted that the restrictions forbid. decide may be called more
	// than once. Errors:
	//   - that of decide: nothing was written;
	//   - ErrNotFound.
	Restrict(ctx context.Context, user domain.UserID, decide func(now time.Time, wallet domain.Wallet) (domain.Wallet, error)) (domain.Wallet, error)
}
