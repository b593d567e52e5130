package postgres_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

const benchUsers = 500

func benchStore(b *testing.B) (*postgres.Store, *pgx.Conn) {
	b.Helper()
	url := postgrestest.NewDatabase(b)
	store, err := postgres.Open(b.Context(), quiet(url))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(store.Close)
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close(context.WithoutCancel(b.Context())) })
	for _, statement := range []string{
		`insert into users (name, username, username_folded, email, email_folded, password_hash, role, created_at, updated_at)
			select '', n::text, n::text, n::text, n::text, '', 1, now(), now() from generate_series(1, 500) n`,
		"insert into wallets (user_id, balance) select id, 100000000000 from users",
		`insert into events (id, dataset, seq, version, name, coefficient, deadline, state, suspended, result_revision, created_at, updated_at)
			values (1, 'D', 1, 1, '', 145, '2100-01-01', 1, false, 0, now(), now())`,
	} {
		run(b, conn, statement)
	}
	return store, conn
}

func run(b *testing.B, conn *pgx.Conn, statement string) {
	b.Helper()
	if _, err := conn.Exec(b.Context(), statement); err != nil {
		b.Fatal(err)
	}
}

func cpu() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

func measure(b *testing.B, once func(i int)) {
	b.Helper()
	b.ReportAllocs()
	var spent int64
	for i := 0; b.Loop(); i++ {
		before := cpu()
		once(i)
		spent += cpu() - before
	}
	b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
}

func BenchmarkList50(b *testing.B) {
	store, conn := benchStore(b)
	run(b, conn, `insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at, status, payout, settled_at)
		select 1, 1, 1000, 145, 1, now(), case n % 3 when 0 then 1 else 2 end, case n % 3 when 0 then null else 1450 end, case n % 3 when 0 then null else now() end
		from generate_series(1, 100) n`)
	measure(b, func(int) {
		if bets, err := store.Bets.List(b.Context(), ports.BetFilter{UserID: 1}, 50); err != nil || len(bets) != 50 {
			b.Fatal(len(bets), err)
		}
	})
}

func BenchmarkSettle500(b *testing.B) {
	store, conn := benchStore(b)
	run(b, conn, `insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at) select n, 1, 1000, 145, 1, now() from generate_series(1, 500) n`)
	run(b, conn, `update wallets set held = 1000`)
	b.ReportAllocs()
	var spent, ns int64
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		run(b, conn, fmt.Sprintf("update events set state = 2 + %d, settle_revision = %d, result_revision = %d, resulted_at = now(), effective_at = '2099-01-01'", i%2, i+1, i+1))
		b.StartTimer()
		before, at := cpu(), time.Now()
		chunk, err := store.Settlements.SettleChunk(b.Context(), 1, 0, 500, (*domain.Settling).Settle)
		if err != nil || chunk.Settled != 500 || chunk.Changed != 500 {
			b.Fatal(chunk, err)
		}
		spent += cpu() - before
		ns += time.Since(at).Nanoseconds()
	}
	b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
}

func BenchmarkPlace64(b *testing.B) {
	store, _ := benchStore(b)
	measure(b, func(i int) {
		var batch []domain.Placement
		for n := range 64 {
			batch = append(batch, domain.Placement{UserID: domain.UserID((i*64+n)%benchUsers + 1), EventID: 1, Stake: money.MustParse("1.00"),
				Policy: domain.OddsChangeAny, IdempotencyKey: fmt.Sprint(i)})
		}
		_, err := store.Placements.Place(b.Context(), ports.Batch{Placements: batch}, func(set *domain.WorkingSet) []domain.Decision { return set.Decide(limits, batch) })
		if err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkSeal1000(b *testing.B) {
	store, conn := benchStore(b)
	b.ReportAllocs()
	var spent int64
	for b.Loop() {
		b.StopTimer()
		run(b, conn, `insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, at) select 1, 1, 2, 100, 4, n.n + (select coalesce(max(id), 0) from transfers), 0, now() from generate_series(1, 1000) n`)
		b.StartTimer()
		before := cpu()
		_, _, err := store.Ledger.Seal(b.Context(), 1000, func(newest domain.Seal, transfers []domain.Transfer, now time.Time) domain.Seal {
			return newest.Next(transfers, now)
		})
		if err != nil {
			b.Fatal(err)
		}
		spent += cpu() - before
	}
	b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
}
