package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"math"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/ports/ledgerwalk"
	"stavka.local/shared/money"
)

// Ledger implements ports.Ledger.
type Ledger struct{ db *database }

// Read implements ports.Ledger. It reads page by page, in one transaction.
func (l *Ledger) Read(ctx context.Context, reader ports.LedgerReader) error {
	return l.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		return ledgerwalk.Walk(ledgerPages(ctx, q), callersReader{reader})
	})
}

// beforeAll is lower than every id, including those that only tampering can have made.
const beforeAll = math.MinInt64

// pageSize is how many rows are held in memory at a time where their number has no bound.
const pageSize = 1000

func paged[Row, Value any](
	before Row, fetch func(last Row) ([]Row, error), valueOf func(Row) (Value, error),
) iter.Seq2[Value, error] {
	return ledgerwalk.Pages(pageSize, before, fetch, valueOf)
}

func ledgerPages(ctx context.Context, q *sqlitedb.Queries) ledgerwalk.Ledger {
	return ledgerwalk.Ledger{
		Seals: paged(sqlitedb.Seal{ID: beforeAll}, func(last sqlitedb.Seal) ([]sqlitedb.Seal, error) {
			return q.LedgerSeals(ctx, sqlitedb.LedgerSealsParams{After: last.ID, AtMost: pageSize})
		}, sealFromRow),
		Transfers: paged(sqlitedb.Transfer{ID: beforeAll}, func(last sqlitedb.Transfer) ([]sqlitedb.Transfer, error) {
			return q.LedgerTransfers(ctx, sqlitedb.LedgerTransfersParams{After: last.ID, AtMost: pageSize})
		}, ledgerTransfer),
		Wallets: paged(sqlitedb.Wallet{UserID: beforeAll}, func(last sqlitedb.Wallet) ([]sqlitedb.Wallet, error) {
			return q.LedgerWallets(ctx, sqlitedb.LedgerWalletsParams{After: last.UserID, AtMost: pageSize})
		}, ledgerWallet),
		Events: paged(sqlitedb.LedgerEventsRow{Event: sqlitedb.Event{ID: beforeAll}}, func(last sqlitedb.LedgerEventsRow) ([]sqlitedb.LedgerEventsRow, error) {
			return q.LedgerEvents(ctx, sqlitedb.LedgerEventsParams{After: last.Event.ID, AtMost: pageSize})
		}, ledgerEvent),
		Bets: paged(sqlitedb.Bet{ID: beforeAll}, func(last sqlitedb.Bet) ([]sqlitedb.Bet, error) {
			return q.LedgerBets(ctx, sqlitedb.LedgerBetsParams{After: last.ID, AtMost: pageSize})
		}, betFromRow),
		BetTransfers: paged(sqlitedb.Transfer{BetID: new(int64(beforeAll))}, func(last sqlitedb.Transfer) ([]sqlitedb.Transfer, error) {
			return q.LedgerTransfersOfBets(ctx, sqlitedb.LedgerTransfersOfBetsParams{
				BetID: *last.BetID, Revision: last.Revision, Debit: last.Debit, Credit: last.Credit, AtMost: pageSize,
			})
		}, ledgerTransfer),
	}
}

func ledgerTransfer(row sqlitedb.Transfer) (domain.Transfer, error) { return transferFromRow(row), nil }

func ledgerWallet(row sqlitedb.Wallet) (ledgerwalk.Wallet, error) {
	return ledgerwalk.Wallet{User: domain.UserID(row.UserID), Wallet: walletFromRow(row)}, nil
}

func ledgerEvent(row sqlitedb.LedgerEventsRow) (ledgerwalk.Event, error) {
	event, err := eventFromRow(row.Event)
	return ledgerwalk.Event{Event: event, Settled: row.Event.SettledRevision, Liability: amountOrNil(row.Liability)}, err
}

// callersReader marks the errors of a reader as the caller's.
type callersReader struct{ reader ports.LedgerReader }

func (c callersReader) Seal(s domain.Seal) error { return asItIs(c.reader.Seal(s)) }

func (c callersReader) Transfer(t domain.Transfer) error { return asItIs(c.reader.Transfer(t)) }

func (c callersReader) Wallet(user domain.UserID, w domain.Wallet) error {
	return asItIs(c.reader.Wallet(user, w))
}

func (c callersReader) Event(e domain.Event, settled int64, liability *money.Amount) error {
	return asItIs(c.reader.Event(e, settled, liability))
}

func (c callersReader) Bet(b domain.Bet, transfers []domain.Transfer) error {
	return asItIs(c.reader.Bet(b, transfers))
}

// Seal implements ports.Ledger. There is one writer, so no transfer is committed after one with a
// higher id. The seal is computed before the writing transaction begins. It is not written if another
// process has sealed in the meantime.
func (l *Ledger) Seal(
	ctx context.Context, limit int, seal func(newest domain.Seal, transfers []domain.Transfer, now time.Time) domain.Seal,
) (domain.Seal, bool, error) {
	newest, transfers, err := l.unsealed(ctx, limit)
	if err != nil || len(transfers) == 0 {
		return newest, false, err
	}
	made := seal(newest, transfers, l.db.clock.now())
	written := false
	err = l.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		current, err := newestSeal(ctx, q)
		if err != nil || current.ID != newest.ID {
			newest = current
			return err
		}
		written = true
		return q.InsertSeal(ctx, sealToRow(made))
	})
	switch {
	case err != nil:
		return domain.Seal{}, false, err
	case !written:
		return newest, true, nil
	}
	return made, len(transfers) == limit, nil
}

// unsealed returns the newest seal and up to limit transfers that follow it.
func (l *Ledger) unsealed(ctx context.Context, limit int) (newest domain.Seal, transfers []domain.Transfer, err error) {
	err = l.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		if newest, err = newestSeal(ctx, q); err != nil {
			return err
		}
		rows, err := q.LedgerTransfers(ctx, sqlitedb.LedgerTransfersParams{After: int64(newest.Last), AtMost: int64(limit)})
		transfers = transfersFromRows(rows)
		return err
	})
	return newest, transfers, err
}

// newestSeal returns the newest seal, or the zero Seal.
func newestSeal(ctx context.Context, q *sqlitedb.Queries) (domain.Seal, error) {
	row, err := q.NewestSeal(ctx)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return domain.Seal{}, nil
	case err != nil:
		return domain.Seal{}, err
	}
	return sealFromRow(row)
}
