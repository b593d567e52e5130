package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// These benchmarks show the cost of decoding rows, see collect.

func BenchmarkListBets(b *testing.B) {
	store, conn := openBench(b)
	change(b, conn, `insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at, status, payout, settled_at)
		select 1, 1, 1000, 145, 1, now(), case when won then 2 else 1 end, case when won then 1450 end, case when won then now() end
		from (select n % 3 > 0 as won from generate_series(1, 100) as n) as bets`)
	b.ReportAllocs()
	for b.Loop() {
		if bets, err := store.Bets.List(b.Context(), ports.BetFilter{UserID: 1}, 50); err != nil || len(bets) != 50 {
			b.Fatalf("list bets: got %d, %v", len(bets), err)
		}
	}
}

func BenchmarkSettleChunk(b *testing.B) {
	store, conn := openBench(b)
	const bets = 500
	change(b, conn, `insert into wallets (user_id, held) select n, 1000 from generate_series(2, $1::integer) as n`, bets)
	change(b, conn, `insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at)
		select n, 1, 1000, 145, 1, now() from generate_series(1, $1::integer) as n`, bets)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		change(b, conn, `update events set state = 5 - greatest(state, 2), settle_revision = settle_revision + 1, resulted_at = now()`)
		b.StartTimer()
		chunk, err := store.Settlements.SettleChunk(b.Context(), 1, 0, bets, (*domain.Settling).Settle)
		if err != nil || chunk.Changed != bets {
			b.Fatalf("settle: got %+v, %v", chunk, err)
		}
	}
}

// openBench opens a store with user 1 and event 1, and a connection to its database.
func openBench(b *testing.B) (*postgres.Store, *pgx.Conn) {
	b.Helper()
	url := postgrestest.NewDatabase(b)
	store, conn := open(b, postgres.Config{URL: url}), connect(b, url)
	change(b, conn, `insert into users (name, username, username_folded, email, email_folded, password_hash, role, created_at, updated_at)
		select '', n, n, n, n, '', 1, now(), now() from generate_series(1, 500) as n`)
	change(b, conn, "insert into wallets (user_id, held) values (1, 1000)")
	change(b, conn, `insert into events (id, dataset, seq, version, name, coefficient, deadline, state, suspended, result_revision, created_at, updated_at)
		values (1, 'D', 1, 1, '', 145, '2100-01-01', 1, false, 0, now(), now())`)
	return store, conn
}

func change(b *testing.B, conn *pgx.Conn, statement string, args ...any) {
	b.Helper()
	if _, err := conn.Exec(b.Context(), statement, args...); err != nil {
		b.Fatalf("%s: %v", statement, err)
	}
}
