// Package postgrestest creates a PostgreSQL database with bet-maker's schema for each test, on the
// server that TEST_POSTGRES_URL names.
//
// The schema is built once, in a template database that has the migrations' hash in its name. The
// database of a test is a copy of the template.
package postgrestest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres"
	stavkasql "stavka.local/sql"
)

// Variable is the environment variable that names the server, as a URL with a user who
// may create databases.
const Variable = "TEST_POSTGRES_URL"

// templateLock prevents test processes from building the template at the same time.
const templateLock = "select pg_advisory_lock(hashtext('stavka test template'))"

// timeout bounds each step. Copying may have to wait for a checkpoint of a busy server.
const timeout = 2 * time.Minute

// NewDatabase returns the URL of a new, empty database with bet-maker's schema. The database is dropped
// when the test ends. Without a server the test fails.
func NewDatabase(t testing.TB) string {
	t.Helper()
	name, err := template()
	if err != nil {
		t.Fatal(err)
	}
	return newDatabase(t, name)
}

// NewEmptyDatabase is NewDatabase without a schema.
func NewEmptyDatabase(t testing.TB) string {
	t.Helper()
	return newDatabase(t, "template0")
}

func newDatabase(t testing.TB, from string) string {
	t.Helper()
	name := "stavka_test_" + strings.ToLower(rand.Text())
	err := admin(func(ctx context.Context, conn *pgx.Conn) error {
		return exec(ctx, conn, "create database %s template %s", name, from)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := admin(func(ctx context.Context, conn *pgx.Conn) error {
			return exec(ctx, conn, "drop database if exists %s with (force)", name)
		})
		if err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	created, err := databaseURL(name)
	if err != nil {
		t.Fatal(err)
	}
	return created
}

// template returns the name of the template database, which it builds if it does not exist. It runs
// once in a process.
var template = sync.OnceValues(func() (string, error) {
	hash, err := hashOfMigrations()
	if err != nil {
		return "", fmt.Errorf("read the migrations: %w", err)
	}
	name := "stavka_template_" + hash
	err = admin(func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, templateLock); err != nil {
			return err
		}
		var exists bool
		err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&exists)
		if err != nil || exists {
			return err
		}
		return buildTemplate(ctx, conn, name)
	})
	return name, err
})

// buildTemplate gives the template its name only when it is complete, so that an incomplete one is never
// used.
func buildTemplate(ctx context.Context, conn *pgx.Conn, name string) error {
	unfinished := name + "_unfinished"
	if err := exec(ctx, conn, "drop database if exists %s with (force)", unfinished); err != nil {
		return err
	}
	if err := exec(ctx, conn, "create database %s template template0", unfinished); err != nil {
		return err
	}
	u, err := databaseURL(unfinished)
	if err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, postgres.Config{URL: u, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return err
	}
	return exec(ctx, conn, "alter database %s rename to %s", unfinished, name)
}

// databaseURL returns the URL of a database on the server.
func databaseURL(database string) (string, error) {
	server := os.Getenv(Variable)
	if server == "" {
		return "", fmt.Errorf("%s is not set: this test needs a PostgreSQL server, which `make test` starts", Variable)
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("%s is not a URL", Variable) // the cause would show a password
	}
	if database != "" {
		u.Path = "/" + database
	}
	return u.String(), nil
}

// admin calls do with a connection to the server's own database. Locks end with the connection.
func admin(do func(ctx context.Context, conn *pgx.Conn) error) error {
	server, err := databaseURL("")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return fmt.Errorf("connect to the server of %s: %w", Variable, err)
	}
	return errors.Join(do(ctx, conn), conn.Close(ctx))
}

// exec runs a statement with names of databases, which cannot be parameters.
func exec(ctx context.Context, conn *pgx.Conn, statement string, databases ...string) error {
	quoted := make([]any, len(databases))
	for i, database := range databases {
		quoted[i] = pgx.Identifier{database}.Sanitize()
	}
	_, err := conn.Exec(ctx, fmt.Sprintf(statement, quoted...))
	return err
}

func hashOfMigrations() (string, error) {
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
	return hex.EncodeToString(hash.Sum(nil)[:8]), err
}
