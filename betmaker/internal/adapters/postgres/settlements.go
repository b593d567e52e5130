package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/crashpoint"
)

// Settlements implements ports.Settlements.
type Settlements struct {
	pool, rest *pool
	share      share
}

// share is one of so many ranges of the ids of users; the zero share is all of them.
type share struct{ index, of int }

// Shares returns n Settlements that settle, each, only the bets of its share of the users,
// and so do not wait for each other's wallets. The shares of an event are equally wide ranges of
// the ids between the lowest and the highest user with bets on it; how many bets are in each
// depends on who bets. Who begins to bet on it meanwhile may move the ranges, so that a bet is in
// two of them, which settles it once all the same, or in none, as FinishSettling will tell.
func (s *Settlements) Shares(n int) []ports.Settlements {
	shares := make([]ports.Settlements, n)
	for i := range shares {
		shares[i] = &Settlements{s.pool, s.rest, share{i, n}}
	}
	return shares
}

// SettleChunk implements ports.Settlements, in four round trips. Once a connection has
// been got, it goes to its end whatever becomes of ctx.
func (s *Settlements) SettleChunk(
	ctx context.Context, event domain.EventID, after domain.BetID, limit int, decide func(*domain.Settling) []domain.Settled,
) (chunk ports.Chunk, err error) {
	err = s.pool.transact(ctx, func(ctx context.Context, tx *transaction) error {
		var err error
		chunk, err = s.settleChunk(ctx, tx, event, after, limit, decide)
		return err
	})
	if err != nil {
		return ports.Chunk{}, fmt.Errorf("settle bets of event %d: %w", event, err)
	}
	return chunk, nil
}

func (s *Settlements) settleChunk(
	ctx context.Context, tx *transaction, event domain.EventID, after domain.BetID, limit int,
	decide func(*domain.Settling) []domain.Settled,
) (ports.Chunk, error) {
	done := ports.Chunk{Last: after}
	bets, tids, err := s.lockBetsBehind(ctx, tx, event, after, limit)
	if err != nil || len(bets) == 0 {
		return done, err
	}
	set, err := lockWalletsOf(ctx, tx, bets)
	if err != nil || !set.Event.IsSettleable() {
		return done, err
	}
	crashpoint.Hit("settle.locked")
	wallets := maps.Clone(set.Wallets)
	settled := decide(set)
	if len(settled) != len(bets) {
		return done, fmt.Errorf("%d settlements of %d bets", len(settled), len(bets))
	}
	crashpoint.Hit("settle.decided")
	chunk := ports.Chunk{Settled: len(bets), Last: bets[len(bets)-1].ID, More: len(bets) == limit}
	for i, bet := range bets {
		if settled[i].Settlement != bet.Settlement {
			chunk.Changed++
		}
	}
	if err := writeSettled(ctx, tx, set, tids, settled, wallets); err != nil {
		return done, err
	}
	crashpoint.Hit("settle.written")
	if err := tx.commit(ctx); err != nil {
		return done, err
	}
	crashpoint.Hit("settle.committed")
	return chunk, nil
}

// writeSettled writes what has become of bets. It is sent apart from the commit: a bet
// whose revision is not raised is not settled, and then nothing may be.
func writeSettled(
	ctx context.Context, tx *transaction, set *domain.Settling, tids []pgtype.TID, settled []domain.Settled,
	before map[domain.UserID]domain.Wallet,
) error {
	var written int64
	p := settlementsToArrays(set.Bets, settled)
	tx.query(affected(&written), pgdb.SettleBets, tids, p.Ids, p.Statuses, p.Payouts, p.VoidReasons, p.SettleRevisions, p.SettledAt)
	queueMoney(tx, set, settled, before)
	if err := tx.exchange(ctx); err != nil {
		return err
	}
	if written != int64(len(set.Bets)) {
		return fmt.Errorf("only %d of %d settlements raise the bets' revisions", written, len(set.Bets))
	}
	return nil
}

