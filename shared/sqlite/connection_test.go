package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"maps"
	"testing"
	"time"

	"stavka.local/shared/sqlite"
)

// The promises of the package depend on these pragmas. SQLite keeps most of them per connection.
func TestEveryConnectionIsDurable(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	writer := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "query_only": "0"}
	reader := map[string]string{"journal_mode": "wal", "synchronous": "2", "query_only": "1", "busy_timeout": "5000"}

	for _, connections := range []struct {
		name string
		pool *sql.DB
		n    int
		want map[string]string
	}{{"writer", db.Writer(), 1, writer}, {"reader", db.Readers(), 4, reader}} {
		for _, when := range []string{"at first", "after it was replaced"} {
			for _, conn := range take(t, connections.pool, connections.n) {
				if got := pragmas(t, conn, connections.want); !maps.Equal(got, connections.want) {
					t.Errorf("%s, %s: got %v, want %v", connections.name, when, got, connections.want)
				}
				// As after a failure: the pool closes it and opens another one.
				if err := conn.Raw(func(any) error { return driver.ErrBadConn }); !errors.Is(err, driver.ErrBadConn) {
					t.Fatal(err)
				}
			}
		}
	}

	// The same from within Write.
	err := db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		if err := insert(ctx, tx, 1); err != nil {
			return err
		}
		return tx.Raw(func(any) error { return driver.ErrBadConn })
	})
	if !errors.Is(err, driver.ErrBadConn) {
		t.Errorf("got %v", err)
	}
	wantState(t, db, complete(0))
	mustWrite(t, db, 1)
	for _, conn := range take(t, db.Writer(), 1) {
		if got := pragmas(t, conn, writer); !maps.Equal(got, writer) {
			t.Errorf("after a lost connection: got %v, want %v", got, writer)
		}
	}
}

// take takes all connections of a pool at once. They are returned when the test ends.
func take(t *testing.T, pool *sql.DB, n int) []*sql.Conn {
	t.Helper()
	conns := make([]*sql.Conn, n)
	for i := range conns {
		conn, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		conns[i] = conn
	}
	return conns
}

// pragmas returns the values of the named pragmas.
func pragmas(t *testing.T, conn *sql.Conn, names map[string]string) map[string]string {
	t.Helper()
	got := make(map[string]string)
	for name := range names {
		var value string
		if err := conn.QueryRowContext(t.Context(), "pragma "+name).Scan(&value); err != nil {
			t.Fatal(err)
		}
		got[name] = value
	}
	return got
}

// setWriter runs a statement on the writer's connection.
func setWriter(t *testing.T, db *sqlite.DB, pragma string) {
	t.Helper()
	if _, err := db.Writer().ExecContext(t.Context(), pragma); err != nil {
		t.Fatal(err)
	}
}

func TestWriteToAFullFile(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	mustWrite(t, db, 1)
	setWriter(t, db, "pragma max_page_count = 50")

	for range 2 {
		err := db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
			if err := insert(ctx, tx, 2); err != nil {
				return err
			}
			return fill(ctx, tx, 300)
		})
		if !errors.Is(err, sqlite.ErrUnavailable) || errors.Is(err, sqlite.ErrOutcomeUnknown) {
			t.Errorf("got %v", err)
		}
		wantState(t, db, complete(1))
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("the file cannot be read: %v", err)
	}

	setWriter(t, db, "pragma max_page_count = 1000000")
	mustWrite(t, db, 2)
	wantState(t, db, complete(2))
}

func TestWriteWhileAGuestWrites(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	db := open(t, o)
	o.Guest = true
	guest := open(t, o)

	err := guest.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		db.SetBusyTimeout(time.Millisecond)
		if err := write(ctx, db, 1); !errors.Is(err, sqlite.ErrUnavailable) {
			t.Errorf("after the busy timeout: got %v", err)
		}
		db.SetBusyTimeout(time.Hour)
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		if err := write(short, db, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("when the context ends: got %v", err)
		}
		return insert(ctx, tx, 1)
	})

	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, db, 2)
	wantState(t, db, complete(2))
}
