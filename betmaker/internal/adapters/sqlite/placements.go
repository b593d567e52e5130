package sqlite

import (
	"context"
	"fmt"
	"maps"
	"time"

	"golang.org/x/sync/semaphore"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/crashpoint"
	"stavka.local/shared/money"
)

// forgetAtOnce bounds one transaction of ForgetRefusals, so that other writers do not wait long for it.
const forgetAtOnce = 2000

// Placements implements ports.Placements. One batch is one transaction.
type Placements struct {
	db *database
	// next lets one batch at a time wait for the writing transaction: closing an event must not wait
	// for all the batches that came before it.
	next *semaphore.Weighted
}

// Place implements ports.Placements. ctx has no effect once the transaction has begun.
func (p *Placements) Place(
	ctx context.Context, batch ports.Batch, decide func(*domain.WorkingSet) []domain.Decision,
) ([]domain.Decision, error) {
	if len(batch.Placements) == 0 {
		return nil, nil
	}
	decisions, err := p.place(ctx, batch, decide)
	if err != nil {
		return nil, fmt.Errorf("place %d bets: %w", len(batch.Placements), err)
	}
	crashpoint.Hit("place.committed")
	return decisions, nil
}

func (p *Placements) place(
	ctx context.Context, batch ports.Batch, decide func(*domain.WorkingSet) []domain.Decision,
) (decisions []domain.Decision, err error) {
	if err := p.next.Acquire(ctx, 1); err != nil {
		return nil, interpretError(fmt.Errorf("wait for other batches: %w", err))
	}
	defer p.next.Release(1)
	err = p.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		set, err := workingSet(ctx, q, batch, p.db.clock.now())
		if err != nil {
			return err
		}
		before := maps.Clone(set.Liabilities)
		decisions = decide(set)
		if len(decisions) != len(batch.Placements) {
			return fmt.Errorf("%d decisions on %d placements", len(decisions), len(batch.Placements))
		}
		crashpoint.Hit("place.decided")
		if err := writeDecisions(ctx, q, batch.Placements, decisions, set.Now); err != nil {
			return err
		}
		return writeTotals(ctx, q, set, before, decisions)
	})
	return decisions, err
}

// workingSet reads the set that a batch is decided on.
func workingSet(ctx context.Context, q *sqlitedb.Queries, batch ports.Batch, now time.Time) (*domain.WorkingSet, error) {
	var (
		users  = make([]domain.UserID, len(batch.Placements))
		events = make([]domain.EventID, len(batch.Placements))
		set    = &domain.WorkingSet{Now: now}
	)
	for i, placement := range batch.Placements {
		users[i], events[i] = placement.UserID, placement.EventID
	}
	rows, err := q.Wallets(ctx, list(users))
	if err != nil {
		return nil, err
	}
	set.Wallets, set.TokenVersions = walletsFromRows(rows), make(map[domain.UserID]int32, len(rows))
	for _, row := range rows {
		set.TokenVersions[domain.UserID(row.UserID)] = int32(row.TokenVersion)
	}
	if set.Events, err = eventsByID(ctx, q, events); err != nil {
		return nil, err
	}
	if batch.WithLiabilities {
		if set.Liabilities, err = liabilities(ctx, q, set.Events); err != nil {
			return nil, err
		}
	}
	if set.Verdicts, err = storedVerdicts(ctx, q, batch.Placements, now); err != nil {
		return nil, err
	}
	set.BetIDs, err = nextBetIDs(ctx, q, len(batch.Placements))
	return set, err
}

// storedVerdicts returns the stored verdicts for the keys of a batch. One query is faster than one per
// key.
func storedVerdicts(
	ctx context.Context, q *sqlitedb.Queries, batch []domain.Placement, now time.Time,
) (map[domain.VerdictKey]domain.Verdict, error) {
	keys, err := usersByKey(batch)
	if err != nil {
		return nil, err
	}
	rows, err := q.StoredVerdicts(ctx, sqlitedb.StoredVerdictsParams{
		UsersByKey: keys, RefusalsAfter: now.Add(-domain.RefusalTTL).UnixMicro(),
	})
	if err != nil {
		return nil, err
	}
	verdicts := make(map[domain.VerdictKey]domain.Verdict, len(rows))
	for _, row := range rows {
		key := domain.VerdictKey{UserID: domain.UserID(row.UserID), Key: row.Key}
		if verdicts[key], err = storedVerdict(ctx, q, row); err != nil {
			return nil, err
		}
	}
	return verdicts, nil
}

