package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"iter"
	"math"
	"slices"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Ledger implements ports.Ledger.
type Ledger struct{ db *database }

// Read implements ports.Ledger, page by page in one reading transaction.
func (l *Ledger) Read(ctx context.Context, reader ports.LedgerReader) error {
	return l.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		for _, read := range []func(context.Context, *sqlitedb.Queries, ports.LedgerReader) error{
			readTransfers, readWallets, readEvents, readBets,
		} {
			if err := read(ctx, q, reader); err != nil {
				return err
			}
		}
		return nil
	})
}

// beforeAll is a number before every id, also before those that only tampering can have made.
const beforeAll = math.MinInt64

// readTransfers goes along the transfers and the seals, both in order of id.
func readTransfers(ctx context.Context, q *sqlitedb.Queries, reader ports.LedgerReader) error {
	next, stop := iter.Pull2(paged(sqlitedb.Seal{ID: beforeAll}, func(last sqlitedb.Seal) ([]sqlitedb.Seal, error) {
		return q.SealsAfter(ctx, sqlitedb.SealsAfterParams{After: last.ID, AtMost: pageSize})
	}))
	defer stop()
	seals := chain{next: next}
	if err := seals.advance(); err != nil {
		return err
	}
	transfers := paged(sqlitedb.Transfer{ID: beforeAll}, func(last sqlitedb.Transfer) ([]sqlitedb.Transfer, error) {
		return q.TransfersAfter(ctx, sqlitedb.TransfersAfterParams{After: last.ID, AtMost: pageSize})
	})
	err := show(transfers, func(row sqlitedb.Transfer) error {
		if err := seals.show(reader, row.ID-1); err != nil {
			return err
		}
		return asItIs(reader.Transfer(transferFromRow(row)))
	})
	if err != nil {
		return err
	}
	return seals.show(reader, math.MaxInt64)
}

// chain is the seals, in order of id, as far as they have not been shown.
type chain struct {
	next func() (sqlitedb.Seal, error, bool)
	head sqlitedb.Seal // the first of them
	more bool          // there is a head
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
		if err := asItIs(reader.Seal(seal)); err != nil {
			return err
		}
		if err := c.advance(); err != nil {
			return err
		}
	}
	return nil
}

func readWallets(ctx context.Context, q *sqlitedb.Queries, reader ports.LedgerReader) error {
	wallets := paged(sqlitedb.Wallet{UserID: beforeAll}, func(last sqlitedb.Wallet) ([]sqlitedb.Wallet, error) {
		return q.WalletsAfter(ctx, sqlitedb.WalletsAfterParams{After: last.UserID, AtMost: pageSize})
	})
	return show(wallets, func(row sqlitedb.Wallet) error {
		return asItIs(reader.Wallet(domain.UserID(row.UserID), walletFromRow(row)))
	})
}

func readEvents(ctx context.Context, q *sqlitedb.Queries, reader ports.LedgerReader) error {
	first := sqlitedb.EventsAfterRow{Event: sqlitedb.Event{ID: beforeAll}}
	events := paged(first, func(last sqlitedb.EventsAfterRow) ([]sqlitedb.EventsAfterRow, error) {
		return q.EventsAfter(ctx, sqlitedb.EventsAfterParams{After: last.Event.ID, AtMost: pageSize})
	})
	return show(events, func(row sqlitedb.EventsAfterRow) error {
		event, err := eventFromRow(row.Event)
		if err != nil {
			return err
		}
		return asItIs(reader.Event(event, row.Event.SettledRevision, amountOrNil(row.Liability)))
	})
}

// readBets goes along the bets and the transfers for bets, both in order of bet.
func readBets(ctx context.Context, q *sqlitedb.Queries, reader ports.LedgerReader) error {
	next, stop := iter.Pull2(transfersByBet(ctx, q))
	defer stop()
	transfers := betTransfers{next: next}
	if err := transfers.advance(); err != nil {
		return err
	}
	bets := paged(sqlitedb.Bet{ID: beforeAll}, func(last sqlitedb.Bet) ([]sqlitedb.Bet, error) {
		return q.BetsAfter(ctx, sqlitedb.BetsAfterParams{After: last.ID, AtMost: pageSize})
	})
	err := show(bets, func(row sqlitedb.Bet) error {
		bet, err := betFromRow(row)
		if err != nil {
			return err
		}
		if err := transfers.showOrphans(reader, bet.ID-1); err != nil {
			return err
		}
		own, err := transfers.take(bet.ID)
		if err != nil {
			return err
		}
		return asItIs(reader.Bet(bet, own))
	})
	if err != nil {
		return err
	}
	return transfers.showOrphans(reader, math.MaxInt64)
}

