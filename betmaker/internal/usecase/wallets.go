package usecase

import (
	"context"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Wallets manages the money and the limits of users. Its member is required.
type Wallets struct{ Store ports.Wallets }

// WalletStatus is a user's wallet at an instant of the store's clock.
type WalletStatus struct {
	UserID domain.UserID
	domain.Wallet
	At time.Time
}

// Wallet returns the wallet of a user; 0 stands for the actor. Errors: domain.ErrForbidden for
// another user's, unless the actor is an administrator; domain.ErrUserNotFound; those of the store.
func (w Wallets) Wallet(ctx context.Context, by domain.Actor, user domain.UserID) (WalletStatus, error) {
	if user == 0 {
		user = by.ID
	}
	if _, err := by.VisibleUser(user); err != nil {
		return WalletStatus{}, err
	}
	wallet, now, err := w.Store.Wallet(ctx, user)
	if err != nil {
		return WalletStatus{}, notFoundUser(user, err)
	}
	return WalletStatus{user, wallet, now}, nil
}

// Transfers returns a statement: up to limit transfers that match the filter, newest first. Without
// a user in the filter they are the actor's. Errors: domain.ErrForbidden for another user's, unless
// the actor is an administrator; those of the store.
func (w Wallets) Transfers(ctx context.Context, by domain.Actor, filter ports.TransferFilter, limit int) ([]domain.Transfer, error) {
	if filter.UserID == 0 {
		filter.UserID = by.ID
	}
	if _, err := by.VisibleUser(filter.UserID); err != nil {
		return nil, err
	}
	transfers, err := w.Store.Transfers(ctx, filter, limit)
	if err != nil {
		return nil, fmt.Errorf("list transfers of user %d: %w", filter.UserID, err)
	}
	return transfers, nil
}

// Pay moves money into or out of a user's wallet. It sets the payment's origin from by. A nil error
// means that there is a verdict: a transfer, which is durable, or a refusal. Errors:
// domain.ErrInvalidPayment, domain.ErrForbidden, domain.ErrUserNotFound, domain.ErrKeyReused; those
// of the store.
func (w Wallets) Pay(ctx context.Context, by domain.Caller, payment domain.Payment) (domain.PaymentDecision, error) {
	if err := payment.Validate(); err != nil {
		return domain.PaymentDecision{}, err
	}
	if err := by.RequireAdmin(); err != nil {
		return domain.PaymentDecision{}, err
	}
	payment.Origin = by.Origin()
	decision, err := w.Store.Pay(ctx, payment, func(set domain.PaymentSet) domain.PaymentDecision { return set.Decide(payment) })
	if err != nil {
		return domain.PaymentDecision{}, notFoundUser(payment.UserID, err)
	}
	return decision, decision.Err
}

// LimitStakes sets the actor's own stake limit for a day, zero for none, as domain.StakeLimit.Set
// does. Errors: those of the store.
func (w Wallets) LimitStakes(ctx context.Context, by domain.Actor, amount money.Amount) (WalletStatus, error) {
	return w.restrict(ctx, by, func(now time.Time, wallet domain.Wallet) (domain.Wallet, error) {
		wallet.StakeLimit = wallet.StakeLimit.Set(amount, now)
		return wallet, nil
	})
}

// Exclude excludes the actor from betting until the given instant, as domain.Wallet.Exclude does.
// Errors: domain.ErrInvalidExclusion, domain.ErrExclusionTooShort; those of the store.
func (w Wallets) Exclude(ctx context.Context, by domain.Actor, until time.Time) (WalletStatus, error) {
	return w.restrict(ctx, by, func(now time.Time, wallet domain.Wallet) (domain.Wallet, error) {
		return wallet.Exclude(until.UTC().Truncate(time.Microsecond), now)
	})
}

func (w Wallets) restrict(
	ctx context.Context, by domain.Actor, decide func(now time.Time, wallet domain.Wallet) (domain.Wallet, error),
) (WalletStatus, error) {
	status := WalletStatus{UserID: by.ID}
	wallet, err := w.Store.Restrict(ctx, by.ID, func(now time.Time, wallet domain.Wallet) (domain.Wallet, error) {
		status.At = now
		return decide(now, wallet)
	})
	if err != nil {
		return WalletStatus{}, notFoundUser(by.ID, withoutKey(err))
	}
	status.Wallet = wallet
	return status, nil
}