// queueMoney queues the writing of the transfers that go with settlements, of the wallets
// whose money they changed, and of the event's liability.
func queueMoney(tx *transaction, set *domain.Settling, settled []domain.Settled, before map[domain.UserID]domain.Wallet) {
	transfers, users := make([]domain.Transfer, 0, 2*len(settled)), make([]domain.UserID, 0, len(set.Wallets))
	for _, s := range settled {
		transfers = append(transfers, s.Transfers...)
	}
	for user, wallet := range set.Wallets {
		if !wallet.HasSameMoney(before[user]) {
			users = append(users, user)
		}
	}
	queueBetTransfers(tx, transfers, set.Now)
	queueWallets(tx, ascending(users), set.Wallets)
	if change := set.LiabilityChange(settled); !change.IsZero() {
		tx.exec(pgdb.LockLiabilityAgainstMaking, int64(set.Event.ID))
		tx.exec(pgdb.ChangeLiability, change.Minor(), int64(set.Event.ID))
	}
}

// queueBetTransfers queues the writing of transfers that settle bets. Those which are all of one
// instant and refer to nothing, as all are but the refund of a bet that its user has cancelled, go in
// fewer arrays. With that, and with sealing that reads them as they come, settling winners was 1.10
// times as fast, losers 1.06 times.
func queueBetTransfers(tx *transaction, transfers []domain.Transfer, at time.Time) {
	saysMore := func(t domain.Transfer) bool { return t.Reference != "" || !t.At.Equal(at) }
	if len(transfers) == 0 || slices.ContainsFunc(transfers, saysMore) {
		queueTransfers(tx, ignoreRows, transfers)
		return
	}
	p := transfersToArrays(transfers)
	tx.exec(pgdb.InsertBetTransfers, p.UserIds, p.Debits, p.Credits, p.Amounts, p.Kinds, p.BetIds, p.Revisions, at)
}

func (s *Settlements) lockBetsBehind(
	ctx context.Context, tx *transaction, event domain.EventID, after domain.BetID, limit int,
) (bets []domain.Bet, tids []pgtype.TID, err error) {
	read := func(rows pgx.Rows) (err error) {
		bets, tids, err = scanLockedBets(rows, limit)
		return err
	}
	tx.query(scanned(read), pgdb.LockBetsBehind, int64(event), limit32(limit), s.share.index, max(s.share.of, 1), int64(after))
	return bets, tids, tx.exchange(ctx)
}

// lockWalletsOf locks the wallets that belong to bets on one event, and reads the event
// and the clock. The event is read after the bets were locked: it is at least as new as
// the one that they were found to be behind.
func lockWalletsOf(ctx context.Context, tx *transaction, bets []domain.Bet) (*domain.Settling, error) {
	users := make([]int64, len(bets))
	for i, bet := range bets {
		users[i] = int64(bet.UserID)
	}
	return readSettling(ctx, tx, bets, func(wallets *[]pgdb.Wallet) {
		tx.query(all(wallets), pgdb.LockWallets, ascending(users))
	})
}

// readSettling reads what bets on one event are settled on, after the locks that lock queues.
func readSettling(ctx context.Context, tx *transaction, bets []domain.Bet, lock func(wallets *[]pgdb.Wallet)) (*domain.Settling, error) {
	var (
		wallets []pgdb.Wallet
		row     pgdb.Event
		now     time.Time
	)
	lock(&wallets)
	tx.query(one(&row), pgdb.EventByID, int64(bets[0].EventID))
	tx.query(scalar(&now), pgdb.Clock)
	if err := tx.exchange(ctx); err != nil {
		return nil, err
	}
	event, err := eventFromRow(row)
	if err != nil {
		return nil, err
	}
	return &domain.Settling{Now: now, Event: event, Bets: bets, Wallets: walletsFromRows(wallets)}, nil
}

