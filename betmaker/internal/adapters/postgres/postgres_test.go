package postgres_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/ports/portstest"
)

func TestPorts(t *testing.T) {
	t.Parallel()
	portstest.All(t, stores)
}

func TestOracle(t *testing.T) {
	t.Parallel()
	portstest.Oracle(t, stores(t), 1000)
}

// stores returns new stores, in a database of their own.
func stores(t *testing.T) portstest.Stores {
	t.Helper()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url})
	return portstest.Stores{
		Stores: store.Stores,
		AgeRefusals: func(t *testing.T, by time.Duration) {
			t.Helper()
			execute(t, url, "update verdicts set decided_at = decided_at - $1::interval where refusal is not null", by)
		},
		SetBack: func(t *testing.T, by time.Duration) {
			t.Helper()
			// The server's clock cannot be set. To the store it is the same if it has read a later instant.
			execute(t, url, "select setval('store_clock_seq', (extract(epoch from store_clock() + $1::interval) * 1000000)::bigint)", by)
		},
	}
}

// open opens a store that is closed when the test ends.
func open(t testing.TB, config postgres.Config) *postgres.Store {
	t.Helper()
	config.Logger = quiet("").Logger
	store, err := postgres.Open(t.Context(), config)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(store.Close)
	return store
}

// quiet returns the configuration for a database, without a log.
func quiet(url string) postgres.Config {
	return postgres.Config{URL: url, Logger: slog.New(slog.DiscardHandler)}
}

// connect returns a connection of the test's own, without the adapter's session settings.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// execute runs a statement on a new connection.
func execute(t *testing.T, url, statement string, args ...any) {
	t.Helper()
	if _, err := connect(t, url).Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
