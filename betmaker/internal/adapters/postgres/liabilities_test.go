package postgres_test

import (
	"maps"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

func id[ID domain.UserID | domain.EventID](id ID) string { return strconv.FormatInt(int64(id), 10) }

// liabilities returns the liabilities of events, as a batch that places no bets sees them.
func liabilities(t *testing.T, store *postgres.Store, events ...domain.EventID) (found map[domain.EventID]money.Amount) {
	t.Helper()
	batch := ports.Batch{WithLiabilities: true}
	for _, event := range events {
		batch.Placements = append(batch.Placements, domain.Placement{UserID: 1, EventID: event})
	}
	_, err := store.Placements.Place(t.Context(), batch, func(set *domain.WorkingSet) []domain.Decision {
		found = maps.Clone(set.Liabilities)
		return make([]domain.Decision, len(events))
	})
	if err != nil {
		t.Fatalf("ask for liabilities: %v", err)
	}
	return found
}

// A missing liability is computed to the minor unit, as the sum over the pending bets.
func TestComputedLiability(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url})
	user := prepare(t, store)
	bets := []domain.Bet{}
	for _, stake := range []int64{1, 2, 3, 50, 99, 100, 150, 250, 9_999_999_999_999} {
		for _, price := range []int64{100, 101, 125, 145, 150, 250, 999, 9_999_999} {
			bets = append(bets, newBet(t, stake, price))
		}
	}
	for range 200 {
		bets = append(bets, newBet(t, 1+rand.Int64N(9_999_999_999_999), 100+rand.Int64N(9_999_900)), newBet(t, 1+rand.Int64N(1000), 100+rand.Int64N(1000)))
	}
	want := make(map[domain.EventID]money.Amount)
	var events []domain.EventID
	conn := connect(t, url)
	for i, bet := range bets {
		event := domain.EventID(i + 10)
		events = append(events, event)
		_, err := conn.Exec(t.Context(), `insert into events (id, dataset, seq, version, name, coefficient, deadline, state, suspended, result_revision,
			created_at, updated_at) values ($1, 'D', 1, 1, '', 145, now(), 1, false, 0, now(), now())`, int64(event))
		if err != nil {
			t.Fatalf("add an event: %v", err)
		}
		for range 1 + i%3 {
			_, err := conn.Exec(t.Context(), `insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at, half_even)
				values ($1, $2, $3, $4, 1, now(), $5)`, int64(user), int64(event), bet.Stake.Minor(), bet.Coefficient.Hundredths(), bet.HalfEven)
			if err != nil {
				t.Fatalf("add a bet: %v", err)
			}
			want[event] = want[event].Plus(bet.Liability())
		}
		// Bets that are not pending add nothing.
		_, err = conn.Exec(t.Context(), `insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at, status, payout)
			values ($1, $2, 1000, 200, 1, now(), 3, 0)`, int64(user), int64(event))
		if err != nil {
			t.Fatalf("add a bet: %v", err)
		}
	}
	got := liabilities(t, store, events...)
	for i, event := range events {
		if got[event] != want[event] {
			t.Errorf("%s at %s: got the liability %s, want %s", bets[i].Stake, bets[i].Coefficient, got[event], want[event])
		}
	}
}

func newBet(t *testing.T, stake, hundredths int64) domain.Bet {
	t.Helper()
	price, err := odds.FromHundredths(hundredths)
	if err != nil {
		t.Fatalf("odds: %v", err)
	}
	return domain.Bet{Stake: money.FromMinor(stake), Coefficient: price, HalfEven: stake%2 == 0, Standing: domain.Standing{Settlement: domain.Settlement{Status: domain.StatusPending}}}
}

// Computing a liability and settling bets wait for each other, so that no change is lost.
func TestLiabilityIsComputedWhileBetIsCancelled(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url})
	user := prepare(t, store)
	for range 2 {
		if _, err := place(t.Context(), store, user, "", nothing); err != nil {
			t.Fatalf("place: %v", err)
		}
	}
	bets, err := store.Bets.List(t.Context(), ports.BetFilter{}, 2)
	if err != nil || len(bets) != 2 {
		t.Fatalf("list bets: %v, %v", bets, err)
	}
	other := addUser(t, store, "other")
	cancelled := make(chan error, 1)
	batch := []domain.Placement{{UserID: other, EventID: 1, Stake: money.MustParse("10.00"), Policy: domain.OddsChangeAny}}

	_, err = store.Placements.Place(t.Context(), ports.Batch{Placements: batch, WithLiabilities: true}, func(set *domain.WorkingSet) []domain.Decision {
		go func() {
			_, err := store.Settlements.CancelBet(t.Context(), bets[0].ID, cancel)
			cancelled <- err
		}()
		// The cancellation is about to change the liability, whose row is not committed yet.
		waitForLock(t, url)
		return set.Decide(limits, batch)
	})
	if err != nil {
		t.Fatalf("place: %v", err)
	}
	if err := <-cancelled; err != nil {
		t.Fatalf("cancel: %v", err)
	}
	if got, want := liabilities(t, store, 1)[1], money.MustParse("9.00"); got != want {
		t.Errorf("the liability of two bets is %s, want %s", got, want)
	}
}

func cancel(set *domain.Settling) (*ports.Cancellation, error) {
	settled, _, err := set.Cancel(time.Hour)
	return &ports.Cancellation{Settled: settled}, err
}

// waitForLock returns when a transaction waits for an advisory lock of the database.
func waitForLock(t *testing.T, url string) {
	t.Helper()
	conn := connect(t, url)
	for giveUp := time.Now().Add(time.Minute); time.Now().Before(giveUp); {
		var waits bool
		err := conn.QueryRow(t.Context(), `select exists (select from pg_locks where locktype = 'advisory' and not granted
			and database = (select oid from pg_database where datname = current_database()))`).Scan(&waits)
		if err != nil {
			t.Errorf("look for locks: %v", err)
			return
		}
		if waits {
			return
		}
	}
	t.Error("no transaction waits for a lock")
}

// A wrong liability, because bets were placed without it, does not block settling.
func TestWrongLiabilityDoesNotBlockSettling(t *testing.T) {
	t.Parallel()
	store := open(t, postgres.Config{URL: postgrestest.NewDatabase(t)})
	user := prepare(t, store)
	if got := liabilities(t, store, 1); got[1] != (money.Amount{}) {
		t.Fatalf("a liability without bets: %v", got)
	}
	if _, err := place(t.Context(), store, user, "", nothing); err != nil {
		t.Fatalf("place: %v", err)
	}
	finish(t, store)
	chunk, err := store.Settlements.SettleChunk(t.Context(), 1, 0, 10, (*domain.Settling).Settle)
	if err != nil || chunk.Settled != 1 {
		t.Errorf("settle: got %+v, %v", chunk, err)
	}
}
