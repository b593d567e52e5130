// Package sqlitetest opens SQLite stores for tests.
package sqlitetest

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"stavka.local/betmaker/internal/adapters/sqlite"
)

// New returns an empty store. It is removed when the test ends.
func New(t testing.TB) *sqlite.Store {
	t.Helper()
	return open(t, t.TempDir())
}

// NewInMemory is New for tests with much data that are not about the disk. It uses a file system in
// memory where there is one.
func NewInMemory(t testing.TB) *sqlite.Store {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "stavka-test-") //nolint:usetesting // TempDir is on a disk
	if err != nil {
		return New(t)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return open(t, dir)
}

func open(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Config{
		File:   filepath.Join(dir, "betmaker.db"),
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
