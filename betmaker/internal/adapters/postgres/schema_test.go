package postgres_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/ports/portstest"
)

func TestConstraintsExist(t *testing.T) {
	t.Parallel()
	conn := connect(t, postgrestest.NewDatabase(t))
	for _, name := range postgres.Constraints {
		var exists bool
		err := conn.QueryRow(t.Context(), "select exists (select from pg_constraint where conname = $1)", name).Scan(&exists)
		if err != nil || !exists {
			t.Errorf("there is no constraint %s: %v", name, err)
		}
	}
}

// TestQueriesReachTheirRowsByKey checks the plan of every query. The adapter turns sequential scans
// off, so that a plan contains one only if no index serves; the result holds for tables of any size.
// The statistics are the most misleading ones: empty tables, all bets by one user on one event, and
// few bets of each user on each event.
func TestQueriesReachTheirRowsByKey(t *testing.T) {
	t.Parallel()
	queries := generatedQueries(t)
	if len(queries) < 20 {
		t.Fatalf("found only %d generated queries", len(queries))
	}
	// A query for the rows of one user or event must not read past the rows of others.
	index := map[string]string{
		"LockBetsBehind":  "bets_settling_idx",
		"FirstBetBehind":  "bets_event_id_idx",
		"ListBetsOnEvent": "bets_event_id_idx",
		"ListBetsOfUser":  "bets_user_id_idx",

		"ListTransfersOfUser":       "transfers_user_id_idx",
		"ListTransfersOfBet":        "transfers_bet_key",
		"LedgerTransfersOfBets":     "transfers_bet_key",
		"PendingBets":               "Index Cond: (event_id = ANY", // of either index that begins with it
		"ListAuditRecordsOnSubject": "audit_log_subject_idx",
		"ListAuditRecordsOfActor":   "audit_log_actor_id_idx",
		"ListAuditRecordsOfAction":  "audit_log_action_idx",
	}
	for name, data := range map[string][]string{
		"empty": nil,
		"lopsided": {
			`insert into users (name, username, username_folded, email, email_folded, password_hash, role, created_at, updated_at)
				values ('', '', '', '', '', '', 1, now(), now())`,
			"insert into wallets (user_id) select id from users",
			`insert into events (id, dataset, seq, version, name, coefficient, deadline, state, suspended, result_revision, created_at, updated_at)
				values (1, 'D', 1, 1, '', 145, now(), 1, false, 0, now(), now())`,
			`insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at)
				select u.id, 1, 1, 145, 1, now() from users u, generate_series(1, 20000)`,
			"insert into verdicts select user_id, 1, id::text, decode(repeat('00', 32), 'hex'), id, null, null, null, '', now() from bets",
			`insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, at)
				select user_id, 1, 2, stake, 4, id, 0, now() from bets`,
			`insert into audit_log (at, actor_id, address, request_id, action, subject, reason)
				select now(), 1, '', '', 'user.change', 'user:1', '' from bets`,
			"analyze",
		},
		"spread": {
			`insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at)
				select n % 997, n % 499, 1, 145, 1, now() from generate_series(1, 20000) as n`,
			"analyze",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, postgrestest.NewDatabase(t))
			for _, statement := range data {
				if _, err := conn.Exec(t.Context(), statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
			settings := maps.Clone(postgres.SessionSettings)
			settings["plan_cache_mode"] = "force_generic_plan"
			for name, value := range settings {
				if _, err := conn.Exec(t.Context(), "select set_config($1, $2, false)", name, value); err != nil {
					t.Fatalf("set %s: %v", name, err)
				}
			}
			for name, query := range queries {
				checkPlan(t, name, explain(t, conn, name, query), index[name])
			}
		})
	}
}

// checkPlan checks that a plan reads only what it needs, from the given index if there is one.
func checkPlan(t *testing.T, query, plan, index string) {
	t.Helper()
	for line := range strings.Lines(plan) {
		if strings.Contains(line, "Seq Scan") && !strings.Contains(line, "feed_cursor") { // which is one row
			t.Errorf("%s reads a whole table:\n%s", query, plan)
		}
	}
	if strings.Contains(plan, "Materialize") {
		t.Errorf("%s reads a table beforehand instead of looking its rows up:\n%s", query, plan)
	}
	// Lists must come from an index in its order. Otherwise a page costs as much as the whole list.
	if strings.Contains(plan, "Limit") && strings.Contains(plan, "Sort") {
		t.Errorf("%s sorts before it limits:\n%s", query, plan)
	}
	if !strings.Contains(plan, index) {
		t.Errorf("%s does not use %s:\n%s", query, index, plan)
	}
}

// generatedQueries returns the queries of package pgdb by name.
func generatedQueries(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("pgdb/*.sql.go")
	if err != nil {
		t.Fatalf("find the generated code: %v", err)
	}
	queries := make(map[string]string)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatalf("parse the generated code: %v", err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			constant, ok := node.(*ast.ValueSpec)
			if !ok || len(constant.Values) != 1 {
				return true
			}
			if literal, ok := constant.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				query, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Errorf("unquote %s: %v", constant.Names[0].Name, err)
				}
				name, _, _ := strings.Cut(strings.TrimPrefix(query, "-- name: "), " ")
				queries[name] = query
			}
			return true
		})
	}
	return queries
}

