package postgres

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/crashpoint"
	"stavka.local/shared/money"
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
	ctx context.Context, batch ports.Batch, decide func(*domain.WorkingSet) []domain.Decision,
) (decisions []domain.Decision, err error) {
	if len(batch.Placements) == 0 {
		return nil, nil
	}
	err = p.placing.transact(ctx, func(ctx context.Context, tx *transaction) error {
		set, expired, err := lockWorkingSet(ctx, tx, batch)
		if err != nil {
			return err
		}
		now, liabilities := set.Now, maps.Clone(set.Liabilities)
		decisions = decide(set)
		if len(decisions) != len(batch.Placements) {
			return fmt.Errorf("%d decisions on %d placements", len(decisions), len(batch.Placements))
		}
		crashpoint.Hit("place.decided")
		if err := queueDecisions(tx, batch.Placements, decisions, set, expired, now); err != nil {
			return err
		}
		queueLiabilities(tx, liabilities, set.Liabilities)
		if tx.isEmpty() && !batch.WithLiabilities {
			return nil
		}
		// Liabilities that had to be worked out are kept even if nothing was decided on them.
		return tx.commit(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("place %d bets: %w", len(batch.Placements), err)
	}
	crashpoint.Hit("place.committed")
	return decisions, nil
}

// workingRows is a working set as it is read.
type workingRows struct {
	wallets     []pgdb.Wallet
	liabilities []pgdb.Liability
	events      []pgdb.Event
	verdicts    []pgdb.StoredVerdictsRow
	betIDs      []int64
	now         time.Time
}

// lockWorkingSet locks what a batch is decided on and reads it, in one round trip. Each
// statement sees what was committed before it began, so what is read comes after the
// locks, and the clock, after which nothing waits, comes last. It also returns the keys of
// refusals that have expired and are there still.
func lockWorkingSet(ctx context.Context, tx *transaction, batch ports.Batch) (*domain.WorkingSet, expiredKeys, error) {
	var (
		users    = make([]int64, 0, len(batch.Placements))
		eventIDs = make([]int64, 0, len(batch.Placements))
		keys     []domain.VerdictKey
	)
	for _, placement := range batch.Placements {
		users = append(users, int64(placement.UserID))
		eventIDs = append(eventIDs, int64(placement.EventID))
		if placement.IdempotencyKey != "" {
			keys = append(keys, domain.VerdictKey{UserID: placement.UserID, Key: placement.IdempotencyKey})
		}
	}
	eventIDs = ascending(eventIDs)
	var rows workingRows
	tx.query(all(&rows.wallets), pgdb.LockWallets, ascending(users))
	tx.exec(pgdb.LockEventsAgainstClosing, eventIDs)
	if batch.WithLiabilities {
		tx.exec(pgdb.LockMissingLiabilities, eventIDs)
		tx.exec(pgdb.InsertMissingLiabilities, eventIDs)
		tx.query(all(&rows.liabilities), pgdb.LockLiabilities, eventIDs)
	}
	tx.query(all(&rows.events), pgdb.EventsByID, eventIDs)
	if len(keys) > 0 {
		userIDs, texts := keysToArrays(keys)
		tx.query(all(&rows.verdicts), pgdb.StoredVerdicts, domain.RefusalTTL, userIDs, texts)
	}
	tx.query(column(&rows.betIDs), pgdb.ReserveBetIDs, len(batch.Placements))
	tx.query(scalar(&rows.now), pgdb.Clock)
	if err := tx.exchange(ctx); err != nil {
		return nil, nil, err
	}
	set, expired, err := workingSet(rows)
	if err != nil {
		return nil, nil, err
	}
	if batch.WithLiabilities {
		set.Liabilities = make(map[domain.EventID]money.Amount, len(rows.liabilities))
		for _, row := range rows.liabilities {
			set.Liabilities[domain.EventID(row.EventID)] = money.FromMinor(row.Amount)
		}
		for event := range set.Events {
			if _, kept := set.Liabilities[event]; !kept {
				return nil, nil, errLiabilityForgotten
			}
		}
	}
	return set, expired, nil
}

type expiredKeys map[domain.VerdictKey]struct{}

func workingSet(rows workingRows) (*domain.WorkingSet, expiredKeys, error) {
	set := &domain.WorkingSet{
		Wallets:       walletsFromRows(rows.wallets),
		TokenVersions: make(map[domain.UserID]int32, len(rows.wallets)),
		Events:        make(map[domain.EventID]domain.Event, len(rows.events)),
		Verdicts:      make(map[domain.VerdictKey]domain.Verdict, len(rows.verdicts)),
		BetIDs:        make([]domain.BetID, len(rows.betIDs)),
		Now:           rows.now,
	}
	for _, row := range rows.wallets {
		set.TokenVersions[domain.UserID(row.UserID)] = row.TokenVersion
	}
	for _, row := range rows.events {
		event, err := eventFromRow(row)
		if err != nil {
			return nil, nil, err
		}
		set.Events[event.ID] = event
	}
	expired := make(expiredKeys)
	for _, row := range rows.verdicts {
		key := domain.VerdictKey{UserID: domain.UserID(row.UserID), Key: row.Key}
		if row.Expired {
			expired[key] = struct{}{}
			continue
		}
		var err error
		if set.Verdicts[key], err = verdictFromRow(row); err != nil {
			return nil, nil, err
		}
	}
	for i, id := range rows.betIDs {
		set.BetIDs[i] = domain.BetID(id)
	}
	return set, expired, nil
}

// queueDecisions queues the writing of what is new among the decisions.
func queueDecisions(
	tx *transaction, batch []domain.Placement, decisions []domain.Decision, set *domain.WorkingSet, expired expiredKeys, now time.Time,
) error {
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
		queueBets(tx, bets, set.Wallets)
	}
	return queueVerdicts(tx, verdicts, expired, now)
}

// queueVerdicts queues the writing of verdicts, in the place of those that have expired.
func queueVerdicts(tx *transaction, verdicts []keyedVerdict, expired expiredKeys, now time.Time) error {
	if len(verdicts) == 0 {
		return nil
	}
	var replaced []domain.VerdictKey
	for _, verdict := range verdicts {
		if _, ok := expired[verdict.key]; ok {
			replaced = append(replaced, verdict.key)
		}
	}
	if len(replaced) > 0 {
		users, texts := keysToArrays(replaced)
		tx.exec(pgdb.DeleteRefusals, users, texts)
	}
	p, err := verdictsToArrays(verdicts, now)
	if err != nil {
		return err
	}
	tx.exec(pgdb.InsertVerdicts, p.UserIds, p.Keys, p.Fingerprints, p.BetIds, p.Refusals, p.Params, p.RequestIds, p.DecidedAt)
	return nil
}

// queueBets queues the writing of accepted bets, of their stakes' transfers, in the same
// order, and of the wallets that they have left.
func queueBets(tx *transaction, bets []domain.Bet, wallets map[domain.UserID]domain.Wallet) {
	p := betsToArrays(bets)
	tx.exec(pgdb.InsertBets,
		p.Ids, p.UserIds, p.EventIds, p.Stakes, p.Coefficients, p.EventVersions, p.AcceptedAt, p.SettleRevisions)
	transfers, users := make([]domain.Transfer, len(bets)), make([]domain.UserID, len(bets))
	for i, bet := range bets {
		transfers[i], users[i] = bet.StakeTransfer(), bet.UserID
	}
	queueTransfers(tx, ignoreRows, transfers)
	queueWallets(tx, ascending(users), wallets)
}

// queueTransfers queues the writing of transfers, whose ids, in their order, read takes.
func queueTransfers(tx *transaction, read func(pgx.BatchResults) error, transfers []domain.Transfer) {
	if len(transfers) == 0 {
		return
	}
	p := transfersToArrays(transfers)
	tx.query(read, pgdb.InsertTransfers,
		p.UserIds, p.Debits, p.Credits, p.Amounts, p.Kinds, p.BetIds, p.Revisions, p.Refs, p.At)
}

// queueWallets queues the writing of the money of wallets, and of what was staked from them.
func queueWallets(tx *transaction, users []domain.UserID, wallets map[domain.UserID]domain.Wallet) {
	if len(users) == 0 {
		return
	}
	p := walletsToArrays(users, wallets)
	tx.exec(pgdb.WriteWallets, p.UserIds, p.Balances, p.Held, p.Debts, p.Staked, p.StakedDays)
}

// queueLiabilities queues the writing of the liabilities that changed.
func queueLiabilities(tx *transaction, before, after map[domain.EventID]money.Amount) {
	var p pgdb.WriteLiabilitiesParams
	for event, amount := range after {
		if amount != before[event] {
			p.EventIds = append(p.EventIds, int64(event))
			p.Amounts = append(p.Amounts, amount.Minor())
		}
	}
	if len(p.EventIds) > 0 {
		tx.exec(pgdb.WriteLiabilities, p.EventIds, p.Amounts)
	}
}

// Verdict implements ports.Placements.
func (p *Placements) Verdict(ctx context.Context, key domain.VerdictKey) (verdict domain.Verdict, err error) {
	userIDs, texts := keysToArrays([]domain.VerdictKey{key})
	err = p.rest.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := q.StoredVerdicts(ctx, pgdb.StoredVerdictsParams{UserIds: userIDs, Keys: texts, RefusalsLast: domain.RefusalTTL})
		if err != nil {
			return err
		}
		if len(rows) == 0 || rows[0].Expired {
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

// ForgetLiabilities implements ports.Placements.
func (p *Placements) ForgetLiabilities(ctx context.Context) error {
	return p.rest.write(ctx, func(tx *transaction) { tx.exec(pgdb.ForgetLiabilities) })
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
