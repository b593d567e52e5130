// Package sqlitetest gives every test a SQLite store of its own.
package sqlitetest

import (
	"log/slog"
	"path/filepath"
	"testing"

	"stavka.local/betmaker/internal/adapters/sqlite"
)

// New returns a store with nothing in it, which is gone when the test ends.
func New(t testing.TB) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Config{
		File:   filepath.Join(t.TempDir(), "betmaker.db"),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return store
}
