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
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// forgetAtOnce bounds the refusals in one transaction of ForgetRefusals.
const forgetAtOnce = 5000

// Placements implements ports.Placements. A batch is a transaction of two round trips: the first locks
// and reads the working set, the last writes the decisions. A batch that repeats accepted bets, or whose
// liabilities are not stored, needs one more to read them, see readRest.
type Placements struct {
	placing *pool
	rest    *pool
}

// Place implements ports.Placements. ctx bounds only the wait for a connection.
func (p *Placements) Place(
	ctx context.Context, batch ports.Batch, decide func(*domain.WorkingSet) []domain.Decision,
) (decisions []domain.Decision, err error) {
	if len(batch.Placements) == 0 {
		return nil, nil
	}
	err = p.placing.transact(ctx, func(ctx context.Context, tx *transaction) error {
		rows, err := lockWorkingSet(ctx, tx, batch)
		if err != nil {
			return err
		}
		set, expired, err := workingSet(rows)
		if err != nil {
			return err
		}
		if batch.WithLiabilities {
			if set.Liabilities, err = liabilities(rows); err != nil {
				return err
			}
		}
		decisions = decide(set)
		if len(decisions) != len(batch.Placements) {
			return fmt.Errorf("%d decisions on %d placements", len(decisions), len(batch.Placements))
		}
		crashpoint.Hit("place.decided")
		if err := queueDecisions(tx, batch.Placements, decisions, set, expired, rows.now); err != nil {
			return err
		}
		queueLiabilities(tx, rows.stored, set.Liabilities)
		if tx.isEmpty() {
			return nil
		}
		return tx.commit(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("place %d bets: %w", len(batch.Placements), err)
	}
	crashpoint.Hit("place.committed")
	return decisions, nil
}

// workingRows are the rows of a working set.
type workingRows struct {
	wallets  []pgdb.Wallet
	events   []pgdb.Event
	verdicts []pgdb.StoredVerdictsRow
	replayed []pgdb.Bet // of verdicts
	betIDs   []int64
	now      time.Time

	// stored are the stored liabilities, if liabilities are wanted. unstored are the events without one.
	// The former are locked by their rows, the latter by their advisory locks.
	stored   []pgdb.Liability
	unstored []int64
	pending  []pgdb.PendingBetsRow // on the unstored events
}

// lockWorkingSet locks and reads what a batch is decided on. Each statement sees what was committed
// before it began, so rows are read after they were locked. The clock is read last, when no lock is
// waited for any more.
func lockWorkingSet(ctx context.Context, tx *transaction, batch ports.Batch) (rows workingRows, err error) {
	var (
		users    = make([]int64, 0, len(batch.Placements))
		eventIDs = make([]int64, 0, len(batch.Placements))
		keys     []domain.VerdictKey
		locked   []pgdb.LockMissingLiabilitiesRow
	)
	for _, placement := range batch.Placements {
		users = append(users, int64(placement.UserID))
		eventIDs = append(eventIDs, int64(placement.EventID))
		if placement.IdempotencyKey != "" {
			keys = append(keys, domain.VerdictKey{UserID: placement.UserID, Key: placement.IdempotencyKey})
		}
	}
	eventIDs = ascending(eventIDs)
	queryMany(tx, (*pgdb.Queries).LockWallets, ascending(users), &rows.wallets)
	exec(tx, (*pgdb.Queries).LockEventsShared, eventIDs)
	if batch.WithLiabilities {
		query(tx, (*pgdb.Queries).LockMissingLiabilities, eventIDs, &locked)
		query(tx, (*pgdb.Queries).LockLiabilities, eventIDs, &rows.stored)
	}
	query(tx, (*pgdb.Queries).EventsByID, eventIDs, &rows.events)
	if len(keys) > 0 {
		query(tx, (*pgdb.Queries).StoredVerdicts, storedVerdictsParams(keys), &rows.verdicts)
	}
	query(tx, (*pgdb.Queries).ReserveBetIDs, limit32(len(batch.Placements)), &rows.betIDs)
	queryPlain(tx, (*pgdb.Queries).Clock, &rows.now)
	if err := tx.exchange(ctx); err != nil {
		return rows, err
	}
	if batch.WithLiabilities {
		if rows.unstored, err = unstored(rows, locked); err != nil {
			return rows, err
		}
	}
	return rows, readRest(ctx, tx, &rows)
}

// unstored returns the events that exist and have no stored liability. It fails if one of them is not
// among those whose liability was locked because it was missing.
func unstored(rows workingRows, locked []pgdb.LockMissingLiabilitiesRow) (events []int64, err error) {
	stored := liabilitiesFromRows(rows.stored)
	for _, event := range rows.events {
		if _, ok := stored[domain.EventID(event.ID)]; ok {
			continue
		}
		if !slices.ContainsFunc(locked, func(l pgdb.LockMissingLiabilitiesRow) bool { return l.EventID == event.ID }) {
			return nil, errLiabilityForgotten
		}
		events = append(events, event.ID)
	}
	return events, nil
}

// readRest reads what few batches need: the bets of accepted verdicts, and the pending bets on events
// without a stored liability. The latter may take a while, so it reads the clock again.
func readRest(ctx context.Context, tx *transaction, rows *workingRows) error {
	var bets []int64
	for _, verdict := range rows.verdicts {
		if verdict.BetID != 0 {
			bets = append(bets, verdict.BetID)
		}
	}
	if len(bets) > 0 {
		query(tx, (*pgdb.Queries).BetsByID, bets, &rows.replayed)
	}
	if len(rows.unstored) > 0 {
		query(tx, (*pgdb.Queries).PendingBets, rows.unstored, &rows.pending)
		queryPlain(tx, (*pgdb.Queries).Clock, &rows.now)
	}
	if tx.isEmpty() {
		return nil
	}
	return tx.exchange(ctx)
}

// expiredKeys are the keys of refusals that have expired and are still stored.
type expiredKeys map[domain.VerdictKey]struct{}

func workingSet(rows workingRows) (*domain.WorkingSet, expiredKeys, error) {
	set := &domain.WorkingSet{
		Wallets:       walletsFromRows(rows.wallets),
		TokenVersions: make(map[domain.UserID]int32, len(rows.wallets)),
		Events:        make(map[domain.EventID]domain.Event, len(rows.events)),
		Verdicts:      make(map[domain.VerdictKey]domain.Verdict, len(rows.verdicts)),
		BetIDs:        column(rows.betIDs, func(id *int64) domain.BetID { return domain.BetID(*id) }),
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
	expired, err := addVerdicts(set, rows)
	return set, expired, err
}

// liabilities returns the stored liabilities, and those of the unstored events.
func liabilities(rows workingRows) (map[domain.EventID]money.Amount, error) {
	liabilities := liabilitiesFromRows(rows.stored)
	for _, event := range rows.unstored {
		liabilities[domain.EventID(event)] = money.Amount{}
	}
	for _, row := range rows.pending {
		coefficient, err := odds.FromHundredths(int64(row.Coefficient))
		if err != nil {
			return nil, fmt.Errorf("bets on event %d: %w", row.EventID, err)
		}
		bet := domain.Bet{Stake: money.FromMinor(row.Stake), Coefficient: coefficient, HalfEven: row.HalfEven}
		event := domain.EventID(row.EventID)
		liabilities[event] = liabilities[event].Plus(domain.PendingBets{Bet: bet, Count: row.Bets}.Liability())
	}
	return liabilities, nil
}

// addVerdicts adds the verdicts that have not expired to set, and returns the keys of the others.
func addVerdicts(set *domain.WorkingSet, rows workingRows) (expiredKeys, error) {
	expired, replayed := make(expiredKeys), betsByID(rows.replayed)
	for _, row := range rows.verdicts {
		key := domain.VerdictKey{UserID: domain.UserID(row.UserID), Key: row.Key}
		if row.Expired {
			expired[key] = struct{}{}
			continue
		}
		var err error
		if set.Verdicts[key], err = verdictFromRow(row, replayed); err != nil {
			return nil, err
		}
	}
	return expired, nil
}

// queueDecisions queues the writes of the decisions that are new.
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

// queueVerdicts queues the writes of verdicts, which replace those that have expired.
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
		exec(tx, (*pgdb.Queries).DeleteRefusals, pgdb.DeleteRefusalsParams{UserIds: users, Keys: texts})
	}
	p, err := verdictsToArrays(verdicts, now)
	if err != nil {
		return err
	}
	exec(tx, (*pgdb.Queries).InsertVerdicts, p)
	return nil
}

// queueBets queues the writes of accepted bets, of the transfers of their stakes, in the same
// order, and of their wallets.
func queueBets(tx *transaction, bets []domain.Bet, wallets map[domain.UserID]domain.Wallet) {
	exec(tx, (*pgdb.Queries).InsertBets, betsToArrays(bets))
	transfers, users := make([]domain.Transfer, len(bets)), make([]domain.UserID, len(bets))
	for i, bet := range bets {
		transfers[i], users[i] = bet.StakeTransfer(), bet.UserID
	}
	queueBetTransfers(tx, transfers, bets[0].AcceptedAt)
	queueWallets(tx, ascending(users), wallets)
}

// queueTransfers queues the writes of transfers, and returns their ids in the same order.
func queueTransfers(tx *transaction, transfers []domain.Transfer, ids *[]int64) {
	if len(transfers) > 0 {
		query(tx, (*pgdb.Queries).InsertTransfers, transfersToArrays(transfers), ids)
	}
}

// queueWallets queues the writes of the money of wallets and of the amounts staked from them.
func queueWallets(tx *transaction, users []domain.UserID, wallets map[domain.UserID]domain.Wallet) {
	if len(users) > 0 {
		exec(tx, (*pgdb.Queries).WriteWallets, walletsToArrays(users, wallets))
	}
}

// queueLiabilities queues the writes of liabilities that changed or were not stored.
func queueLiabilities(tx *transaction, rows []pgdb.Liability, liabilities map[domain.EventID]money.Amount) {
	var p pgdb.WriteLiabilitiesParams
	stored := liabilitiesFromRows(rows)
	for event, amount := range liabilities {
		if before, ok := stored[event]; !ok || before != amount {
			p.EventIds = append(p.EventIds, int64(event))
			p.Amounts = append(p.Amounts, amount.Minor())
		}
	}
	if len(p.EventIds) > 0 {
		exec(tx, (*pgdb.Queries).WriteLiabilities, p)
	}
}

// Verdict implements ports.Placements.
func (p *Placements) Verdict(ctx context.Context, key domain.VerdictKey) (verdict domain.Verdict, err error) {
	err = p.rest.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := q.StoredVerdicts(ctx, storedVerdictsParams([]domain.VerdictKey{key}))
		if err != nil {
			return err
		}
		if len(rows) == 0 || rows[0].Expired {
			return ports.ErrNotFound
		}
		bets, err := q.BetsByID(ctx, []int64{rows[0].BetID})
		if err != nil {
			return err
		}
		verdict, err = verdictFromRow(rows[0], betsByID(bets))
		return err
	})
	return verdict, err
}

