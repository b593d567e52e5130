package postgres

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// ledgerPage is how many rows are read at once, so that no statement takes long and little
// is in memory.
const ledgerPage = 1000

// Ledger implements ports.Ledger.
type Ledger struct {
	pool  *pool
	marks sealingMarks
}

// Read implements ports.Ledger.
func (l *Ledger) Read(ctx context.Context, reader ports.LedgerReader) error {
	err := l.pool.snapshot(ctx, func(query snapshotQuery) error {
		for _, read := range []func(snapshotQuery, ports.LedgerReader) error{
			readTransfers, readWallets, readEvents, readBets,
		} {
			if err := read(query, reader); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	return nil
}

// readTransfers walks transfers and seals side by side.
func readTransfers(query snapshotQuery, reader ports.LedgerReader) error {
	next, stop := iter.Pull2(allSeals(query))
	defer stop()
	seals := chain{next: next}
	if err := seals.advance(); err != nil {
		return err
	}
	rows := inPages(query, func(ctx context.Context, q *pgdb.Queries, last *pgdb.Transfer) ([]pgdb.Transfer, error) {
		after := int64(math.MinInt64)
		if last != nil {
			after = last.ID
		}
		return q.LedgerTransfers(ctx, pgdb.LedgerTransfersParams{After: after, AtMost: ledgerPage})
	})
	err := forEach(rows, func(row pgdb.Transfer) error {
		if err := seals.show(reader, row.ID-1); err != nil {
			return err
		}
		return reader.Transfer(transferFromRow(row))
	})
	if err != nil {
		return err
	}
	return seals.show(reader, math.MaxInt64)
}

func allSeals(query snapshotQuery) iter.Seq2[pgdb.Seal, error] {
	return inPages(query, func(ctx context.Context, q *pgdb.Queries, last *pgdb.Seal) ([]pgdb.Seal, error) {
		after := int64(math.MinInt64)
		if last != nil {
			after = last.ID
		}
		return q.LedgerSeals(ctx, pgdb.LedgerSealsParams{After: after, AtMost: ledgerPage})
	})
}

// chain goes through all seals, in order of id.
type chain struct {
	next func() (pgdb.Seal, error, bool)
	head pgdb.Seal // the first that has not been shown
	more bool      // there is a head
}

func (c *chain) advance() (err error) {
	c.head, err, c.more = c.next()
	return err
}

// show shows the seals up to the first that reaches beyond a given transfer.
func (c *chain) show(reader ports.LedgerReader, upTo int64) error {
	for c.more && c.head.LastTransfer <= upTo {
		seal, err := sealFromRow(c.head)
		if err != nil {
			return err
		}
		if err := reader.Seal(seal); err != nil {
			return err
		}
		if err := c.advance(); err != nil {
			return err
		}
	}
	return nil
}

func readWallets(query snapshotQuery, reader ports.LedgerReader) error {
	rows := inPages(query, func(ctx context.Context, q *pgdb.Queries, last *pgdb.Wallet) ([]pgdb.Wallet, error) {
		after := int64(math.MinInt64)
		if last != nil {
			after = last.UserID
		}
		return q.LedgerWallets(ctx, pgdb.LedgerWalletsParams{After: after, AtMost: ledgerPage})
	})
	return forEach(rows, func(row pgdb.Wallet) error { return reader.Wallet(domain.UserID(row.UserID), walletFromRow(row)) })
}

func readEvents(query snapshotQuery, reader ports.LedgerReader) error {
	rows := inPages(query, func(ctx context.Context, q *pgdb.Queries, last *pgdb.LedgerEventsRow) ([]pgdb.LedgerEventsRow, error) {
		after := int64(math.MinInt64)
		if last != nil {
			after = last.Event.ID
		}
		return q.LedgerEvents(ctx, pgdb.LedgerEventsParams{After: after, AtMost: ledgerPage})
	})
	return forEach(rows, func(row pgdb.LedgerEventsRow) error {
		event, err := eventFromRow(row.Event)
		if err != nil {
			return err
		}
		var liability *money.Amount
		if row.Liability != nil {
			amount := money.FromMinor(*row.Liability)
			liability = &amount
		}
		return reader.Event(event, row.Event.SettledRevision, liability)
	})
}

// readBets walks bets and their transfers side by side.
func readBets(query snapshotQuery, reader ports.LedgerReader) error {
	next, stop := iter.Pull2(transfersOfBets(query))
	defer stop()
	transfers := transfersByBet{next: next}
	if err := transfers.advance(); err != nil {
		return err
	}
	rows := inPages(query, func(ctx context.Context, q *pgdb.Queries, last *pgdb.Bet) ([]pgdb.Bet, error) {
		after := int64(math.MinInt64)
		if last != nil {
			after = last.ID
		}
		return q.LedgerBets(ctx, pgdb.LedgerBetsParams{After: after, AtMost: ledgerPage})
	})
	err := forEach(rows, func(row pgdb.Bet) error {
		bet, err := betFromRow(row)
		if err != nil {
			return err
		}
		if err := transfers.showOrphans(reader, func(id domain.BetID) bool { return id < bet.ID }); err != nil {
			return err
		}
		its, err := transfers.of(bet.ID)
		if err != nil {
			return err
		}
		return reader.Bet(bet, its)
	})
	if err != nil {
		return err
	}
	return transfers.showOrphans(reader, func(domain.BetID) bool { return true })
}

func transfersOfBets(query snapshotQuery) iter.Seq2[pgdb.Transfer, error] {
	return inPages(query, func(ctx context.Context, q *pgdb.Queries, last *pgdb.Transfer) ([]pgdb.Transfer, error) {
		after := pgdb.LedgerTransfersOfBetsParams{BetID: math.MinInt64, Revision: math.MinInt64, AtMost: ledgerPage}
		if last != nil {
			after.BetID, after.Revision, after.Debit, after.Credit = *last.BetID, last.Revision, last.Debit, last.Credit
		}
		return q.LedgerTransfersOfBets(ctx, after)
	})
}

// transfersByBet goes through the transfers of all bets, in order of the bets.
type transfersByBet struct {
	next func() (pgdb.Transfer, error, bool)
	head domain.Transfer // the first that has not been taken
	more bool            // there is a head
}

func (t *transfersByBet) advance() error {
	row, err, more := t.next()
	t.head, t.more = transferFromRow(row), more
	return err
}

// of takes the transfers of a bet, if it is the head's, and returns them in order of id.
func (t *transfersByBet) of(bet domain.BetID) (transfers []domain.Transfer, err error) {
	for t.more && t.head.BetID == bet {
		transfers = append(transfers, t.head)
		if err := t.advance(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(transfers, func(a, b domain.Transfer) int { return cmp.Compare(a.ID, b.ID) })
	return transfers, nil
}

// showOrphans takes the transfers of bets that do not exist, as long as those are among
// what belongs to.
func (t *transfersByBet) showOrphans(reader ports.LedgerReader, among func(domain.BetID) bool) error {
	for t.more && among(t.head.BetID) {
		missing := t.head.BetID
		transfers, err := t.of(missing)
		if err != nil {
			return err
		}
		if err := reader.Bet(domain.Bet{ID: missing}, transfers); err != nil {
			return err
		}
	}
	return nil
}

// inPages goes through the rows that fetch returns, at most ledgerPage at a time, after the
// last row of the page before; nil for the first page. An error ends it.
func inPages[Row any](
	query snapshotQuery, fetch func(ctx context.Context, q *pgdb.Queries, last *Row) ([]Row, error),
) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for last := (*Row)(nil); ; {
			var page []Row
			err := query(func(ctx context.Context, q *pgdb.Queries) (err error) {
				page, err = fetch(ctx, q, last)
				return err
			})
			if err != nil {
				yield(*new(Row), err)
				return
			}
			for _, row := range page {
				if !yield(row, nil) {
					return
				}
			}
			if len(page) < ledgerPage {
				return
			}
			last = &page[len(page)-1]
		}
	}
}

func forEach[Row any](rows iter.Seq2[Row, error], do func(Row) error) error {
	for row, err := range rows {
		if err != nil {
			return err
		}
		if err := do(row); err != nil {
			return err
		}
	}
	return nil
}
