package postgres_test

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// The index of a user's transfers is by stretches of a million ids. Lists do not depend on that: with
// transfers at the ends of stretches, empty stretches, and transfers of other users in between; from any
// place, of any kind, and with any limit.
func TestTransfersOfUserAcrossStretches(t *testing.T) {
	t.Parallel()
	const stretch = 1 << 20
	url := postgrestest.NewDatabase(t)
	execute(t, url, `insert into transfers (id, user_id, debit, credit, amount, kind, revision, at)
		overriding system value
		select id, 1 + row_number() over (order by id) % 3, 4, 1, 1, 2 + row_number() over (order by id) / 3 % 2, 0, now()
		from generate_series(0, 5) as n, generate_series(-4, 4) as d, lateral (select n * $1::bigint + d) as ids (id)
		where id > 0 and n not in (2, 4)`, stretch)
	execute(t, url, `insert into transfers (id, user_id, debit, credit, amount, kind, revision, at)
		overriding system value values (5, 4, 4, 1, 1, 2, 0, now()), (6, 4, 4, 1, 1, 3, 0, now())`)
	store := open(t, postgres.Config{URL: url})

	everything, err := store.Wallets.Transfers(t.Context(), ports.TransferFilter{}, 1000)
	if err != nil || len(everything) != 4+3*9+2 {
		t.Fatalf("got %d transfers, %v; want %d", len(everything), err, 4+3*9+2)
	}
	places := []domain.TransferID{0}
	for _, transfer := range everything {
		places = append(places, transfer.ID, transfer.ID+1)
	}
	for user := domain.UserID(1); user <= 5; user++ {
		for _, kind := range []domain.TransferKind{0, domain.TransferDeposit, domain.TransferWithdrawal} {
			for _, before := range places {
				filter := ports.TransferFilter{UserID: user, Kind: kind, Before: before}
				var want []domain.TransferID
				for _, transfer := range everything {
					if transfer.UserID == user && (kind == 0 || transfer.Kind == kind) && (before == 0 || transfer.ID < before) {
						want = append(want, transfer.ID)
					}
				}
				for _, limit := range []int{1, 2, 3, 5, 8, 1000} {
					listed, err := store.Wallets.Transfers(t.Context(), filter, limit)
					if err != nil {
						t.Fatalf("list: %v", err)
					}
					var got []domain.TransferID
					for _, transfer := range listed {
						got = append(got, transfer.ID)
					}
					if want := want[:min(limit, len(want))]; !slices.Equal(got, want) {
						t.Fatalf("%d transfers of %+v: got %v, want %v", limit, filter, got, want)
					}
				}
			}
		}
	}
}

// Listing the few transfers of a user does not read those of others, even in the middle of a stretch. A
// query that read up to the end of the stretch would read 100,000 entries.
func TestTransfersOfUserAreReadAlone(t *testing.T) {
	t.Parallel()
	conn := connect(t, postgrestest.NewDatabase(t))
	settings := maps.Clone(postgres.SessionSettings)
	settings["plan_cache_mode"] = "force_generic_plan"
	for name, value := range settings {
		if _, err := conn.Exec(t.Context(), "select set_config($1, $2, false)", name, value); err != nil {
			t.Fatalf("set %s: %v", name, err)
		}
	}
	for _, statement := range []string{
		`insert into transfers (user_id, debit, credit, amount, kind, revision, at)
			select n % 50000, 4, 1, 1, 2, 0, now() from generate_series(1, 200000) as n`,
		"prepare listed as " + generatedQueries(t)["ListTransfersOfUser"],
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	rows, err := conn.Query(t.Context(), "explain (analyze, buffers) execute listed(25000, 9223372036854775807, 0, 10)")
	if err != nil {
		t.Fatalf("explain: %v", err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("explain: %v", err)
	}
	plan := strings.Join(lines, "\n")
	// The line below the first one is the total.
	found := regexp.MustCompile(`rows=(\d+) loops=1\)\n +Buffers: shared hit=(\d+)(?: read=(\d+))?`).FindStringSubmatch(plan)
	if found == nil {
		t.Fatalf("the plan does not show the pages read:\n%s", plan)
	}
	pages := 0
	for _, number := range found[2:] {
		n, _ := strconv.Atoi(number) // there may have been none to read
		pages += n
	}
	if found[1] != "4" || pages == 0 || pages > 50 {
		t.Errorf("read %d pages for %s transfers, want at most 50 for 4:\n%s", pages, found[1], plan)
	}
}