// betTransfers is the transfers for bets, bet by bet, as far as they have not been taken.
type betTransfers struct {
	next func() ([]domain.Transfer, error, bool)
	head []domain.Transfer // those of the first bet; none at the end
}

func (t *betTransfers) advance() (err error) {
	t.head, err, _ = t.next()
	return err
}

// take returns the transfers of a bet, if they are the first.
func (t *betTransfers) take(bet domain.BetID) ([]domain.Transfer, error) {
	if len(t.head) == 0 || t.head[0].BetID != bet {
		return nil, nil
	}
	taken := t.head
	return taken, t.advance()
}

// showOrphans shows the transfers that are for bets up to a given one: none of these exists.
func (t *betTransfers) showOrphans(reader ports.LedgerReader, upTo domain.BetID) error {
	for len(t.head) > 0 && t.head[0].BetID <= upTo {
		bet := domain.Bet{ID: t.head[0].BetID}
		transfers, err := t.take(bet.ID)
		if err != nil {
			return err
		}
		if err := asItIs(reader.Bet(bet, transfers)); err != nil {
			return err
		}
	}
	return nil
}

// transfersByBet goes through the transfers that are for bets, those of one bet at a time, in
// order of id.
func transfersByBet(ctx context.Context, q *sqlitedb.Queries) iter.Seq2[[]domain.Transfer, error] {
	first := sqlitedb.Transfer{BetID: new(int64(beforeAll))}
	rows := paged(first, func(last sqlitedb.Transfer) ([]sqlitedb.Transfer, error) {
		return q.BetTransfersAfter(ctx, sqlitedb.BetTransfersAfterParams{
			BetID: *last.BetID, Revision: last.Revision, Debit: last.Debit, Credit: last.Credit, AtMost: pageSize,
		})
	})
	return func(yield func([]domain.Transfer, error) bool) {
		var transfers []domain.Transfer
		for row, err := range rows {
			if err != nil {
				yield(nil, err)
				return
			}
			transfer := transferFromRow(row)
			if len(transfers) > 0 && transfers[0].BetID != transfer.BetID {
				if !yield(inOrder(transfers), nil) {
					return
				}
				transfers = nil
			}
			transfers = append(transfers, transfer)
		}
		if len(transfers) > 0 {
			yield(inOrder(transfers), nil)
		}
	}
}

func inOrder(transfers []domain.Transfer) []domain.Transfer {
	slices.SortFunc(transfers, func(a, b domain.Transfer) int { return cmp.Compare(a.ID, b.ID) })
	return transfers
}

func show[Row any](rows iter.Seq2[Row, error], one func(Row) error) error {
	for row, err := range rows {
		if err != nil {
			return err
		}
		if err := one(row); err != nil {
			return err
		}
	}
	return nil
}

// Seal implements ports.Ledger. There is one writer, so that no transfer that is committed
// is followed by one with a smaller id: the seal is made before the turn to write is asked
// for, and written unless somebody else, in another process, has made one meanwhile.
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
		now, err := newestSeal(ctx, q)
		if err != nil || now.ID != newest.ID {
			newest = now
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

// unsealed returns the newest seal, and up to limit transfers that follow it.
func (l *Ledger) unsealed(ctx context.Context, limit int) (newest domain.Seal, transfers []domain.Transfer, err error) {
	err = l.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		if newest, err = newestSeal(ctx, q); err != nil {
			return err
		}
		rows, err := q.TransfersAfter(ctx, sqlitedb.TransfersAfterParams{After: int64(newest.Last), AtMost: int64(limit)})
		transfers = transfersFromRows(rows)
		return err
	})
	return newest, transfers, err
}

// newestSeal returns the newest seal; the zero Seal when there is none.
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