// ForgetRefusals implements ports.Placements, in transactions of forgetAtOnce refusals.
func (p *Placements) ForgetRefusals(ctx context.Context) (int64, error) {
	for total := int64(0); ; {
		var forgotten int64
		err := p.rest.write(ctx, func(tx *transaction) {
			query(tx, (*pgdb.Queries).ForgetRefusals, pgdb.ForgetRefusalsParams{RefusalsLast: domain.RefusalTTL, AtMost: forgetAtOnce}, &forgotten)
		})
		total += forgotten
		if err != nil || forgotten < forgetAtOnce {
			return total, err
		}
	}
}

// ForgetLiabilities implements ports.Placements.
func (p *Placements) ForgetLiabilities(ctx context.Context) error {
	return p.rest.write(ctx, func(tx *transaction) { execPlain(tx, (*pgdb.Queries).ForgetLiabilities) })
}

func storedVerdictsParams(keys []domain.VerdictKey) pgdb.StoredVerdictsParams {
	users, texts := keysToArrays(keys)
	return pgdb.StoredVerdictsParams{RefusalsLast: domain.RefusalTTL, UserIds: users, Keys: texts}
}

func keysToArrays(keys []domain.VerdictKey) (users []int64, texts []string) {
	return column(keys, func(k *domain.VerdictKey) int64 { return int64(k.UserID) }),
		column(keys, func(k *domain.VerdictKey) string { return k.Key })
}

// ascending sorts values and drops duplicates, in place.
func ascending[T cmp.Ordered](values []T) []T {
	slices.Sort(values)
	return slices.Compact(values)
}
