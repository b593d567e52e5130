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

// listTransfers reads by the most selective index that the filter allows.
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

// Pay implements ports.Wallets. ctx bounds only the wait for a connection.
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
	query(tx, (*pgdb.Queries).LockWallets, ascending([]int64{int64(payment.By), int64(payment.UserID)}), &wallets)
	if key := payment.IdempotencyKey; key != "" {
		operation := int16(payment.Operation())
		query(tx, (*pgdb.Queries).StoredPayment, pgdb.StoredPaymentParams{
			UserID: int64(payment.By), Operation: operation, Key: key, RefusalsLast: domain.RefusalTTL,
		}, &verdicts)
		query(tx, (*pgdb.Queries).StoredPaymentTransfer, pgdb.StoredPaymentTransferParams{
			UserID: int64(payment.By), Operation: operation, Key: key,
		}, &transfers)
	}
	queryPlain(tx, (*pgdb.Queries).Clock, &now)
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

// writePayment writes a new decision and sets the ids of its transfers.
func writePayment(ctx context.Context, tx *transaction, payment domain.Payment, decision *domain.PaymentDecision, now time.Time) error {
	if len(decision.Transfers) > 0 {
		var ids []int64
		queueTransfers(tx, decision.Transfers, &ids)
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
		exec(tx, (*pgdb.Queries).InsertPayment, pgdb.InsertPaymentParams{
			UserID:      int64(payment.By),
			Operation:   int16(payment.Operation()),
			Key:         key,
			Fingerprint: decision.Fingerprint[:],
			TransferID:  int64(decision.Transfer.ID),
			Refusal:     int16(decision.Refusal.Code),
			Params:      params,
			RequestID:   decision.RequestID,
			DecidedAt:   now,
		})
	}
	return tx.commit(ctx)
}

// Restrict implements ports.Wallets. ctx bounds only the wait for a connection.
func (w *Wallets) Restrict(
	ctx context.Context, user domain.UserID, decide func(now time.Time, wallet domain.Wallet) (domain.Wallet, error),
) (domain.Wallet, error) {
	var restricted pgdb.Wallet
	err := w.pool.transact(ctx, func(ctx context.Context, tx *transaction) error {
		var (
			row pgdb.Wallet
			now time.Time
		)
		query(tx, (*pgdb.Queries).LockWallet, int64(user), &row)
		queryPlain(tx, (*pgdb.Queries).Clock, &now)
		if err := tx.exchange(ctx); err != nil {
			return err
		}
		next, err := decide(now, walletFromRow(row))
		if err != nil {
			return err
		}
		query(tx, (*pgdb.Queries).RestrictWallet, pgdb.RestrictWalletParams{
			UserID:           int64(user),
			StakeLimit:       next.StakeLimit.Amount.Minor(),
			NextStakeLimit:   next.StakeLimit.Next.Minor(),
			NextStakeLimitAt: timeOrNull(next.StakeLimit.NextAt),
			ExcludedUntil:    timeOrNull(next.ExcludedUntil),
		}, &restricted)
		return tx.commit(ctx)
	})
	if err != nil {
		return domain.Wallet{}, err
	}
	return walletFromRow(restricted), nil
}
