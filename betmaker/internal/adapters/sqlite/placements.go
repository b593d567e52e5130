package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/crashpoint"
)

// forgetAtOnce bounds one transaction of ForgetRefusals, so that nobody waits long for
// their turn behind it.
const forgetAtOnce = 2000

// Placements implements ports.Placements. One batch is one transaction.
type Placements struct {
	db *database
	// next lets one batch at a time ask for the turn to write. Bets come in crowds: whoever
	// closes an event must not have to wait for all the batches that asked before.
	next *semaphore.Weighted
}

// Place implements ports.Placements. Once its turn has come, the batch goes to its end
// whatever becomes of ctx.
func (p *Placements) Place(
	ctx context.Context, batch []domain.Placement, decide func(*domain.WorkingSet) []domain.Decision,
) ([]domain.Decision, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	decisions, err := p.place(ctx, batch, decide)
	if err != nil {
		return nil, fmt.Errorf("place %d bets: %w", len(batch), err)
	}
	crashpoint.Hit("place.committed")
	return decisions, nil
}

func (p *Placements) place(
	ctx context.Context, batch []domain.Placement, decide func(*domain.WorkingSet) []domain.Decision,
) (decisions []domain.Decision, err error) {
	if err := p.next.Acquire(ctx, 1); err != nil {
		return nil, interpretError(fmt.Errorf("wait for other batches: %w", err))
	}
	defer p.next.Release(1)
	err = p.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		now := p.db.clock.now()
		set, err := workingSet(ctx, q, batch, now)
		if err != nil {
			return err
		}
		decisions = decide(set)
		if len(decisions) != len(batch) {
			return fmt.Errorf("%d decisions on %d placements", len(decisions), len(batch))
		}
		crashpoint.Hit("place.decided")
		return writeDecisions(ctx, q, batch, decisions, now)
	})
	return decisions, err
}

// workingSet reads what a batch is decided on.
func workingSet(ctx context.Context, q *sqlitedb.Queries, batch []domain.Placement, now time.Time) (*domain.WorkingSet, error) {
	var (
		users  = make([]domain.UserID, len(batch))
		events = make([]domain.EventID, len(batch))
		set    = &domain.WorkingSet{Now: now}
	)
	for i, placement := range batch {
		users[i], events[i] = placement.UserID, placement.EventID
	}
	var err error
	if set.Wallets, err = wallets(ctx, q, numbers(users)); err != nil {
		return nil, err
	}
	if set.Events, err = eventsByID(ctx, q, numbers(events)); err != nil {
		return nil, err
	}
	if set.Verdicts, err = storedVerdicts(ctx, q, batch, now); err != nil {
		return nil, err
	}
	set.BetIDs, err = nextBetIDs(ctx, q, len(batch))
	return set, err
}

func wallets(ctx context.Context, q *sqlitedb.Queries, users []int64) (map[domain.UserID]domain.Wallet, error) {
	rows, err := q.Wallets(ctx, users)
	wallets := make(map[domain.UserID]domain.Wallet, len(rows))
	for _, row := range rows {
		wallets[domain.UserID(row.UserID)] = domain.Wallet{Open: row.Open != 0}
	}
	return wallets, err
}

func storedVerdicts(
	ctx context.Context, q *sqlitedb.Queries, batch []domain.Placement, now time.Time,
) (map[domain.VerdictKey]domain.Verdict, error) {
	verdicts := make(map[domain.VerdictKey]domain.Verdict)
	for _, placement := range batch {
		if placement.IdempotencyKey == "" {
			continue
		}
		key := domain.VerdictKey{UserID: placement.UserID, Key: placement.IdempotencyKey}
		verdict, err := storedVerdict(ctx, q, key, now)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return nil, err
		default:
			verdicts[key] = verdict
		}
	}
	return verdicts, nil
}

// storedVerdict returns the verdict for a key, or sql.ErrNoRows.
func storedVerdict(ctx context.Context, q *sqlitedb.Queries, key domain.VerdictKey, now time.Time) (domain.Verdict, error) {
	row, err := q.StoredVerdict(ctx, sqlitedb.StoredVerdictParams{
		UserID: int64(key.UserID), Key: key.Key, RefusalsAfter: now.Add(-domain.RefusalTTL).UnixMicro(),
	})
	if err != nil {
		return domain.Verdict{}, err
	}
	verdict, err := verdictFromRow(row)
	if err != nil || row.BetID == nil {
		return verdict, err
	}
	bet, err := q.BetByID(ctx, *row.BetID)
	if err != nil {
		return domain.Verdict{}, err
	}
	verdict.Bet, err = betFromRow(bet)
	// As it was accepted, whatever has become of it.
	verdict.Bet.Settlement = domain.Settlement{Outcome: domain.Outcome{Status: domain.StatusPending}}
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

// writeDecisions writes what is new among the decisions.
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
		}
		if batch[i].IdempotencyKey == "" {
			continue
		}
		row, err := verdictToRow(domain.VerdictKey{UserID: batch[i].UserID, Key: batch[i].IdempotencyKey}, decision.Verdict, now)
		if err != nil {
			return err
		}
		if err := q.InsertVerdict(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

// Verdict implements ports.Placements.
func (p *Placements) Verdict(ctx context.Context, key domain.VerdictKey) (verdict domain.Verdict, err error) {
	err = p.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) (err error) {
		verdict, err = storedVerdict(ctx, q, key, p.db.clock.now())
		return err
	})
	return verdict, err
}

// ForgetRefusals implements ports.Placements, some thousands at a time.
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
