package sqlite_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/fstest"

	"stavka.local/shared/sqlite"
)

func TestKeepsWhatWasWritten(t *testing.T) {
	t.Parallel()
	migrations := fstest.MapFS{"00001_initial.sql": {Data: []byte("-- +goose Up\ncreate table t (n integer not null) strict;\n-- +goose Down\ndrop table t;\n")}}
	o := sqlite.Options{File: filepath.Join(t.TempDir(), "a ?#%.db"), Migrations: migrations, Logger: slog.New(slog.DiscardHandler)}
	db, err := sqlite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		_, err := tx.ExecContext(ctx, "insert into t values (7)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err = sqlite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var n int
	err = db.Read(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		return tx.QueryRowContext(ctx, "select n from t").Scan(&n)
	})
	if err != nil || n != 7 {
		t.Errorf("got %d %v", n, err)
	}
}
