package postgres

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/jackc/pgx/v5/pgtype"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/ports/ledgerwalk"
	"stavka.local/shared/money"
)

// ledgerPage is how many rows one statement reads. It bounds the statement's time and memory.
const ledgerPage = 1000

// beforeAll is lower than every id, including those that only tampering can have made.
const beforeAll = math.MinInt64

// Ledger implements ports.Ledger.
type Ledger struct {
	pool  *pool
	marks sealingMarks
}

// Read implements ports.Ledger.
func (l *Ledger) Read(ctx context.Context, reader ports.LedgerReader) error {
	err := l.pool.snapshot(ctx, func(query snapshotQuery) error { return ledgerwalk.Walk(ledgerPages(query), reader) })
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	return nil
}

func ledgerPages(query snapshotQuery) ledgerwalk.Ledger {
	return ledgerwalk.Ledger{
		Seals: paged(query, pgdb.Seal{ID: beforeAll}, func(ctx context.Context, q *pgdb.Queries, last pgdb.Seal) ([]pgdb.Seal, error) {
			return q.LedgerSeals(ctx, pgdb.LedgerSealsParams{After: last.ID, AtMost: ledgerPage})
		}, sealFromRow),
		Transfers: paged(query, pgdb.Transfer{ID: beforeAll}, func(ctx context.Context, q *pgdb.Queries, last pgdb.Transfer) ([]pgdb.Transfer, error) {
			return q.LedgerTransfers(ctx, pgdb.LedgerTransfersParams{After: last.ID, AtMost: ledgerPage})
		}, ledgerTransfer),
		Wallets: paged(query, pgdb.Wallet{UserID: beforeAll}, func(ctx context.Context, q *pgdb.Queries, last pgdb.Wallet) ([]pgdb.Wallet, error) {
			return q.LedgerWallets(ctx, pgdb.LedgerWalletsParams{After: last.UserID, AtMost: ledgerPage})
		}, ledgerWallet),
		Events: paged(query, pgdb.LedgerEventsRow{Event: pgdb.Event{ID: beforeAll}},
			func(ctx context.Context, q *pgdb.Queries, last pgdb.LedgerEventsRow) ([]pgdb.LedgerEventsRow, error) {
				return q.LedgerEvents(ctx, pgdb.LedgerEventsParams{After: last.Event.ID, AtMost: ledgerPage})
			}, ledgerEvent),
		Bets: paged(query, pgdb.Bet{ID: beforeAll}, func(ctx context.Context, q *pgdb.Queries, last pgdb.Bet) ([]pgdb.Bet, error) {
			return q.LedgerBets(ctx, pgdb.LedgerBetsParams{After: last.ID, AtMost: ledgerPage})
		}, betFromRow),
		BetTransfers: paged(query, pgdb.Transfer{BetID: pgtype.Int8{Int64: beforeAll}},
			func(ctx context.Context, q *pgdb.Queries, last pgdb.Transfer) ([]pgdb.Transfer, error) {
				return q.LedgerTransfersOfBets(ctx, pgdb.LedgerTransfersOfBetsParams{
					BetID: last.BetID.Int64, Revision: last.Revision, Debit: last.Debit, Credit: last.Credit, AtMost: ledgerPage,
				})
			}, ledgerTransfer),
	}
}

// paged returns the values of rows that fetch reads page by page, each page by a query of the snapshot.
func paged[Row, Value any](
	query snapshotQuery, before Row,
	fetch func(ctx context.Context, q *pgdb.Queries, last Row) ([]Row, error), valueOf func(Row) (Value, error),
) iter.Seq2[Value, error] {
	return ledgerwalk.Pages(ledgerPage, before, func(last Row) (rows []Row, err error) {
		err = query(func(ctx context.Context, q *pgdb.Queries) (err error) {
			rows, err = fetch(ctx, q, last)
			return err
		})
		return rows, err
	}, valueOf)
}

func ledgerTransfer(row pgdb.Transfer) (domain.Transfer, error) { return transferFromRow(row), nil }

func ledgerWallet(row pgdb.Wallet) (ledgerwalk.Wallet, error) {
	return ledgerwalk.Wallet{User: domain.UserID(row.UserID), Wallet: walletFromRow(row)}, nil
}

func ledgerEvent(row pgdb.LedgerEventsRow) (ledgerwalk.Event, error) {
	event, err := eventFromRow(row.Event)
	shown := ledgerwalk.Event{Event: event, Settled: row.Event.SettledRevision}
	if row.Liability.Valid {
		shown.Liability = new(money.FromMinor(row.Liability.Int64))
	}
	return shown, err
}
