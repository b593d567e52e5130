package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/domain"
)

// Append-only tables cannot be changed: the service lacks the right, and triggers refuse it even to a
// superuser.
func TestAppendOnlyTablesCannotBeChanged(t *testing.T) {
	t.Parallel()
	database := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: database})
	prepare(t, store) // with a transfer
	if _, _, err := store.Ledger.Seal(t.Context(), 10, domainSeal); err != nil {
		t.Fatalf("seal: %v", err)
	}
	superuser := connect(t, database)
	for table, column := range map[string]string{"transfers": "amount", "seals": "count", "audit_log": "actor_id"} {
		for _, statement := range []string{
			"update " + table + " set " + column + " = " + column + " + 1",
			"delete from " + table,
			"truncate " + table,
		} {
			isRefused(t, store.Execute(t.Context(), statement), statement, "permission denied for table "+table)
			_, err := superuser.Exec(t.Context(), statement)
			isRefused(t, err, statement, table+" is append-only")
		}
	}
}

func isRefused(t *testing.T, err error, statement, why string) {
	t.Helper()
	const insufficientPrivilege = "42501"
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pgErr.Code != insufficientPrivilege || !strings.Contains(pgErr.Message, why) {
		t.Errorf("%s: got the error %v, want %s, %s", statement, err, insufficientPrivilege, why)
	}
}

// A service that connects as the owner of the tables lacks the right to change append-only tables,
// whether the owner may create roles or not.
func TestServiceOfOrdinaryUser(t *testing.T) {
	t.Parallel()
	for name, attributes := range map[string]string{"may make roles": "createrole", "may not": "nocreaterole"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := postgrestest.NewEmptyDatabase(t)
			owned := ownedByOrdinaryUser(t, database, attributes)
			if err := postgres.Migrate(t.Context(), quiet(owned)); err != nil {
				t.Fatalf("migrate: %v", err)
			}
			store := open(t, postgres.Config{URL: owned})
			decision, err := place(t.Context(), store, prepare(t, store), "key", nothing)
			if err != nil || !decision.Accepted() {
				t.Errorf("place: got %+v, %v", decision, err)
			}
			finish(t, store)
			chunk, err := store.Settlements.SettleChunk(t.Context(), 1, 0, 10, (*domain.Settling).Settle)
			if err != nil || chunk.Changed != 1 {
				t.Errorf("settle: got %+v, %v", chunk, err)
			}
			isRefused(t, store.Execute(t.Context(), "delete from transfers"), "delete", "permission denied for table transfers")
			if err := postgres.MigrateDown(t.Context(), quiet(owned)); err != nil {
				t.Errorf("migrate down: %v", err)
			}
		})
	}
}

// A connection that was opened before the schema existed takes on the role afterwards.
func TestConnectionIsOlderThanSchema(t *testing.T) {
	t.Parallel()
	database := postgrestest.NewEmptyDatabase(t)
	store := open(t, postgres.Config{URL: database, PlacingConnections: 1})
	const role = "stavka_betmaker"
	if got, err := store.PlacingSetting(t.Context(), "application_name"); err != nil || got != "betmaker" {
		t.Fatalf("got %q, %v", got, err)
	}
	connections := store.Connected()
	if err := postgres.Migrate(t.Context(), quiet(database)); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	if got, err := store.PlacingSetting(t.Context(), "role"); err != nil || got != role {
		t.Errorf("the role is %q, %v, want %q", got, err, role)
	}
	if got := store.Connected(); got != connections {
		t.Errorf("%d connections were made, want none", got-connections)
	}
}

func domainSeal(newest domain.Seal, transfers []domain.Transfer, now time.Time) domain.Seal {
	return newest.Next(transfers, now)
}

// ownedByOrdinaryUser gives a database to a new user, and returns the URL of that user.
func ownedByOrdinaryUser(t *testing.T, database, attributes string) string {
	t.Helper()
	parsed, err := url.Parse(database)
	if err != nil {
		t.Fatalf("parse the database's url: %v", err)
	}
	name := parsed.Path[1:]
	password := strings.ToLower(rand.Text())
	execute(t, database, "create role "+name+" login "+attributes+" password '"+password+"'")
	execute(t, database, "alter database "+name+" owner to "+name)
	execute(t, database, "alter schema public owner to "+name)
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.WithoutCancel(t.Context()), database)
		if err != nil {
			t.Errorf("connect: %v", err)
			return
		}
		defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
		for _, statement := range []string{"reassign owned by " + name + " to current_user", "drop owned by " + name, "drop role " + name} {
			if _, err := conn.Exec(context.WithoutCancel(t.Context()), statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
	parsed.User = url.UserPassword(name, password)
	return parsed.String()
}