// storedVerdictRow returns the verdict for a key. It returns sql.ErrNoRows if there is none, or only an
// expired refusal.
func storedVerdictRow(ctx context.Context, q *sqlitedb.Queries, key verdictKey, now time.Time) (sqlitedb.Verdict, error) {
	return q.StoredVerdict(ctx, sqlitedb.StoredVerdictParams{
		UserID: int64(key.user), Operation: int64(key.operation), Key: key.key,
		RefusalsAfter: now.Add(-domain.RefusalTTL).UnixMicro(),
	})
}

// storedVerdict returns the verdict on a placement, with its bet.
func storedVerdict(ctx context.Context, q *sqlitedb.Queries, row sqlitedb.Verdict) (domain.Verdict, error) {
	verdict, err := verdictFromRow(row)
	if err != nil || row.BetID == nil {
		return verdict, err
	}
	verdict.Bet, err = betByID(ctx, q, *row.BetID)
	// As it was accepted: a replay does not show the settlement.
	verdict.Bet.Standing = domain.Standing{Settlement: domain.Settlement{Status: domain.StatusPending}}
	return verdict, err
}

func nextBetIDs(ctx context.Context, q *sqlitedb.Queries, n int) ([]domain.BetID, error) {
	last, err := q.LastBetID(ctx)
	ids := make([]domain.BetID, n)
	for i := range ids {
		ids[i] = domain.BetID(last + int64(i) + 1)
	}
	return ids, err
}

// writeDecisions writes the new decisions: bets, the transfers of their stakes, and verdicts.
func writeDecisions(
	ctx context.Context, q *sqlitedb.Queries, batch []domain.Placement, decisions []domain.Decision, now time.Time,
) error {
	for i, decision := range decisions {
		if !decision.IsNew() {
			continue
		}
		if decision.Accepted() {
			if err := q.InsertBet(ctx, betToRow(decision.Bet)); err != nil {
				return err
			}
			if _, err := q.InsertTransfer(ctx, transferToRow(decision.Bet.StakeTransfer())); err != nil {
				return err
			}
		}
		if batch[i].IdempotencyKey == "" {
			continue
		}
		key := domain.VerdictKey{UserID: batch[i].UserID, Key: batch[i].IdempotencyKey}
		row, err := verdictToRow(keyOfBet(key), decision.Verdict, now)
		if err != nil {
			return err
		}
		if err := q.InsertVerdict(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

// writeTotals writes the wallets of users who have placed bets, and the liabilities that have changed.
func writeTotals(
	ctx context.Context, q *sqlitedb.Queries, set *domain.WorkingSet, before map[domain.EventID]money.Amount, decisions []domain.Decision,
) error {
	written := make(map[domain.UserID]bool)
	for _, decision := range decisions {
		user := decision.Bet.UserID
		if !decision.IsNew() || !decision.Accepted() || written[user] {
			continue
		}
		if err := q.WriteMoney(ctx, walletToRow(user, set.Wallets[user])); err != nil {
			return err
		}
		written[user] = true
	}
	for event, liability := range set.Liabilities {
		if liability == before[event] {
			continue
		}
		if err := writeLiability(ctx, q, event, liability); err != nil {
			return err
		}
	}
	return nil
}

// Verdict implements ports.Placements.
func (p *Placements) Verdict(ctx context.Context, key domain.VerdictKey) (domain.Verdict, error) {
	return read(ctx, p.db, func(ctx context.Context, q *sqlitedb.Queries) (domain.Verdict, error) {
		row, err := storedVerdictRow(ctx, q, keyOfBet(key), p.db.clock.now())
		if err != nil {
			return domain.Verdict{}, err
		}
		return storedVerdict(ctx, q, row)
	})
}

// ForgetRefusals implements ports.Placements. It deletes forgetAtOnce refusals per transaction.
func (p *Placements) ForgetRefusals(ctx context.Context) (int64, error) {
	for total := int64(0); ; {
		var forgotten int64
		err := p.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) (err error) {
			until := p.db.clock.now().Add(-domain.RefusalTTL)
			forgotten, err = q.ForgetRefusals(ctx, sqlitedb.ForgetRefusalsParams{RefusalsUntil: until.UnixMicro(), AtMost: forgetAtOnce})
			return err
		})
		if err != nil {
			return total, err
		}
		if total += forgotten; forgotten < forgetAtOnce {
			return total, nil
		}
	}
}

// ForgetLiabilities implements ports.Placements.
func (p *Placements) ForgetLiabilities(ctx context.Context) error {
	return p.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error { return q.ForgetLiabilities(ctx) })
}
