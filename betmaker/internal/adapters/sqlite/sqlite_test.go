package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/adapters/sqlite/sqlitetest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/ports/portstest"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
	sqlitefile "stavka.local/shared/sqlite"
)

func TestPorts(t *testing.T) {
	t.Parallel()
	portstest.All(t, func(t *testing.T) portstest.Stores {
		t.Helper()
		return stores(sqlitetest.New(t))
	})
}

func TestOracle(t *testing.T) {
	t.Parallel()
	portstest.Oracle(t, stores(sqlitetest.NewInMemory(t)), 2000)
}

func stores(store *sqlite.Store) portstest.Stores {
	return portstest.Stores{
		Stores: store.Stores,
		AgeRefusals: func(t *testing.T, by time.Duration) {
			t.Helper()
			execute(t, store, "update verdicts set decided_at = decided_at - ?1 where refusal is not null", by.Microseconds())
		},
		SetBack: func(t *testing.T, by time.Duration) {
			t.Helper()
			store.Advance(by)
		},
	}
}

// open opens a file. It is closed when the test ends, if not earlier.
func open(t *testing.T, config sqlite.Config) *sqlite.Store {
	t.Helper()
	config.Logger = slog.New(slog.DiscardHandler)
	store, err := sqlite.Open(t.Context(), config)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// newFile returns the path of a file that does not exist.
func newFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "bets.db")
}

// execute runs a statement directly on the file.
func execute(t testing.TB, store *sqlite.Store, statement string, args ...any) {
	t.Helper()
	if err := tryExecute(t, store, statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func tryExecute(t testing.TB, store *sqlite.Store, statement string, args ...any) error {
	t.Helper()
	return store.Write(t.Context(), func(ctx context.Context, tx sqlitefile.Conn) error {
		_, err := tx.ExecContext(ctx, statement, args...)
		return err
	})
}

// lastColumn returns the last column of a query's rows.
func lastColumn(t *testing.T, store *sqlite.Store, query string, args ...any) (texts []string) {
	t.Helper()
	err := store.Write(t.Context(), func(ctx context.Context, tx sqlitefile.Conn) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		texts, err = scanLastColumn(rows)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return texts
}

func scanLastColumn(rows *sql.Rows) (texts []string, err error) {
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	row := make([]any, len(columns))
	for i := range row {
		row[i] = new("")
	}
	var last string
	row[len(row)-1] = &last
	for rows.Next() {
		if err := rows.Scan(row...); err != nil {
			return nil, err
		}
		texts = append(texts, last)
	}
	return texts, rows.Err()
}

// prepare adds a user and event 1, which takes bets.
func prepare(t *testing.T, store *sqlite.Store) domain.UserID {
	t.Helper()
	user := addUser(t, store, "bella")
	event := domain.Event{LineEvent: domain.LineEvent{
		ID: 1, Dataset: "D", Seq: 1, Version: 1, Name: "Ajax - PSV", Coefficient: odds.MustParse("1.45"),
		Deadline: time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC), State: domain.StateNew,
	}}
	update(t, store, func(time.Time, domain.Event) domain.Event { return event })
	return user
}

func addUser(t *testing.T, store *sqlite.Store, name string) domain.UserID {
	t.Helper()
	user, err := store.Users.Create(t.Context(), ports.NewUser{
		Credentials: ports.Credentials{User: domain.NewUser{
			Name: name, Username: name, Email: name + "@example.com", Role: domain.RoleUser,
		}.User()},
		Opening: money.MustParse("100000.00"),
	})
	if err != nil {
		t.Fatalf("add a user: %v", err)
	}
	return user.ID
}

// update replaces event 1.
func update(t *testing.T, store *sqlite.Store, change func(now time.Time, event domain.Event) domain.Event) {
	t.Helper()
	err := store.Events.Update(t.Context(), []domain.EventID{1}, func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event {
		return []domain.Event{change(now, known[1])}
	})
	if err != nil {
		t.Fatalf("update the event: %v", err)
	}
}

// wish returns a placement on event 1.
func wish(user domain.UserID, key string) domain.Placement {
	return domain.Placement{UserID: user, EventID: 1, Stake: money.MustParse("10.00"), Policy: domain.OddsChangeAny, IdempotencyKey: key}
}

// place places one bet.
func place(ctx context.Context, store *sqlite.Store, placement domain.Placement) (domain.Bet, error) {
	batch := []domain.Placement{placement}
	decisions, err := store.Placements.Place(ctx, ports.Batch{Placements: batch}, func(set *domain.WorkingSet) []domain.Decision {
		return set.Decide(upTo(placement.Stake), batch)
	})
	switch {
	case err != nil:
		return domain.Bet{}, err
	case !decisions[0].Accepted():
		return domain.Bet{}, fmt.Errorf("not accepted: %+v", decisions[0])
	}
	return decisions[0].Bet, nil
}

// upTo returns limits that bound only the stake.
func upTo(stake money.Amount) domain.Limits {
	return domain.Limits{Stake: domain.StakeLimits{Max: stake}}
}

func mustPlace(t *testing.T, store *sqlite.Store, placement domain.Placement) domain.Bet {
	t.Helper()
	bet, err := place(t.Context(), store, placement)
	if err != nil {
		t.Fatalf("place: %v", err)
	}
	return bet
}

// countBets returns the number of stored bets.
func countBets(t *testing.T, store *sqlite.Store) int {
	t.Helper()
	bets, err := store.Bets.List(t.Context(), ports.BetFilter{}, 1000)
	if err != nil {
		t.Fatalf("list bets: %v", err)
	}
	return len(bets)
}
