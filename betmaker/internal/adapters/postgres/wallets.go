package postgres

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Wallets implements ports.Wallets.
type Wallets struct{ pool *pool }

// Wallet implements ports.Wallets.
func (w *Wallets) Wallet(ctx context.Context, user domain.UserID) (wallet domain.Wallet, now time.Time, err error) {
	err = w.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		row, err := q.WalletByUser(ctx, int64(user))
		wallet, now = walletFromRow(row.Wallet), row.Now
		return err
	})
	if err != nil {
		return domain.Wallet{}, time.Time{}, err
	}
	return wallet, now, nil
}

// Transfers implements ports.Wallets.
func (w *Wallets) Transfers(ctx context.Context, filter ports.TransferFilter, limit int) (transfers []domain.Transfer, err error) {
	err = w.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := listTransfers(ctx, q, filter, limit)
		transfers = transfersFromRows(rows)
		return err
	})
	return transfers, err
}

// listTransfers walks the index of what is looked for, the most telling first.
func listTransfers(ctx context.Context, q *pgdb.Queries, filter ports.TransferFilter, limit int) ([]pgdb.Transfer, error) {
	user, kind, before := int64(filter.UserID), int16(filter.Kind), int64(filter.Before)
	if before == 0 {
		before = math.MaxInt64
	}
	switch {
	case filter.BetID != 0:
		rows, err := q.ListTransfersOfBet(ctx, pgdb.ListTransfersOfBetParams{
			BetID: int64(filter.BetID), Before: before, UserID: user, Kind: kind,
		})
		return rows[:min(limit, len(rows))], err
	case user != 0:
		rows, err := q.ListTransfersOfUser(ctx, pgdb.ListTransfersOfUserParams{UserID: user, Before: before, Kind: kind, AtMost: limit32(limit)})
		slices.SortFunc(rows, func(a, b pgdb.Transfer) int { return cmp.Compare(b.ID, a.ID) })
		return rows[:min(limit, len(rows))], err
	default:
		return q.ListTransfers(ctx, pgdb.ListTransfersParams{Before: before, Kind: kind, AtMost: limit32(limit)})
	}
}

// Pay implements ports.Wallets. Once a connection has been got, it goes to its end
// whatever becomes of ctx.
func (w *Wallets) Pay(
	ctx context.Context, payment domain.Payment, decide func(domain.PaymentSet) domain.PaymentDecision,
) (decision domain.PaymentDecision, err error) {
	err = w.pool.transact(ctx, func(ctx context.Context, tx *transaction) error {
		set, err := lockPaymentSet(ctx, tx, payment)
		if err != nil {
			return err
		}
		decision = decide(set)
		if !decision.IsNew() {
			return nil
		}
		return writePayment(ctx, tx, payment, &decision, set.Now)
	})
	if err != nil {
		return domain.PaymentDecision{}, fmt.Errorf("pay %s for user %d: %w", payment.Kind, payment.UserID, err)
	}
	return decision, nil
}

func lockPaymentSet(ctx context.Context, tx *transaction, payment domain.Payment) (domain.PaymentSet, error) {
	var (
		wallets   []pgdb.Wallet
		verdicts  []pgdb.Verdict
		transfers []pgdb.Transfer
		now       time.Time
	)
	tx.query(all(&wallets), pgdb.LockWallets, ascending([]int64{int64(payment.By), int64(payment.UserID)}))
	if key := payment.IdempotencyKey; key != "" {
		operation := int16(payment.Operation())
		tx.query(all(&verdicts), pgdb.StoredPayment, int64(payment.By), operation, key, domain.RefusalTTL)
		tx.query(all(&transfers), pgdb.StoredPaymentTransfer, int64(payment.By), operation, key)
	}
	tx.query(scalar(&now), pgdb.Clock)
	if err := tx.exchange(ctx); err != nil {
		return domain.PaymentSet{}, err
	}
	wallet, ok := walletsFromRows(wallets)[payment.UserID]
	if !ok {
		return domain.PaymentSet{}, ports.ErrNotFound
	}
	set := domain.PaymentSet{Now: now, Wallet: wallet}
	if len(verdicts) > 0 {
		verdict, err := paymentVerdictFromRow(verdicts[0], transfers)
		if err != nil {
			return domain.PaymentSet{}, err
		}
		set.Verdict = &verdict
	}
	return set, nil
}

// writePayment writes a new decision, and gives its transfers the ids that they get.
func writePayment(ctx context.Context, tx *transaction, payment domain.Payment, decision *domain.PaymentDecision, now time.Time) error {
	if len(decision.Transfers) > 0 {
		var ids []int64
		queueTransfers(tx, column(&ids), decision.Transfers)
		if err := tx.exchange(ctx); err != nil {
			return err
		}
		for i, id := range ids {
			decision.Transfers[i].ID = domain.TransferID(id)
		}
		decision.Transfer = decision.Transfers[0]
		queueWallets(tx, []domain.UserID{payment.UserID}, map[domain.UserID]domain.Wallet{payment.UserID: decision.Wallet})
		queueAuditRecord(tx, decision.Audit, now)
	}
	if key := payment.IdempotencyKey; key != "" {
		params, err := refusalToJSON(decision.Refusal)
		if err != nil {
			return err
		}
		tx.exec(pgdb.InsertPayment, int64(payment.By), int16(payment.Operation()), key, decision.Fingerprint[:],
			int64(decision.Transfer.ID), int16(decision.Refusal.Code), params, decision.RequestID, now)
	}
	return tx.commit(ctx)
}

// Restrict implements ports.Wallets. Once a connection has been got, it goes to its end
// whatever becomes of ctx.
func (w *Wallets) Restrict(
	ctx context.Context, user domain.UserID, decide func(now time.Time, wallet domain.Wallet) (domain.Wallet, error),
) (domain.Wallet, error) {
	var restricted pgdb.Wallet
	err := w.pool.transact(ctx, func(ctx context.Context, tx *transaction) error {
		var (
			row pgdb.Wallet
			now time.Time
		)
		tx.query(one(&row), pgdb.LockWallet, int64(user))
		tx.query(scalar(&now), pgdb.Clock)
		if err := tx.exchange(ctx); err != nil {
			return err
		}
		next, err := decide(now, walletFromRow(row))
		if err != nil {
			return err
		}
		limit := next.StakeLimit
		tx.query(one(&restricted), pgdb.RestrictWallet, limit.Amount.Minor(), limit.Next.Minor(), timeOrNull(limit.NextAt),
			timeOrNull(next.ExcludedUntil), int64(user))
		return tx.commit(ctx)
	})
	if err != nil {
		return domain.Wallet{}, err
	}
	return walletFromRow(restricted), nil
}
