package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

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

// share is the range with an index among a number of ranges of user ids. The zero share is all users.
type share struct{ index, of int }

// Shares returns n Settlements. Each settles only the bets of its share of the users, so that they
// do not wait for each other's wallets. The shares of an event are equally wide ranges of the ids
// between the lowest and the highest user with bets on it, so they may hold different numbers of
// bets. New bets may move the ranges. A bet may then be in two of them, and is settled once all the
// same, or in none, and FinishSettling returns false.
func (s *Settlements) Shares(n int) []ports.Settlements {
	shares := make([]ports.Settlements, n)
	for i := range shares {
		shares[i] = &Settlements{s.pool, s.rest, share{i, n}}
	}
	return shares
}

// SettleChunk implements ports.Settlements, in four round trips. ctx bounds only the wait for a
// connection.
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

// writeSettled writes the settlements of bets. It is sent apart from the commit: if a bet's revision
// is not raised, nothing may be committed.
func writeSettled(
	ctx context.Context, tx *transaction, set *domain.Settling, tids []pgtype.TID, settled []domain.Settled,
	before map[domain.UserID]domain.Wallet,
) error {
	var written int64
	query(tx, (*pgdb.Queries).SettleBets, settlementsToArrays(tids, set.Bets, settled), &written)
	queueMoney(tx, set, settled, before)
	if err := tx.exchange(ctx); err != nil {
		return err
	}
	if written != int64(len(set.Bets)) {
		return fmt.Errorf("only %d of %d settlements raise the bets' revisions", written, len(set.Bets))
	}
	return nil
}

// queueMoney queues the writes of the transfers of settlements, of the wallets that they
// changed, and of the event's liability.
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
		exec(tx, (*pgdb.Queries).LockLiabilityAgainstMaking, int64(set.Event.ID))
		exec(tx, (*pgdb.Queries).ChangeLiability, pgdb.ChangeLiabilityParams{Change: change.Minor(), EventID: int64(set.Event.ID)})
	}
}

// queueBetTransfers queues the writes of transfers of bets. Only the refund of a bet that its user
// cancelled has a reference. Without references, transfers of one instant go in fewer arrays and return
// no ids, which is cheaper.
func queueBetTransfers(tx *transaction, transfers []domain.Transfer, at time.Time) {
	saysMore := func(t domain.Transfer) bool { return t.Reference != "" || !t.At.Equal(at) }
	if len(transfers) == 0 || slices.ContainsFunc(transfers, saysMore) {
		queueTransfers(tx, transfers, new([]int64))
		return
	}
	p := transfersToArrays(transfers)
	exec(tx, (*pgdb.Queries).InsertBetTransfers, pgdb.InsertBetTransfersParams{
		UserIds: p.UserIds, Debits: p.Debits, Credits: p.Credits, Amounts: p.Amounts, Kinds: p.Kinds, BetIds: p.BetIds,
		Revisions: p.Revisions, At: at,
	})
}

func (s *Settlements) lockBetsBehind(
	ctx context.Context, tx *transaction, event domain.EventID, after domain.BetID, limit int,
) ([]domain.Bet, []pgtype.TID, error) {
	var rows []pgdb.LockBetsBehindRow
	queryMany(tx, (*pgdb.Queries).LockBetsBehind, pgdb.LockBetsBehindParams{
		EventID: int64(event), AtMost: limit32(limit), Share: int64(s.share.index), Shares: int64(max(s.share.of, 1)), After: int64(after),
	}, &rows)
	if err := tx.exchange(ctx); err != nil {
		return nil, nil, err
	}
	tids := column(rows, func(row *pgdb.LockBetsBehindRow) pgtype.TID { return row.Tid })
	bets, err := mapRows(rows, func(row pgdb.LockBetsBehindRow) (domain.Bet, error) { return betFromRow(row.Bet) })
	return bets, tids, err
}

// lockWalletsOf locks the wallets of bets on one event, and reads the event and the clock. The
// event is read after the bets were locked, so it is at least as new as the revision that they
// are behind.
func lockWalletsOf(ctx context.Context, tx *transaction, bets []domain.Bet) (*domain.Settling, error) {
	users := column(bets, func(b *domain.Bet) int64 { return int64(b.UserID) })
	return readSettling(ctx, tx, bets, func(wallets *[]pgdb.Wallet) {
		queryMany(tx, (*pgdb.Queries).LockWallets, ascending(users), wallets)
	})
}

// readSettling takes the locks that lock queues and then reads what bets on one event are settled on.
func readSettling(ctx context.Context, tx *transaction, bets []domain.Bet, lock func(wallets *[]pgdb.Wallet)) (*domain.Settling, error) {
	var (
		wallets []pgdb.Wallet
		row     pgdb.Event
		now     time.Time
	)
	lock(&wallets)
	query(tx, (*pgdb.Queries).EventByID, int64(bets[0].EventID), &row)
	queryPlain(tx, (*pgdb.Queries).Clock, &now)
	if err := tx.exchange(ctx); err != nil {
		return nil, err
	}
	event, err := eventFromRow(row)
	if err != nil {
		return nil, err
	}
	return &domain.Settling{Now: now, Event: event, Bets: bets, Wallets: walletsFromRows(wallets)}, nil
}

// FinishSettling implements ports.Settlements. It reads the revision, then looks for bets behind
// it, and marks the event only if its revision is still the same. Bets placed before the revision
// were committed before it, because the transaction that writes a result waits for the batches that
// hold the event's lock.
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
		query(tx, (*pgdb.Queries).MarkSettled, pgdb.MarkSettledParams{SettleRevision: revision, EventID: int64(event)}, &marked)
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

// CancelBet implements ports.Settlements. ctx bounds only the wait for a connection.
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

// lockBet locks a bet, its wallet, and its event against closing, and reads what the bet is settled on.
func lockBet(ctx context.Context, tx *transaction, id domain.BetID) (*domain.Settling, error) {
	var row pgdb.Bet
	query(tx, (*pgdb.Queries).LockBet, int64(id), &row)
	if err := tx.exchange(ctx); err != nil {
		return nil, err
	}
	bet, err := betFromRow(row)
	if err != nil {
		return nil, err
	}
	return readSettling(ctx, tx, []domain.Bet{bet}, func(wallets *[]pgdb.Wallet) {
		query(tx, (*pgdb.Queries).LockWallets, []int64{row.UserID}, wallets)
		exec(tx, (*pgdb.Queries).LockEventsShared, []int64{row.EventID})
	})
}

func writeCancellation(
	ctx context.Context, tx *transaction, set *domain.Settling, c ports.Cancellation, before map[domain.UserID]domain.Wallet,
) error {
	var written int64
	query(tx, (*pgdb.Queries).ChangeBet, pgdb.ChangeBetParams{
		ID:             int64(set.Bets[0].ID),
		Status:         int16(c.Status),
		Payout:         c.Payout.Minor(),
		VoidReason:     int16(c.VoidReason),
		SettleRevision: c.Revision,
		SettledAt:      c.SettledAt,
	}, &written)
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
