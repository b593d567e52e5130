package system

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// File returns the path of a file in an embedded system's directory.
func (s *System) File(name string) string { return filepath.Join(s.Env["DATA_DIR"], name) }

// Files returns the paths of the files in which an embedded system keeps its data.
func (s *System) Files() []string { return []string{s.File("betmaker.db"), s.File("lineprovider.db")} }

// CheckFiles fails the test if a file of a stopped embedded system is damaged. It checks
// copies, because opening a file may repair it.
func (s *System) CheckFiles(t testing.TB) {
	t.Helper()
	for _, file := range s.Files() {
		copied := filepath.Join(t.TempDir(), filepath.Base(file))
		err := errors.Join(copyFile(copied, file), copyFile(copied+"-wal", file+"-wal"), checkFile(t.Context(), copied))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// copyFile copies a file if it exists.
func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return os.WriteFile(to, data, 0o600)
}

// checkFile runs SQLite's integrity check on a file.
func checkFile(ctx context.Context, file string) error {
	return withFile(ctx, file, func(ctx context.Context, db *sql.DB) error {
		var found string
		if err := db.QueryRowContext(ctx, "pragma integrity_check(1)").Scan(&found); err != nil {
			return err
		}
		if found != "ok" {
			return fmt.Errorf("SQLite finds %s", found)
		}
		return nil
	})
}

// Execute executes a statement on a file of a stopped embedded system.
func (s *System) Execute(t testing.TB, file, statement string) {
	t.Helper()
	if err := withFile(t.Context(), file, func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, statement)
		return err
	}); err != nil {
		t.Fatalf("%s: %s: %v", file, statement, err)
	}
}

func withFile(ctx context.Context, file string, do func(context.Context, *sql.DB) error) error {
	return withDatabase(ctx, "sqlite", fileSource(file, "mode=rw"), do)
}

// fileSource returns the data source of a file. Its connection waits for locks.
func fileSource(file, mode string) string {
	return "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + mode + "&_pragma=busy_timeout(30000)"
}

// withDatabase connects for one use only. The server, or the process that owns the file, may
// end before the next.
func withDatabase(ctx context.Context, driver, source string, do func(context.Context, *sql.DB) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	db, err := sql.Open(driver, source)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	return errors.Join(do(ctx, db), db.Close())
}
