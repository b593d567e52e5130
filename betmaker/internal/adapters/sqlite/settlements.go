package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/crashpoint"
)

// Settlements implements ports.Settlements.
type Settlements struct{ db *database }

// SettleChunk implements ports.Settlements. Nobody else settles while it does.
func (s *Settlements) SettleChunk(
	ctx context.Context, event domain.EventID, after domain.BetID, limit int,
	decide func(now time.Time, event domain.Event, bets []domain.Bet) []domain.Settlement,
) (ports.Chunk, error) {
	chunk, err := s.settleChunk(ctx, event, after, limit, decide)
	if err != nil {
		return ports.Chunk{}, fmt.Errorf("settle bets of event %d: %w", event, err)
	}
	return chunk, nil
}

func (s *Settlements) settleChunk(
	ctx context.Context, eventID domain.EventID, after domain.BetID, limit int,
	decide func(now time.Time, event domain.Event, bets []domain.Bet) []domain.Settlement,
) (ports.Chunk, error) {
	chunk := ports.Chunk{Last: after}
	first, err := s.firstBehind(ctx, eventID, after)
	if err != nil || first == 0 {
		return chunk, err
	}
	found := false
	err = s.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		bets, err := betsBehind(ctx, q, eventID, first-1, limit)
		if err != nil || len(bets) == 0 {
			return err
		}
		found = true
		event, err := eventByID(ctx, q, eventID)
		if err != nil {
			return err
		}
		now := s.db.clock.now()
		crashpoint.Hit("settle.locked")
		settlements := decide(now, event, bets)
		if len(settlements) != len(bets) {
			return fmt.Errorf("%d settlements of %d bets", len(settlements), len(bets))
		}
		crashpoint.Hit("settle.decided")
		chunk, err = writeSettlements(ctx, q, bets, settlements)
		chunk.More = len(bets) == limit
		crashpoint.Hit("settle.written")
		return err
	})
	if err == nil && found {
		crashpoint.Hit("settle.committed")
	}
	return chunk, err
}

// firstBehind returns the first bet of an event after a given one that does not follow it
// yet, or 0. It is looked for before the turn to write is asked for: on the way there may
// be a great many bets that do, and an event that is to be closed would wait meanwhile.
func (s *Settlements) firstBehind(ctx context.Context, event domain.EventID, after domain.BetID) (first domain.BetID, err error) {
	err = s.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		bets, err := betsBehind(ctx, q, event, after, 1)
		for _, bet := range bets {
			first = bet.ID
		}
		return err
	})
	return first, err
}

func betsBehind(
	ctx context.Context, q *sqlitedb.Queries, event domain.EventID, after domain.BetID, limit int,
) ([]domain.Bet, error) {
	rows, err := q.BetsBehind(ctx, sqlitedb.BetsBehindParams{EventID: int64(event), After: int64(after), AtMost: int64(limit)})
	if err != nil {
		return nil, err
	}
	return betsFromRows(rows)
}

func writeSettlements(
	ctx context.Context, q *sqlitedb.Queries, bets []domain.Bet, settlements []domain.Settlement,
) (chunk ports.Chunk, err error) {
	for i, settlement := range settlements {
		settled, err := q.SettleBet(ctx, settlementToRow(bets[i].ID, settlement))
		if err != nil {
			return chunk, err
		}
		chunk.Settled += int(settled)
		if settlement.Outcome != bets[i].Outcome {
			chunk.Changed++
		}
		chunk.Last = bets[i].ID
	}
	return chunk, nil
}

// FinishSettling implements ports.Settlements. It looks through the bets before it asks for
// its turn. The revision is read together with them, and the event is marked only while it
// still has it: every bet that was placed before the revision came is among those looked at.
func (s *Settlements) FinishSettling(ctx context.Context, event domain.EventID) (bool, error) {
	var (
		revision int64
		behind   []int64
	)
	err := s.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) (err error) {
		if revision, err = q.SettleRevision(ctx, int64(event)); err != nil {
			return err
		}
		behind, err = q.FirstBetBehind(ctx, sqlitedb.FirstBetBehindParams{EventID: int64(event), SettleRevision: revision})
		return err
	})
	if errors.Is(err, ports.ErrNotFound) {
		return true, nil
	}
	if err != nil || len(behind) > 0 {
		return false, err
	}
	var marked int64
	err = s.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) (err error) {
		marked, err = q.MarkSettled(ctx, sqlitedb.MarkSettledParams{EventID: int64(event), SettleRevision: revision})
		return err
	})
	return err == nil && marked == 1, err
}

// Unsettled implements ports.Settlements. The clock is read after the events, so that none
// of them has its result later than now.
func (s *Settlements) Unsettled(ctx context.Context, limit int) (unsettled []ports.Unsettled, err error) {
	err = s.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		rows, err := q.Unsettled(ctx, int64(limit))
		now := s.db.clock.now()
		for _, row := range rows {
			unsettled = append(unsettled, ports.Unsettled{Event: domain.EventID(row.ID), For: now.Sub(instantOrZero(row.ResultedAt))})
		}
		return err
	})
	return unsettled, err
}
