package sqlite_test

import (
	"database/sql"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/adapters/sqlite/sqlitetest"
	"stavka.local/betmaker/internal/ports/portstest"
	stavkasql "stavka.local/sql"
)

// TestQueriesReachTheirRowsByKey checks the plan of every query. Plans do not depend on the size of tables.
func TestQueriesReachTheirRowsByKey(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	queries := generatedQueries(t)
	if len(queries) < 20 {
		t.Fatalf("found only %d generated queries", len(queries))
	}
	// A query for the rows of one user or event must not walk the rows of others.
	index := map[string]string{
		"betsBehind":         "bets_event_id_idx (event_id=? AND rowid>?)",
		"firstBetBehind":     "bets_event_id_idx (event_id=?)",
		"listBetsOnEvent":    "bets_event_id_idx (event_id=? AND rowid<?)",
		"listBetsOfUser":     "transfers_user_id_idx (user_id=? AND rowid<?)",
		"openEvents":         "events_open_idx (id>?)",
		"undecidedEvents":    "events_open_idx (id>?)",
		"eventsAbove":        "events_seq_idx (dataset=? AND seq>?)",
		"unsettled":          "events_unsettled_idx",
		"countLoginFailures": "login_failures_subject_idx (subject=? AND failed_at>?)",
		"forgetRefusals":     "verdicts_refused_idx (decided_at<?)",
		"pendingBets":        "bets_event_id_idx (event_id=? AND rowid>?)",

		"listTransfersOfUser":   "transfers_user_id_idx (user_id=? AND rowid<?)",
		"listTransfersOfBet":    "transfers_bet_key (bet_id=?)",
		"ledgerTransfersOfBets": "transfers_bet_key (bet_id>?)",

		"listAuditRecordsOnSubject": "audit_log_subject_idx (subject=? AND rowid<?)",
		"listAuditRecordsOfActor":   "audit_log_actor_id_idx (actor_id=? AND rowid<?)",
		"listAuditRecordsOfAction":  "audit_log_action_idx (action=? AND rowid<?)",
	}
	for name := range index {
		if queries[name] == "" {
			t.Errorf("there is no query %s", name)
		}
	}
	for name, query := range queries {
		checkPlan(t, name, explain(t, store, query), index[name])
	}
}

// checkPlan checks that a plan scans no whole table, does not sort, and uses the index if one is given.
func checkPlan(t *testing.T, query, plan, index string) {
	t.Helper()
	for line := range strings.Lines(plan) {
		isWhole := strings.HasPrefix(line, "SCAN ") && !strings.Contains(line, " INDEX ")
		if isWhole && !strings.Contains(line, "feed_cursor") { // which is one row
			t.Errorf("%s reads a whole table:\n%s", query, plan)
		}
	}
	// Lists must have the order of an index, or a page costs as much as the whole list.
	if strings.Contains(plan, "TEMP B-TREE") {
		t.Errorf("%s sorts:\n%s", query, plan)
	}
	if !strings.Contains(plan, index) {
		t.Errorf("%s does not use %s:\n%s", query, index, plan)
	}
}

func explain(t *testing.T, store *sqlite.Store, query string) string {
	t.Helper()
	nulls := make([]any, strings.Count(query, "?")) // at least one for each parameter
	return strings.Join(lastColumn(t, store, "explain query plan "+query, nulls...), "\n")
}

// generatedQueries returns the queries of package sqlitedb by name.
func generatedQueries(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("sqlitedb/*.sql.go")
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
				if queries[constant.Names[0].Name], err = strconv.Unquote(literal.Value); err != nil {
					t.Errorf("unquote %s: %v", constant.Names[0].Name, err)
				}
			}
			return true
		})
	}
	return queries
}

func TestTablesAreStrict(t *testing.T) {
	t.Parallel()
	lax := lastColumn(t, sqlitetest.New(t), `select name from pragma_table_list
		where not strict and name not like 'sqlite\_%' escape '\' and name <> ?1`, goose.DefaultTablename)
	if len(lax) > 0 {
		t.Errorf("these tables take values of any type: %v", lax)
	}
}

