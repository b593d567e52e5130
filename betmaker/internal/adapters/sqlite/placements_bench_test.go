package sqlite_test

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/adapters/sqlite/sqlitetest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

const (
	benchUsers  = 100_000
	benchEvents = 1000
	benchBatch  = 64
)

// BenchmarkPlace places batches of bets of different users, each with a key.
func BenchmarkPlace(b *testing.B) {
	store := sqlitetest.New(b)
	fillForBench(b, store)
	for b.Loop() {
		placeRandom(b, store)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*benchBatch), "µs/bet")
}

// placeRandom places one batch of bets.
func placeRandom(b *testing.B, store *sqlite.Store) {
	b.Helper()
	batch := make([]domain.Placement, benchBatch)
	for i := range batch {
		batch[i] = domain.Placement{
			UserID: domain.UserID(1 + rand.IntN(benchUsers)), EventID: domain.EventID(1 + rand.IntN(benchEvents)),
			Stake: money.MustParse("10.00"), Policy: domain.OddsChangeAny,
			IdempotencyKey: strconv.FormatUint(rand.Uint64(), 36), RequestID: "0123456789abcdef0123456789abcdef",
		}
	}
	decisions, err := store.Placements.Place(b.Context(), ports.Batch{Placements: batch}, func(set *domain.WorkingSet) []domain.Decision {
		return set.Decide(upTo(batch[0].Stake), batch)
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, decision := range decisions {
		if !decision.Accepted() {
			b.Fatalf("not accepted: %+v", decision)
		}
	}
}

// fillForBench adds users with money, and events that take bets.
func fillForBench(b *testing.B, store *sqlite.Store) {
	b.Helper()
	const numbers = "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ?1) "
	execute(b, store, numbers+`insert into users (name, username, email, username_folded, email_folded, password_hash, role, created_at, updated_at)
		select 'n', n, n, n, n, '', 1, 0, 0 from numbers`, benchUsers)
	execute(b, store, numbers+`insert into wallets (user_id, balance) select n, 10000000000 from numbers`, benchUsers)
	var ids []domain.EventID
	var events []domain.Event
	for id := domain.EventID(1); id <= benchEvents; id++ {
		ids, events = append(ids, id), append(events, domain.Event{LineEvent: domain.LineEvent{
			ID: id, Dataset: "D", Seq: int64(id), Version: 1, Coefficient: odds.MustParse("1.85"),
			Deadline: time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC), State: domain.StateNew,
		}})
	}
	err := store.Events.Update(b.Context(), ids, func(time.Time, map[domain.EventID]domain.Event) []domain.Event { return events })
	if err != nil {
		b.Fatal(err)
	}
}
