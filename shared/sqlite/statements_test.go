package sqlite_test

import (
	"context"
	"testing"

	"stavka.local/shared/sqlite"
)

func TestStatementsAreTheConnectionsOwn(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	err := db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		statements := sqlite.NewStatements(tx)
		defer statements.Close()
		const query = "select ?1 + 1"
		first, err := statements.PrepareContext(ctx, query) //nolint:sqlclosecheck // statements closes it
		if err != nil {
			return err
		}
		for n := range 3 {
			var next int
			if err := statements.QueryRowContext(ctx, query, n).Scan(&next); err != nil || next != n+1 {
				t.Errorf("got %d %v", next, err)
			}
		}
		again, err := statements.PrepareContext(ctx, query) //nolint:sqlclosecheck // likewise
		if err != nil || again != first {
			t.Errorf("it was prepared again: %v", err)
		}
		var nothing int
		if err := statements.QueryRowContext(ctx, "select from").Scan(&nothing); err == nil {
			t.Error("what is no statement has a row")
		}
		if _, err := statements.ExecContext(ctx, "insert nothing"); err == nil {
			t.Error("what is no statement was executed")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
