// Package postgrestest gives every test a PostgreSQL database of its own, with bet-maker's
// schema in it, on the server that TEST_POSTGRES_URL names.
//
// The schema is built once, in a template database that has the migrations' hash in its
// name; a test's database is a copy of it, which takes some hundredths of a second.
package postgrestest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres"
	stavkasql "stavka.local/sql"
)

// Variable is the environment variable that names the server, as a URL with a user who
// may create databases.
const Variable = "TEST_POSTGRES_URL"

// templateLock keeps test processes from building the template at the same time.
const templateLock = "select pg_advisory_lock(hashtext('stavka test template'))"

// timeout bounds every step here; copying may have to wait for a checkpoint of a busy server.
const timeout = 2 * time.Minute

// NewDatabase returns the URL of a new database with bet-maker's schema and nothing else
// in it. It is dropped when the test ends. Without a server the test fails.
func NewDatabase(t testing.TB) string {
	t.Helper()
	return newDatabase(t, template(t))
}

// NewEmptyDatabase is NewDatabase without a schema.
func NewEmptyDatabase(t testing.TB) string {
	t.Helper()
	return newDatabase(t, "template0")
}

func newDatabase(t testing.TB, from string) string {
	t.Helper()
	server := serverURL(t)
	name := "test_" + rand.Text()
	admin(t, server, func(ctx context.Context, conn *pgx.Conn) error {
		return exec(ctx, conn, "create database %s template %s", name, from)
	})
	t.Cleanup(func() {
		admin(t, server, func(ctx context.Context, conn *pgx.Conn) error {
			return exec(ctx, conn, "drop database if exists %s with (force)", name)
		})
	})
	return databaseURL(server, name)
}

// template returns the name of a database that has the schema, which is built if need be.
func template(t testing.TB) string {
	t.Helper()
	server := serverURL(t)
	name := "template_" + hashOfMigrations(t)
	admin(t, server, func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, templateLock); err != nil {
			return err
		}
		var exists bool
		err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&exists)
		if err != nil || exists {
			return err
		}
		// It gets its name when it is complete, so that one whose making was interrupted is never used.
		unfinished := name + "_unfinished"
		if err := exec(ctx, conn, "drop database if exists %s with (force)", unfinished); err != nil {
			return err
		}
		if err := exec(ctx, conn, "create database %s template template0", unfinished); err != nil {
			return err
		}
		config := postgres.Config{URL: databaseURL(server, unfinished), Logger: slog.New(slog.DiscardHandler)}
		if err := postgres.Migrate(ctx, config); err != nil {
			return err
		}
		return exec(ctx, conn, "alter database %s rename to %s", unfinished, name)
	})
	return name
}

func serverURL(t testing.TB) *url.URL {
	t.Helper()
	text := os.Getenv(Variable)
	if text == "" {
		t.Fatalf("%s is not set: this test needs a PostgreSQL server; `make test` starts one", Variable)
	}
	server, err := url.Parse(text)
	if err != nil {
		t.Fatalf("%s is not a URL", Variable)
	}
	return server
}

func databaseURL(server *url.URL, database string) string {
	u := *server
	u.Path = "/" + database
	return u.String()
}

// admin connects to the server's own database. Locks taken by do end with the connection.
func admin(t testing.TB, server *url.URL, do func(ctx context.Context, conn *pgx.Conn) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		t.Fatalf("connect to the server of %s: %v", Variable, err)
	}
	defer func() {
		if err := conn.Close(ctx); err != nil {
			t.Errorf("close the connection to the server of %s: %v", Variable, err)
		}
	}()
	if err := do(ctx, conn); err != nil {
		t.Fatalf("prepare a database: %v", err)
	}
}

// exec runs a statement on databases, whose names cannot be parameters.
func exec(ctx context.Context, conn *pgx.Conn, statement string, databases ...string) error {
	quoted := make([]any, len(databases))
	for i, database := range databases {
		quoted[i] = pgx.Identifier{database}.Sanitize()
	}
	_, err := conn.Exec(ctx, fmt.Sprintf(statement, quoted...))
	return err
}

func hashOfMigrations(t testing.TB) string {
	t.Helper()
	hash := sha256.New()
	err := fs.WalkDir(stavkasql.BetMakerPostgres, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(stavkasql.BetMakerPostgres, path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(hash, "%s\n%d\n%s", path, len(content), content)
		return err
	})
	if err != nil {
		t.Fatalf("read the migrations: %v", err)
	}
	return fmt.Sprintf("%x", hash.Sum(nil)[:8])
}
