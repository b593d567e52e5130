package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/crashpoint"
)

// forgetAtOnce bounds one transaction of ForgetRefusals.
const forgetAtOnce = 5000

// Placements implements ports.Placements. One batch is one transaction of two round
// trips: one that locks and reads the working set, one that writes the decisions.
type Placements struct {
	placing *pool
	rest    *pool
}

// Place implements ports.Placements. Once a connection has been got, the batch goes to
// its end whatever becomes of ctx.
func (p *Placements) Place(
	ctx context.Context, batch []domain.Placement, decide func(*domain.WorkingSet) []domain.Decision,
) (decisions []domain.Decision, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	err = p.placing.transact(ctx, func(ctx context.Context, tx *transaction) error {
		set, err := lockWorkingSet(ctx, tx, batch)
		if err != nil {
			return err
		}
		now := set.Now
		decisions = decide(set)
		if len(decisions) != len(batch) {
			return fmt.Errorf("%d decisions on %d placements", len(decisions), len(batch))
		}
		crashpoint.Hit("place.decided")
		if err := queueDecisions(tx, batch, decisions, now); err != nil {
			return err
		}
		if tx.isEmpty() {
			return nil
		}
		return tx.commit(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("place %d bets: %w", len(batch), err)
	}
	crashpoint.Hit("place.committed")
	return decisions, nil
}

// lockWorkingSet locks what a batch is decided on and reads it, in one round trip. Each
// statement sees what was committed before it began, so what is read comes after the
// locks, and the clock, after which nothing waits, comes last.
func lockWorkingSet(ctx context.Context, tx *transaction, batch []domain.Placement) (*domain.WorkingSet, error) {
	var (
		users    = make([]int64, 0, len(batch))
		eventIDs = make([]int64, 0, len(batch))
		keys     []domain.VerdictKey
	)
	for _, placement := range batch {
		users = append(users, int64(placement.UserID))
		eventIDs = append(eventIDs, int64(placement.EventID))
		if placement.IdempotencyKey != "" {
			keys = append(keys, domain.VerdictKey{UserID: placement.UserID, Key: placement.IdempotencyKey})
		}
	}
	eventIDs = ascending(eventIDs)
	var (
		wallets  []pgdb.LockWalletsRow
		events   []pgdb.Event
		verdicts []pgdb.StoredVerdictsRow
		betIDs   []int64
		now      time.Time
	)
	tx.query(all(&wallets), pgdb.LockWallets, ascending(users))
	tx.exec(pgdb.LockEventsAgainstClosing, eventIDs)
	tx.query(all(&events), pgdb.EventsByID, eventIDs)
	if len(keys) > 0 {
		userIDs, texts := keysToArrays(keys)
		tx.query(all(&verdicts), pgdb.StoredVerdicts, userIDs, texts, domain.RefusalTTL)
	}
	tx.query(column(&betIDs), pgdb.ReserveBetIDs, len(batch))
	tx.query(scalar(&now), pgdb.Clock)
	if err := tx.exchange(ctx); err != nil {
		return nil, err
	}
	return workingSet(wallets, events, verdicts, betIDs, now)
}

func workingSet(
	wallets []pgdb.LockWalletsRow, events []pgdb.Event, verdicts []pgdb.StoredVerdictsRow, betIDs []int64, now time.Time,
) (*domain.WorkingSet, error) {
	set := &domain.WorkingSet{
		Wallets:  make(map[domain.UserID]domain.Wallet, len(wallets)),
		Events:   make(map[domain.EventID]domain.Event, len(events)),
		Verdicts: make(map[domain.VerdictKey]domain.Verdict, len(verdicts)),
		BetIDs:   make([]domain.BetID, len(betIDs)),
		Now:      now,
	}
	for _, row := range wallets {
		set.Wallets[domain.UserID(row.UserID)] = domain.Wallet{Open: row.Open}
	}
	for _, row := range events {
		event, err := eventFromRow(row)
		if err != nil {
			return nil, err
		}
		set.Events[event.ID] = event
	}
	for _, row := range verdicts {
		verdict, err := verdictFromRow(row)
		if err != nil {
			return nil, err
		}
		set.Verdicts[domain.VerdictKey{UserID: domain.UserID(row.UserID), Key: row.Key}] = verdict
	}
	for i, id := range betIDs {
		set.BetIDs[i] = domain.BetID(id)
	}
	return set, nil
}

// queueDecisions queues the writing of what is new among the decisions.
func queueDecisions(tx *transaction, batch []domain.Placement, decisions []domain.Decision, now time.Time) error {
	var (
		bets     []domain.Bet
		verdicts []keyedVerdict
	)
	for i, decision := range decisions {
		if !decision.IsNew() {
			continue
		}
		if decision.Accepted() {
			bets = append(bets, decision.Bet)
		}
		if key := batch[i].IdempotencyKey; key != "" {
			verdicts = append(verdicts, keyedVerdict{domain.VerdictKey{UserID: batch[i].UserID, Key: key}, decision.Verdict})
		}
	}
	if len(bets) > 0 {
		p := betsToArrays(bets)
		tx.exec(pgdb.InsertBets,
			p.Ids, p.UserIds, p.EventIds, p.Stakes, p.Coefficients, p.EventVersions, p.AcceptedAt, p.SettleRevisions)
	}
	if len(verdicts) > 0 {
		p, err := verdictsToArrays(verdicts, now)
		if err != nil {
			return err
		}
		tx.exec(pgdb.InsertVerdicts,
			p.UserIds, p.Keys, p.Fingerprints, p.BetIds, p.Refusals, p.Params, p.RequestIds, p.DecidedAt)
	}
	return nil
}

// Verdict implements ports.Placements.
func (p *Placements) Verdict(ctx context.Context, key domain.VerdictKey) (verdict domain.Verdict, err error) {
	userIDs, texts := keysToArrays([]domain.VerdictKey{key})
	err = p.rest.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := q.StoredVerdicts(ctx, pgdb.StoredVerdictsParams{UserIds: userIDs, Keys: texts, RefusalsLast: domain.RefusalTTL})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return ports.ErrNotFound
		}
		verdict, err = verdictFromRow(rows[0])
		return err
	})
	return verdict, err
}

// ForgetRefusals implements ports.Placements, some thousands at a time.
func (p *Placements) ForgetRefusals(ctx context.Context) (int64, error) {
	for total := int64(0); ; {
		var forgotten int64
		err := p.rest.write(ctx, func(tx *transaction) {
			tx.query(affected(&forgotten), pgdb.ForgetRefusals, domain.RefusalTTL, forgetAtOnce)
		})
		total += forgotten
		if err != nil || forgotten < forgetAtOnce {
			return total, err
		}
	}
}

func keysToArrays(keys []domain.VerdictKey) (users []int64, texts []string) {
	users, texts = make([]int64, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		users[i], texts[i] = int64(key.UserID), key.Key
	}
	return users, texts
}

// ascending sorts values and drops duplicates, in place.
func ascending[T cmp.Ordered](values []T) []T {
	slices.Sort(values)
	return slices.Compact(values)
}
