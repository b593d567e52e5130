package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/crashpoint"
)

// Settlements implements ports.Settlements.
type Settlements struct{ pool *pool }

// SettleChunk implements ports.Settlements, in three round trips. Once a connection has
// been got, it goes to its end whatever becomes of ctx.
func (s *Settlements) SettleChunk(
	ctx context.Context, event domain.EventID, after domain.BetID, limit int,
	decide func(now time.Time, event domain.Event, bets []domain.Bet) []domain.Settlement,
) (chunk ports.Chunk, err error) {
	err = s.pool.transact(ctx, func(ctx context.Context, tx *transaction) error {
		var err error
		chunk, err = settleChunk(ctx, tx, event, after, limit, decide)
		return err
	})
	if err != nil {
		return ports.Chunk{}, fmt.Errorf("settle bets of event %d: %w", event, err)
	}
	return chunk, nil
}

func settleChunk(
	ctx context.Context, tx *transaction, eventID domain.EventID, after domain.BetID, limit int,
	decide func(now time.Time, event domain.Event, bets []domain.Bet) []domain.Settlement,
) (ports.Chunk, error) {
	done := ports.Chunk{Last: after}
	bets, err := lockBetsBehind(ctx, tx, eventID, after, limit)
	if err != nil || len(bets) == 0 {
		return done, err
	}
	now, event, err := lockWalletsOf(ctx, tx, bets)
	if err != nil || !event.IsSettleable() {
		return done, err
	}
	crashpoint.Hit("settle.locked")
	settlements := decide(now, event, bets)
	if len(settlements) != len(bets) {
		return done, fmt.Errorf("%d settlements of %d bets", len(settlements), len(bets))
	}
	crashpoint.Hit("settle.decided")
	chunk := ports.Chunk{Last: bets[len(bets)-1].ID, More: len(bets) == limit}
	for i, settlement := range settlements {
		if settlement.Outcome != bets[i].Outcome {
			chunk.Changed++
		}
	}
	var settled int64
	p := settlementsToArrays(bets, settlements)
	tx.query(affected(&settled), pgdb.SettleBets, p.Ids, p.Statuses, p.Payouts, p.VoidReasons, p.SettleRevisions, p.SettledAt)
	if crashpoint.Enabled {
		// Between writing and committing there is no moment that a process could die in,
		// unless the two are sent apart.
		if err := tx.exchange(ctx); err != nil {
			return done, err
		}
		crashpoint.Hit("settle.written")
	}
	if err := tx.commit(ctx); err != nil {
		return done, err
	}
	crashpoint.Hit("settle.committed")
	chunk.Settled = int(settled)
	return chunk, nil
}

func lockBetsBehind(
	ctx context.Context, tx *transaction, event domain.EventID, after domain.BetID, limit int,
) ([]domain.Bet, error) {
	var rows []pgdb.Bet
	tx.query(all(&rows), pgdb.LockBetsBehind, int64(event), int64(after), limit32(limit))
	if err := tx.exchange(ctx); err != nil {
		return nil, err
	}
	return betsFromRows(rows)
}

// lockWalletsOf locks the wallets that belong to bets on one event, and reads the event
// and the clock. The event is read after the bets were locked: it is at least as new as
// the one that they were found to be behind.
func lockWalletsOf(ctx context.Context, tx *transaction, bets []domain.Bet) (time.Time, domain.Event, error) {
	users := make([]int64, len(bets))
	for i, bet := range bets {
		users[i] = int64(bet.UserID)
	}
	var (
		row pgdb.Event
		now time.Time
	)
	tx.exec(pgdb.LockWallets, ascending(users))
	tx.query(one(&row), pgdb.EventByID, int64(bets[0].EventID))
	tx.query(scalar(&now), pgdb.Clock)
	if err := tx.exchange(ctx); err != nil {
		return time.Time{}, domain.Event{}, err
	}
	event, err := eventFromRow(row)
	return now, event, err
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
