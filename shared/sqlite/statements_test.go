package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"stavka.local/shared/sqlite"
)

func TestStatementsAreKept(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	mustWrite(t, db, 1)
	kept := db.KeptByWriter(t)

	mustWrite(t, db, 2, 3)

	if now := db.KeptByWriter(t); now != kept {
		t.Errorf("%d statements are kept after the same ones were run again, %d before", now, kept)
	}
}

func TestKeptStatementsAreBounded(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	err := db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		for n := range 2 * sqlite.KeptStatements {
			var got int
			if err := tx.QueryRowContext(ctx, fmt.Sprintf("select %d", n)).Scan(&got); err != nil || got != n {
				return fmt.Errorf("got %d, want %d (%w)", got, n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if kept := db.KeptByWriter(t); kept > sqlite.KeptStatements {
		t.Errorf("%d statements are kept", kept)
	}
}

// The same query may be run again while its rows are being read.
func TestNestedStatement(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	const query = "select value from json_each(?1)"
	var got []string
	err := db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		outer, err := tx.QueryContext(ctx, query, "[1, 2]")
		if err != nil {
			return err
		}
		defer func() { _ = outer.Close() }()
		for outer.Next() {
			var a, b string
			err := errors.Join(outer.Scan(&a), tx.QueryRowContext(ctx, query, `["x"]`).Scan(&b))
			if err != nil {
				return err
			}
			got = append(got, a+b)
		}
		return outer.Err()
	})
	if want := "[1x 2x]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v %v, want %s", got, err, want)
	}
}

// A statement may be run again after it has failed, and after a change of the tables.
func TestStatementAfterAFailure(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	mustWrite(t, db, 1)
	if err := write(t.Context(), db, 1); err == nil {
		t.Error("a batch was written twice")
	}
	mustWrite(t, db, 2)
	setWriter(t, db, "alter table entries add column more text")
	mustWrite(t, db, 3)
	wantState(t, db, complete(3))
}

func TestInvalidStatement(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	err := db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		var nothing int
		if err := tx.QueryRowContext(ctx, "select from").Scan(&nothing); err == nil {
			t.Error("an invalid query returned a row")
		}
		if _, err := tx.ExecContext(ctx, "insert nothing"); err == nil {
			t.Error("an invalid statement was executed")
		}
		return insert(ctx, tx, 1)
	})
	if err != nil {
		t.Error(err)
	}
	wantState(t, db, complete(1))
}