// FinishSettling implements ports.Settlements. The revision is read before the bets are
// looked at, and the event is marked only while it still has it. A bet that was placed
// before the revision came was committed before it, too: whoever writes a result waits
// for the batches that hold the event.
func (s *Settlements) FinishSettling(ctx context.Context, event domain.EventID) (bool, error) {
	var (
		revision int64
		behind   []int64
	)
	err := s.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) (err error) {
		if revision, err = q.SettleRevision(ctx, int64(event)); err != nil {
			return err
		}
		behind, err = q.FirstBetBehind(ctx, pgdb.FirstBetBehindParams{EventID: int64(event), SettleRevision: revision})
		return err
	})
	if errors.Is(err, ports.ErrNotFound) {
		return true, nil
	}
	if err != nil || len(behind) > 0 {
		return false, err
	}
	var marked int64
	err = s.pool.write(ctx, func(tx *transaction) {
		tx.query(affected(&marked), pgdb.MarkSettled, revision, int64(event))
	})
	return err == nil && marked == 1, err
}

// Unsettled implements ports.Settlements.
func (s *Settlements) Unsettled(ctx context.Context, limit int) (unsettled []ports.Unsettled, err error) {
	err = s.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := q.Unsettled(ctx, limit32(limit))
		for _, row := range rows {
			unsettled = append(unsettled, ports.Unsettled{Event: domain.EventID(row.ID), For: row.Waiting})
		}
		return err
	})
	return unsettled, err
}

// CancelBet implements ports.Settlements. Once a connection has been got, it goes to its
// end whatever becomes of ctx.
func (s *Settlements) CancelBet(
	ctx context.Context, id domain.BetID, decide func(*domain.Settling) (*ports.Cancellation, error),
) (bet domain.Bet, err error) {
	err = s.rest.transact(ctx, func(ctx context.Context, tx *transaction) error {
		set, err := lockBet(ctx, tx, id)
		if err != nil {
			return err
		}
		bet = set.Bets[0]
		wallets := maps.Clone(set.Wallets)
		cancellation, err := decide(set)
		if err != nil || cancellation == nil {
			return err
		}
		if err := writeCancellation(ctx, tx, set, *cancellation, wallets); err != nil {
			return err
		}
		bet.Standing = cancellation.Standing
		return nil
	})
	return bet, err
}

// lockBet locks a bet, its wallet and its event against closing, and reads what it is settled on.
func lockBet(ctx context.Context, tx *transaction, id domain.BetID) (*domain.Settling, error) {
	var row pgdb.Bet
	tx.query(one(&row), pgdb.LockBet, int64(id))
	if err := tx.exchange(ctx); err != nil {
		return nil, err
	}
	bet, err := betFromRow(row)
	if err != nil {
		return nil, err
	}
	return readSettling(ctx, tx, []domain.Bet{bet}, func(wallets *[]pgdb.Wallet) {
		tx.query(all(wallets), pgdb.LockWallets, []int64{row.UserID})
		tx.exec(pgdb.LockEventsAgainstClosing, []int64{row.EventID})
	})
}

func writeCancellation(
	ctx context.Context, tx *transaction, set *domain.Settling, c ports.Cancellation, before map[domain.UserID]domain.Wallet,
) error {
	var written int64
	tx.query(affected(&written), pgdb.ChangeBet, int16(c.Status), c.Payout.Minor(), int16(c.VoidReason), c.Revision, c.SettledAt,
		int64(set.Bets[0].ID))
	queueMoney(tx, set, []domain.Settled{c.Settled}, before)
	if c.Audit != nil {
		queueAuditRecord(tx, *c.Audit, set.Now)
	}
	if err := tx.exchange(ctx); err != nil {
		return err
	}
	if written != 1 {
		return fmt.Errorf("the cancellation of bet %d lowers its revision", set.Bets[0].ID)
	}
	return tx.commit(ctx)
}
