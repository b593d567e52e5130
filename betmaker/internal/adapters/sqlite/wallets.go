package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Wallets implements ports.Wallets.
type Wallets struct{ db *database }

// Wallet implements ports.Wallets.
func (w *Wallets) Wallet(ctx context.Context, user domain.UserID) (wallet domain.Wallet, now time.Time, err error) {
	err = w.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) (err error) {
		wallet, err = walletOf(ctx, q, user)
		now = w.db.clock.now()
		return err
	})
	return wallet, now, err
}

func walletOf(ctx context.Context, q *sqlitedb.Queries, user domain.UserID) (domain.Wallet, error) {
	row, err := q.WalletByUser(ctx, int64(user))
	return walletFromRow(row), err
}

func walletsOf(ctx context.Context, q *sqlitedb.Queries, users []domain.UserID) (map[domain.UserID]domain.Wallet, error) {
	rows, err := q.Wallets(ctx, list(users))
	return walletsFromRows(rows), err
}

func walletsFromRows(rows []sqlitedb.Wallet) map[domain.UserID]domain.Wallet {
	wallets := make(map[domain.UserID]domain.Wallet, len(rows))
	for _, row := range rows {
		wallets[domain.UserID(row.UserID)] = walletFromRow(row)
	}
	return wallets
}

// writeTransfers writes transfers and returns them with their ids.
func writeTransfers(ctx context.Context, q *sqlitedb.Queries, transfers []domain.Transfer) ([]domain.Transfer, error) {
	written := slices.Clone(transfers)
	for i, transfer := range transfers {
		id, err := q.InsertTransfer(ctx, transferToRow(transfer))
		if err != nil {
			return nil, err
		}
		written[i].ID = domain.TransferID(id)
	}
	return written, nil
}

// Transfers implements ports.Wallets.
func (w *Wallets) Transfers(ctx context.Context, filter ports.TransferFilter, limit int) (transfers []domain.Transfer, err error) {
	err = w.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		rows, err := listTransfers(ctx, q, filter, int64(limit))
		transfers = transfersFromRows(rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	if filter.BetID != 0 {
		slices.SortFunc(transfers, func(a, b domain.Transfer) int { return cmp.Compare(b.ID, a.ID) })
		transfers = transfers[:min(limit, len(transfers))]
	}
	return transfers, nil
}

func listTransfers(ctx context.Context, q *sqlitedb.Queries, filter ports.TransferFilter, limit int64) ([]sqlitedb.Transfer, error) {
	user, kind, before := int64(filter.UserID), int64(filter.Kind), int64(filter.Before)
	if before == 0 {
		before = math.MaxInt64
	}
	switch {
	case filter.BetID != 0:
		return q.ListTransfersOfBet(ctx, sqlitedb.ListTransfersOfBetParams{
			BetID: new(int64(filter.BetID)), UserID: user, Kind: kind, Before: before,
		})
	case user != 0:
		return q.ListTransfersOfUser(ctx, sqlitedb.ListTransfersOfUserParams{UserID: user, Kind: kind, Before: before, AtMost: limit})
	default:
		return q.ListTransfers(ctx, sqlitedb.ListTransfersParams{Kind: kind, Before: before, AtMost: limit})
	}
}

// Pay implements ports.Wallets.
func (w *Wallets) Pay(
	ctx context.Context, payment domain.Payment, decide func(domain.PaymentSet) domain.PaymentDecision,
) (decision domain.PaymentDecision, err error) {
	err = w.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		set, err := paymentSet(ctx, q, payment, w.db.clock.now())
		if err != nil {
			return err
		}
		decision = decide(set)
		if !decision.IsNew() {
			return nil
		}
		decision, err = writePayment(ctx, q, payment, decision, set.Now)
		return err
	})
	if err != nil {
		return domain.PaymentDecision{}, fmt.Errorf("%s of user %d: %w", payment.Kind, payment.UserID, err)
	}
	return decision, nil
}

func paymentSet(ctx context.Context, q *sqlitedb.Queries, payment domain.Payment, now time.Time) (domain.PaymentSet, error) {
	set := domain.PaymentSet{Now: now}
	var err error
	if set.Wallet, err = walletOf(ctx, q, payment.UserID); err != nil || payment.IdempotencyKey == "" {
		return set, err
	}
	set.Verdict, err = storedPayment(ctx, q, keyOfPayment(payment), now)
	return set, err
}

// storedPayment returns the stored verdict for a payment's key, or nil.
func storedPayment(ctx context.Context, q *sqlitedb.Queries, key verdictKey, now time.Time) (*domain.PaymentVerdict, error) {
	row, err := storedVerdictRow(ctx, q, key, now)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	verdict, err := paymentVerdictFromRow(row)
	if err != nil || row.TransferID == nil {
		return &verdict, err
	}
	transfer, err := q.TransferByID(ctx, *row.TransferID)
	verdict.Transfer = transferFromRow(transfer)
	return &verdict, err
}

// writePayment writes a new decision and returns it with the ids of its transfers.
func writePayment(
	ctx context.Context, q *sqlitedb.Queries, payment domain.Payment, decision domain.PaymentDecision, now time.Time,
) (domain.PaymentDecision, error) {
	var err error
	if decision.Transfers, err = writeTransfers(ctx, q, decision.Transfers); err != nil {
		return decision, err
	}
	if len(decision.Transfers) > 0 {
		decision.Transfer = decision.Transfers[0]
		if err := q.WriteMoney(ctx, walletToRow(payment.UserID, decision.Wallet)); err != nil {
			return decision, err
		}
		if err := writeAudit(ctx, q, &decision.Audit, now); err != nil {
			return decision, err
		}
	}
	if payment.IdempotencyKey == "" {
		return decision, nil
	}
	row, err := paymentVerdictToRow(keyOfPayment(payment), decision.PaymentVerdict, now)
	if err != nil {
		return decision, err
	}
	return decision, q.InsertVerdict(ctx, row)
}

// Restrict implements ports.Wallets.
func (w *Wallets) Restrict(
	ctx context.Context, user domain.UserID, decide func(now time.Time, wallet domain.Wallet) (domain.Wallet, error),
) (wallet domain.Wallet, err error) {
	err = w.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		before, err := walletOf(ctx, q, user)
		if err != nil {
			return err
		}
		next, err := decide(w.db.clock.now(), before)
		if err != nil {
			return asItIs(err)
		}
		if err := q.RestrictWallet(ctx, restrictionsToRow(user, next)); err != nil {
			return err
		}
		wallet, err = walletOf(ctx, q, user)
		return err
	})
	if err != nil {
		return domain.Wallet{}, err
	}
	return wallet, nil
}
