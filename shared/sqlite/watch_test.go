package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"stavka.local/shared/sqlite"
)

// A file that is lost acknowledges nothing more, and Watch says so within seconds, whether or not anything is
// written.
func TestLostFile(t *testing.T) {
	t.Parallel()
	remove := func(suffix string) func(string) error {
		return func(file string) error { return os.Remove(file + suffix) }
	}
	for name, lose := range map[string]func(file string) error{
		"the file":             remove(""),
		"the write-ahead log":  remove("-wal"),
		"its index":            remove("-shm"),
		"the lock":             remove(".lock"),
		"the directory":        func(file string) error { return os.RemoveAll(filepath.Dir(file)) },
		"the directory's name": func(file string) error { return os.Rename(filepath.Dir(file), filepath.Dir(file)+"-old") },
		"the file for another": replace,
		"the lock for another": func(file string) error { return replace(file + ".lock") },
		"the file for a folder": func(file string) error {
			return errors.Join(os.Remove(file), os.Mkdir(file, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, written := range []bool{true, false} {
				o := options(filepath.Join(t.TempDir(), "data", "file.db"))
				done(t, os.Mkdir(filepath.Dir(o.File), 0o700))
				db := open(t, o)
				mustWrite(t, db, 1)
				ended := make(chan error, 1)
				if !written {
					go func() { ended <- db.Watch(t.Context()) }()
				}
				done(t, lose(o.File))
				if written {
					if err := write(t.Context(), db, 2); !errors.Is(err, sqlite.ErrOutcomeUnknown) && !errors.Is(err, sqlite.ErrUnavailable) {
						t.Errorf("the next commit: got %v", err)
					}
					go func() { ended <- db.Watch(t.Context()) }()
				}
				if err := <-ended; !errors.Is(err, sqlite.ErrLost) {
					t.Errorf("the watch: got %v", err)
				}
				for name, err := range map[string]error{
					"write": write(t.Context(), db, 3),
					"read":  db.Read(t.Context(), func(context.Context, sqlite.Conn) error { t.Error("the query was run"); return nil }),
					"ping":  db.Ping(t.Context()),
				} {
					if !errors.Is(err, sqlite.ErrUnavailable) || !errors.Is(err, sqlite.ErrLost) {
						t.Errorf("%s afterwards: got %v", name, err)
					}
				}
			}
		})
	}
}

// Guests do not have the lock.
func TestLostFileOfAGuest(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	mustWrite(t, open(t, o), 1)
	o.Guest = true
	guest := open(t, o)
	mustWrite(t, guest, 2)
	done(t, os.Remove(o.File))
	if err := write(t.Context(), guest, 3); !errors.Is(err, sqlite.ErrLost) {
		t.Errorf("got %v", err)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	db := open(t, options(newFile(t)))
	ended := make(chan error)
	go func() { ended <- db.Watch(ctx) }()
	mustWrite(t, db, 1)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("got %v", err)
	}
}

// replace replaces a file by a copy of it.
func replace(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path+".copy", content, 0o600), os.Rename(path+".copy", path))
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