func explain(t *testing.T, conn *pgx.Conn, name, query string) string {
	t.Helper()
	if _, err := conn.Exec(t.Context(), "prepare "+name+" as "+query); err != nil {
		t.Fatalf("prepare %s: %v", name, err)
	}
	var parameters int
	err := conn.QueryRow(t.Context(), "select cardinality(parameter_types) from pg_prepared_statements where name = lower($1)", name).Scan(&parameters)
	if err != nil {
		t.Fatalf("count the parameters of %s: %v", name, err)
	}
	execute := "explain execute " + name
	if parameters > 0 {
		execute += "(" + strings.Join(slices.Repeat([]string{"null"}, parameters), ", ") + ")"
	}
	rows, err := conn.Query(t.Context(), execute)
	if err != nil {
		t.Fatalf("explain %s: %v", name, err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("explain %s: %v", name, err)
	}
	return strings.Join(lines, "\n")
}

func TestMigrateUpDownUp(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewEmptyDatabase(t)
	config := quiet(url)
	known := migrations(t, config)
	if slices.ContainsFunc(known, func(m postgres.Migration) bool { return !m.AppliedAt.IsZero() }) {
		t.Fatalf("migrations are applied already: %+v", known)
	}
	empty := tables(t, url)
	for range 2 {
		if err := postgres.Migrate(t.Context(), config); err != nil {
			t.Fatalf("migrate: %v", err)
		}
		if applied := migrations(t, config); slices.ContainsFunc(applied, func(m postgres.Migration) bool { return m.AppliedAt.IsZero() }) {
			t.Fatalf("migrations are not applied: %+v", applied)
		}
		// The data is a user with a bet and a verdict.
		store := open(t, config)
		if _, err := place(t.Context(), store, prepare(t, store), "key", nothing); err != nil {
			t.Fatalf("place: %v", err)
		}
		store.Close()
		for range known {
			if err := postgres.MigrateDown(t.Context(), config); err != nil {
				t.Fatalf("migrate down: %v", err)
			}
		}
		if left := tables(t, url); !maps.Equal(left, empty) {
			t.Fatalf("left behind: %v", left)
		}
	}
	if err := postgres.MigrateDown(t.Context(), config); err != nil {
		t.Errorf("migrate down without migrations: %v", err)
	}
}

func TestOldBetsKeepTheirRounding(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, quiet(url))
	portstest.KeepsOldRounding(t, portstest.Stores{Stores: store.Stores}, "'epoch'", func(statements ...string) portstest.Stores {
		store.Close()
		for slices.ContainsFunc(migrations(t, quiet(url)), func(m postgres.Migration) bool { return m.Version == 4 && !m.AppliedAt.IsZero() }) {
			if err := postgres.MigrateDown(t.Context(), quiet(url)); err != nil {
				t.Fatalf("migrate down: %v", err)
			}
		}
		for _, statement := range statements {
			execute(t, url, statement)
		}
		if err := postgres.Migrate(t.Context(), quiet(url)); err != nil {
			t.Fatalf("migrate: %v", err)
		}
		return portstest.Stores{Stores: open(t, quiet(url)).Stores}
	})
}

func TestConcurrentMigrations(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewEmptyDatabase(t)
	var replicas sync.WaitGroup
	for range 4 {
		replicas.Go(func() {
			if err := postgres.Migrate(t.Context(), quiet(url)); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	replicas.Wait()
	if _, err := place(t.Context(), open(t, quiet(url)), 1, "", nothing); err != nil {
		t.Errorf("place: %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	execute(t, url, "insert into goose_db_version (version_id, is_applied) values (99999, true)")
	before := tables(t, url)
	_, statusErr := postgres.Migrations(t.Context(), quiet(url))
	for name, err := range map[string]error{
		"up":     postgres.Migrate(t.Context(), quiet(url)),
		"down":   postgres.MigrateDown(t.Context(), quiet(url)),
		"status": statusErr,
	} {
		if !errors.Is(err, postgres.ErrSchemaNewer) || !strings.Contains(fmt.Sprint(err), "99999") {
			t.Errorf("%s: got the error %v, want %v with the version", name, err, postgres.ErrSchemaNewer)
		}
	}
	if after := tables(t, url); !maps.Equal(after, before) {
		t.Errorf("the schema was changed: got %v, want %v", after, before)
	}
}

func migrations(t *testing.T, config postgres.Config) []postgres.Migration {
	t.Helper()
	known, err := postgres.Migrations(t.Context(), config)
	if err != nil || len(known) == 0 || known[0].Version != 1 || known[0].Name != "00001_initial.sql" {
		t.Fatalf("migrations: %+v, %v", known, err)
	}
	return known
}

// tables describes everything in a database's schema.
func tables(t *testing.T, url string) map[string]bool {
	t.Helper()
	rows, err := connect(t, url).Query(t.Context(), "select relname from pg_class where relnamespace = 'public'::regnamespace")
	if err != nil {
		t.Fatalf("list tables: %v", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("list tables: %v", err)
	}
	found := make(map[string]bool)
	for _, name := range names {
		found[name] = true
	}
	return found
}