func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	mustPlace(t, store, wish(prepare(t, store), "key"))
	for statement, why := range map[string]string{
		"update bets set stake = 0":                                      "bets_stake_check",
		"update bets set stake = 0.5":                                    "cannot store REAL value in INTEGER column",
		"update bets set accepted_at = '2026-01-01'":                     "cannot store TEXT value in INTEGER column",
		"update bets set coefficient = 99":                               "bets_coefficient_check",
		"update bets set status = 5":                                     "bets_status_check",
		"update bets set status = 2":                                     "bets_settled_check",
		"update bets set status = 4, payout = 1":                         "bets_void_reason_check",
		"update bets set user_id = 99":                                   "FOREIGN KEY",
		"update bets set event_id = 99":                                  "FOREIGN KEY",
		"delete from events":                                             "FOREIGN KEY",
		"delete from users":                                              "FOREIGN KEY",
		"update events set coefficient = 99":                             "events_coefficient_check",
		"update events set state = 5":                                    "events_state_check",
		"update events set suspended = 2":                                "events_suspended_check",
		"update events set quarantined = 2":                              "events_quarantined_check",
		"update events set settled_revision = 1":                         "events_settled_revision_check",
		"update users set role = 3":                                      "users_role_check",
		"update users set active = 2":                                    "users_active_check",
		"update wallets set open = 2":                                    "wallets_open_check",
		"update wallets set balance = -1":                                "wallets_balance_check",
		"update wallets set held = -1":                                   "wallets_held_check",
		"update wallets set debt = -1":                                   "wallets_debt_check",
		"update wallets set debt = 1":                                    "wallets_debt_check",
		"insert into liabilities select 1, -1":                           "liabilities_amount_check",
		"insert into transfers select 9, 1, 0, 1, 1, 1, null, 0, '', 0":  "transfers_debit_check",
		"insert into transfers select 9, 1, 1, 1, 1, 1, null, 0, '', 0":  "transfers_credit_check",
		"insert into transfers select 9, 1, 1, 2, 0, 1, null, 0, '', 0":  "transfers_amount_check",
		"insert into transfers select 9, 1, 1, 2, 1, 11, null, 0, '', 0": "transfers_kind_check",
		"insert into transfers select 9, 1, 1, 2, 1, 4, 1, 0, '', 0":     "transfers is append-only",
		"insert into seals select 9, 9, 0, zeroblob(32), 0":              "seals_count_check",
		"insert into seals select 9, 9, 1, zeroblob(31), 0":              "seals_hash_check",
		"update verdicts set transfer_id = 1":                            "verdicts_either_check",
		"update verdicts set bet_id = null":                              "verdicts_either_check",
		"update verdicts set fingerprint = 'text'":                       "cannot store TEXT value in BLOB column",
		"insert into feed_cursor select 2, '', 0, 0":                     "feed_cursor_single_check",
		"insert into login_failures (subject, failed_at) values (1, '')": "cannot store TEXT value in INTEGER column",
	} {
		if err := tryExecute(t, store, statement); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: got the error %v, want one about %s", statement, err, why)
		}
	}
}

func TestAppendOnlyTablesRefuseChanges(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	prepare(t, store)
	execute(t, store, "insert into seals select 1, 1, 1, zeroblob(32), 0")
	execute(t, store, "insert into audit_log select 1, 0, 0, '', '', '', '', '', null, null, '', ''")
	for table, columns := range map[string]string{
		"transfers": "id, user_id, debit, credit, amount, kind, revision, at", "seals": "id, last_transfer, count, hash, at",
		"audit_log": "id, at, actor_id, address, request_id, action, subject, reason",
	} {
		for _, statement := range []string{
			"update " + table + " set at = at + 1", "delete from " + table,
			fmt.Sprintf("insert or replace into %s (%s) select %s from %s", table, columns, columns, table),
		} {
			if err := tryExecute(t, store, statement); err == nil || !strings.Contains(err.Error(), table+" is append-only") {
				t.Errorf("%s: got the error %v, want one about %s", statement, err, table)
			}
		}
	}
}

func TestMigrateUpDownUp(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	for range 2 {
		store := open(t, sqlite.Config{File: file})
		mustPlace(t, store, wish(prepare(t, store), "key"))
		if err := store.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		migrateDown(t, file)
	}
}

func TestOldBetsKeepTheirRounding(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	store := open(t, sqlite.Config{File: file})
	portstest.KeepsOldRounding(t, portstest.Stores{Stores: store.Stores}, "0", func(statements ...string) portstest.Stores {
		if err := store.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		migrateDownTo(t, file, 3, statements...)
		return portstest.Stores{Stores: open(t, sqlite.Config{File: file}).Stores}
	})
}

// migrateDown reverts all migrations, and checks that no table is left.
func migrateDown(t *testing.T, file string) {
	t.Helper()
	left := migrateDownTo(t, file, 0)
	if !slices.Equal(left, []string{goose.DefaultTablename}) {
		t.Errorf("left behind: %v", left)
	}
}

// migrateDownTo reverts the migrations after a version, executes statements, and lists the schema.
func migrateDownTo(t *testing.T, file string, version int64, statements ...string) []string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=foreign_keys(1)")
	if err != nil {
		t.Fatalf("open the file: %v", err)
	}
	defer func() { _ = db.Close() }()
	migrations, err := goose.NewProvider(goose.DialectSQLite3, db, stavkasql.BetMakerSQLite, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatalf("read the migrations: %v", err)
	}
	if _, err := migrations.DownTo(t.Context(), version); err != nil {
		t.Fatalf("migrate down: %v", err)
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	rows, err := db.QueryContext(t.Context(), "select name from sqlite_schema where name not like 'sqlite\\_%' escape '\\'")
	if err != nil {
		t.Fatalf("list the schema: %v", err)
	}
	left, err := scanLastColumn(rows)
	if err != nil {
		t.Fatalf("list the schema: %v", err)
	}
	return left
}
