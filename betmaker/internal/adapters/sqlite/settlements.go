package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/crashpoint"
	sqlitefile "stavka.local/shared/sqlite"
)

// Settlements implements ports.Settlements.
type Settlements struct{ db *database }

// SettleChunk implements ports.Settlements.
func (s *Settlements) SettleChunk(
	ctx context.Context, event domain.EventID, after domain.BetID, limit int,
	decide func(*domain.Settling) []domain.Settled,
) (ports.Chunk, error) {
	chunk, err := s.settleChunk(ctx, event, after, limit, decide)
	if err != nil {
		return ports.Chunk{}, fmt.Errorf("settle bets of event %d: %w", event, err)
	}
	return chunk, nil
}

func (s *Settlements) settleChunk(
	ctx context.Context, eventID domain.EventID, after domain.BetID, limit int,
	decide func(*domain.Settling) []domain.Settled,
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
		set, err := s.settling(ctx, q, eventID, bets)
		if err != nil {
			return err
		}
		crashpoint.Hit("settle.locked")
		before := maps.Clone(set.Wallets)
		settled := decide(set)
		crashpoint.Hit("settle.decided")
		if err := checkSettled(bets, settled); err != nil {
			return err
		}
		if err := writeSettled(ctx, q, set, before, settled); err != nil {
			return err
		}
		chunk = chunkOf(bets, settled)
		chunk.More = len(bets) == limit
		crashpoint.Hit("settle.written")
		return nil
	})
	if err == nil && found {
		crashpoint.Hit("settle.committed")
	}
	return chunk, err
}

// firstBehind returns the first bet of an event, after a given one, that is behind its settle revision,
// or 0. It runs before the writing transaction: the search may pass a great many settled bets, and the
// close of an event would wait for it.
func (s *Settlements) firstBehind(ctx context.Context, event domain.EventID, after domain.BetID) (domain.BetID, error) {
	bets, err := read(ctx, s.db, func(ctx context.Context, q *sqlitedb.Queries) ([]domain.Bet, error) {
		return betsBehind(ctx, q, event, after, 1)
	})
	if err != nil || len(bets) == 0 {
		return 0, err
	}
	return bets[0].ID, nil
}

func betsBehind(
	ctx context.Context, q *sqlitedb.Queries, event domain.EventID, after domain.BetID, limit int,
) ([]domain.Bet, error) {
	rows, err := q.BetsBehind(ctx, sqlitedb.BetsBehindParams{EventID: int64(event), After: int64(after), AtMost: int64(limit)})
	if err != nil {
		return nil, err
	}
	return sqlitefile.MapRows(rows, betFromRow)
}

// settling reads the set that bets of an event are settled on. It reads the clock last.
func (s *Settlements) settling(
	ctx context.Context, q *sqlitedb.Queries, event domain.EventID, bets []domain.Bet,
) (*domain.Settling, error) {
	users := make([]domain.UserID, len(bets))
	for i, bet := range bets {
		users[i] = bet.UserID
	}
	set := &domain.Settling{Bets: bets}
	var err error
	if set.Wallets, err = walletsOf(ctx, q, users); err != nil {
		return nil, err
	}
	if set.Event, err = eventByID(ctx, q, event); err != nil {
		return nil, err
	}
	set.Now = s.db.clock.now()
	return set, nil
}

// checkSettled returns an error unless there is one settlement for each bet, and each raises the bet's
// revision.
func checkSettled(bets []domain.Bet, settled []domain.Settled) error {
	if len(settled) != len(bets) {
		return fmt.Errorf("%d settlements of %d bets", len(settled), len(bets))
	}
	for i, bet := range bets {
		if settled[i].Revision <= bet.Revision {
			return fmt.Errorf("bet %d at revision %d would be settled at %d", bet.ID, bet.Revision, settled[i].Revision)
		}
	}
	return nil
}

// writeSettled writes the settlements of the set's bets, one for each: bets, transfers, wallets that differ
// from before, and the event's liability.
func writeSettled(
	ctx context.Context, q *sqlitedb.Queries, set *domain.Settling, before map[domain.UserID]domain.Wallet, settled []domain.Settled,
) error {
	for i, one := range settled {
		bet := set.Bets[i]
		rows, err := q.SettleBet(ctx, settlementToRow(bet.ID, one.Standing))
		switch {
		case err != nil:
			return err
		case rows != 1:
			return fmt.Errorf("bet %d at revision %d would go back to %d", bet.ID, bet.Revision, one.Revision)
		}
		if _, err := writeTransfers(ctx, q, one.Transfers); err != nil {
			return err
		}
	}
	for user, wallet := range set.Wallets {
		if wallet.HasSameMoney(before[user]) {
			continue
		}
		if err := q.WriteMoney(ctx, walletToRow(user, wallet)); err != nil {
			return err
		}
	}
	change := set.LiabilityChange(settled)
	if change.IsZero() {
		return nil
	}
	return q.ChangeLiability(ctx, sqlitedb.ChangeLiabilityParams{EventID: int64(set.Event.ID), Change: change.Minor()})
}

func chunkOf(bets []domain.Bet, settled []domain.Settled) ports.Chunk {
	chunk := ports.Chunk{Settled: len(bets), Last: bets[len(bets)-1].ID}
	for i, bet := range bets {
		if settled[i].Settlement != bet.Settlement {
			chunk.Changed++
		}
	}
	return chunk
}

// CancelBet implements ports.Settlements.
func (s *Settlements) CancelBet(
	ctx context.Context, id domain.BetID, decide func(*domain.Settling) (*ports.Cancellation, error),
) (bet domain.Bet, err error) {
	err = s.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		if bet, err = betByID(ctx, q, int64(id)); err != nil {
			return err
		}
		set, err := s.settling(ctx, q, bet.EventID, []domain.Bet{bet})
		if err != nil {
			return err
		}
		before := maps.Clone(set.Wallets)
		cancellation, err := decide(set)
		if err != nil || cancellation == nil {
			return asItIs(err)
		}
		if err := writeSettled(ctx, q, set, before, []domain.Settled{cancellation.Settled}); err != nil {
			return err
		}
		bet.Standing = cancellation.Standing
		return writeAudit(ctx, q, cancellation.Audit, set.Now)
	})
	if err != nil {
		return domain.Bet{}, err
	}
	return bet, nil
}

// FinishSettling implements ports.Settlements. It searches the bets before the writing transaction. It
// reads the revision together with the bets, and marks the event only if the revision is still the same:
// so every bet placed before the revision was among the bets it read.
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

// Unsettled implements ports.Settlements. It reads the clock after the events, so that no result is
// later than now.
func (s *Settlements) Unsettled(ctx context.Context, limit int) ([]ports.Unsettled, error) {
	return read(ctx, s.db, func(ctx context.Context, q *sqlitedb.Queries) (unsettled []ports.Unsettled, err error) {
		rows, err := q.Unsettled(ctx, int64(limit))
		now := s.db.clock.now()
		for _, row := range rows {
			unsettled = append(unsettled, ports.Unsettled{Event: domain.EventID(row.ID), For: now.Sub(instantOrZero(row.ResultedAt))})
		}
		return unsettled, err
	})
}
