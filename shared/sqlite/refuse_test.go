package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"stavka.local/shared/sqlite"
)

func TestDamagedFileIsRefusedUnchanged(t *testing.T) {
	t.Parallel()
	garbage := bytes.Repeat([]byte("garbage!"), 1<<10)
	// A write-ahead log repairs these: it contains the first and the last page.
	repaired := []string{"garbage in the header", "a wrong page count", "cut in the last page"}
	for name, damage := range map[string]func(file []byte) []byte{
		"garbage in the header": func(file []byte) []byte { copy(file, garbage[:100]); return file },
		"another kind of file":  func([]byte) []byte { return []byte("Dear diary,\nnothing happened today.\n") },
		"a page in the middle":  func(file []byte) []byte { copy(file[len(file)/2&^4095:], garbage[:4096]); return file },
		"cut in the middle":     func(file []byte) []byte { return file[:len(file)/2&^4095] },
		"cut in the last page":  func(file []byte) []byte { return file[:len(file)-1000] },
		"cut within the header": func(file []byte) []byte { return file[:50] },
		"all zeros":             func(file []byte) []byte { clear(file); return file },
		"zeros from a page on":  func(file []byte) []byte { clear(file[8192:]); return file },
		"a wrong page count":    func(file []byte) []byte { file[30]++; return file },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, log := range []bool{false, true} {
				o := sound(t, log)
				content, err := os.ReadFile(o.File)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(o.File, damage(content), 0o600); err != nil {
					t.Fatal(err)
				}
				if log && slices.Contains(repaired, name) {
					stateOf(t, open(t, o))
					continue
				}
				before := contents(t, o.File)
				for range 2 { // the lock is released, and an attempt repairs nothing
					if _, err := sqlite.Open(t.Context(), o); !errors.Is(err, sqlite.ErrDamaged) || !strings.Contains(err.Error(), o.File) {
						t.Errorf("write-ahead log %t: got %v", log, err)
					}
				}
				if after := contents(t, o.File); !maps.EqualFunc(before, after, bytes.Equal) {
					t.Errorf("write-ahead log %t: it was changed, sizes %d, before %d", log, lengths(after), lengths(before))
				}
			}
		})
	}
}

// sound creates a file of some hundred pages. If log is true, it leaves a write-ahead log beside it, as
// after a crash.
func sound(t *testing.T, log bool) sqlite.Options {
	t.Helper()
	o := options(newFile(t))
	db := open(t, o)
	if err := db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error { return fill(ctx, tx, 300) }); err != nil {
		t.Fatal(err)
	}
	closed(t, db)
	if log {
		c := start(t, "hold", o.File)
		c.says()
		c.kill()
	}
	if got := contents(t, o.File); len(got[o.File+"-wal"]) > 0 != log {
		t.Fatalf("the file of the test is wrong: %d", lengths(got))
	}
	return o
}

// contents returns the content of a file and of its write-ahead log, without empty ones.
func contents(t *testing.T, file string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for _, path := range []string{file, file + "-wal"} {
		content, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if len(content) > 0 {
			all[path] = content
		}
	}
	return all
}

func lengths(contents map[string][]byte) []int {
	var lengths []int
	for _, path := range slices.Sorted(maps.Keys(contents)) {
		lengths = append(lengths, len(contents[path]))
	}
	return lengths
}

// files returns the paths of the files in a directory.
func files(t *testing.T, directory string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(directory, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// The log may hold the only data left, and SQLite deletes it for a new file.
func TestWriteAheadLogWithoutItsFileIsNotDeleted(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(string) error{
		"empty":   func(file string) error { return os.Truncate(file, 0) },
		"missing": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(newFile(t))
			c := start(t, "hold", o.File)
			c.says()
			c.kill()
			if err := lose(o.File); err != nil {
				t.Fatal(err)
			}
			before := contents(t, o.File)
			if len(before[o.File+"-wal"]) == 0 {
				t.Fatal("the file of the test is wrong: no write-ahead log")
			}

			_, err := sqlite.Open(t.Context(), o)

			if !errors.Is(err, sqlite.ErrDamaged) || !strings.Contains(err.Error(), "write-ahead log") {
				t.Errorf("got %v", err)
			}
			if !maps.EqualFunc(before, contents(t, o.File), bytes.Equal) {
				t.Error("it was changed")
			}
		})
	}
}

func TestEmptyFileIsNew(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	if err := os.WriteFile(o.File, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, o)
	mustWrite(t, db, 1)
	wantState(t, db, complete(1))
}

// Open does not check a large file as a whole.
func TestDamageInALargeFileIsFoundWhenItIsRead(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	db := open(t, o)
	mustWrite(t, db, 1)
	err := db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		_, err := tx.ExecContext(ctx, "insert into entries (batch, part, note) values (2, 0, hex(zeroblob(10_000_000)))")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, db)
	content, err := os.ReadFile(o.File)
	if err != nil {
		t.Fatal(err)
	}
	copy(content[10_000_000&^4095:], bytes.Repeat([]byte{0xff}, 4096)) // a page that links to the next
	if err := os.WriteFile(o.File, content, 0o600); err != nil {
		t.Fatal(err)
	}

	db = open(t, o)
	read := func(query string) error {
		return db.Read(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
			var n int
			return tx.QueryRowContext(ctx, query).Scan(&n)
		})
	}
	if err := read("select length(note) from entries where batch = 1"); err != nil {
		t.Errorf("an undamaged row cannot be read: %v", err)
	}
	if err := read("select count(replace(note, '1', '2')) from entries where batch = 2"); !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("got %v", err)
	}
	closed(t, db)

	if err := os.Truncate(o.File, 17<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), o); !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("cut: got %v", err)
	}
}

func TestFileOfAnotherProgramIsRefusedUnchanged(t *testing.T) {
	t.Parallel()
	for _, guest := range []bool{false, true} {
		o := options(newFile(t))
		o.Guest = guest
		raw(t, o.File, func(ctx context.Context, tx sqlite.Conn) error {
			_, err := tx.ExecContext(ctx, "create table bookmarks (url text)")
			return err
		})
		before := contents(t, o.File)

		_, err := sqlite.Open(t.Context(), o)

		if !errors.Is(err, sqlite.ErrDamaged) || !strings.Contains(err.Error(), "another program") {
			t.Errorf("got %v", err)
		}
		if !maps.EqualFunc(before, contents(t, o.File), bytes.Equal) {
			t.Error("it was changed")
		}
	}
}

func TestFileWithAnotherNameIsRefused(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	if err := open(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Link(o.File, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{o.File, link} {
		o.File = name
		if _, err := sqlite.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "hard link") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Two services do not open each other's files.
func TestFileOfAnotherServiceIsRefusedUnchanged(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	o.Application = 0x7fffffff
	for range 2 { // new, and again
		if err := open(t, o).Close(); err != nil {
			t.Fatal(err)
		}
	}
	before := contents(t, o.File)
	for _, guest := range []bool{false, true} {
		o.Application, o.Guest = 0x12345678, guest
		_, err := sqlite.Open(t.Context(), o)
		if !errors.Is(err, sqlite.ErrDamaged) || !strings.Contains(err.Error(), "0x7fffffff, and not 0x12345678") {
			t.Errorf("got %v", err)
		}
	}
	if !maps.EqualFunc(before, contents(t, o.File), bytes.Equal) {
		t.Error("it was changed")
	}
}

// raw uses a file without this package, in SQLite's default mode.
func raw(t *testing.T, file string, use func(context.Context, sqlite.Conn) error) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := use(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
}

func TestNotAFile(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	file := filepath.Join(directory, "file")
	if err := os.WriteFile(file, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, file string
		guest      bool
		says       string
	}{
		{"a directory", directory, false, "not a file"},
		{"no name", "", false, "not a file"},
		{"a device", "/dev/null", false, "not a file"},
		{"a missing directory", filepath.Join(directory, "missing", "test.db"), false, "no such file or directory"},
		{"a file as a directory", filepath.Join(file, "test.db"), false, "not a directory"},
		{"a missing file, for a guest", filepath.Join(directory, "test.db"), true, "there is no data here yet"},
	} {
		before := files(t, directory)
		o := options(test.file)
		o.Guest = test.guest
		if _, err := sqlite.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.says)
		}
		if after := files(t, directory); !slices.Equal(before, after) {
			t.Errorf("%s: the directory has %q, before %q", test.name, after, before)
		}
	}
}

func TestNewerSchemaIsRefusedUnchanged(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	o.Migrations = migrations(2)
	closed(t, open(t, o))
	before := contents(t, o.File)

	o.Migrations = migrations(1)
	for _, guest := range []bool{false, true} {
		o.Guest = guest
		_, err := sqlite.Open(t.Context(), o)
		if !errors.Is(err, sqlite.ErrSchemaNewer) || !strings.Contains(err.Error(), "version 2") || !strings.Contains(err.Error(), "up to 1") {
			t.Errorf("guest %t: got %v, want both versions", guest, err)
		}
	}
	if !maps.EqualFunc(before, contents(t, o.File), bytes.Equal) {
		t.Error("it was changed")
	}
}

func TestGuestDoesNotMigrate(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	db := open(t, o)
	mustWrite(t, db, 1)
	closed(t, db)
	before := contents(t, o.File)

	guest := o
	guest.Guest, guest.Migrations = true, migrations(2)
	_, err := sqlite.Open(t.Context(), guest)
	if !errors.Is(err, sqlite.ErrSchemaOlder) || !strings.Contains(err.Error(), "version 1") || !strings.Contains(err.Error(), "needs 2") {
		t.Errorf("got %v, want both versions", err)
	}
	if !maps.EqualFunc(before, contents(t, o.File), bytes.Equal) {
		t.Error("it was changed")
	}

	// An empty file.
	empty := guest
	empty.File = newFile(t)
	if err := os.WriteFile(empty.File, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), empty); !errors.Is(err, sqlite.ErrSchemaOlder) {
		t.Errorf("an empty file: got %v", err)
	}
	if got := contents(t, empty.File); len(got) != 0 {
		t.Errorf("an empty file: it was written to, sizes %d", lengths(got))
	}
}

func TestOwnerMigratesAndLogsIt(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := options(newFile(t))
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	db := open(t, o)
	mustWrite(t, db, 1)
	closed(t, db)
	if n := strings.Count(log.String(), "migrated the database"); n != 1 || !strings.Contains(log.String(), "00001_step.sql") {
		t.Errorf("logged for the new file: %s", &log)
	}
	log.Reset()

	closed(t, open(t, o))
	if log.Len() > 0 {
		t.Errorf("logged when there was nothing to do: %s", &log)
	}
	o.Migrations = migrations(2)
	db = open(t, o)
	wantState(t, db, complete(1))
	if n := strings.Count(log.String(), "migrated the database"); n != 1 || !strings.Contains(log.String(), "00002_step.sql") {
		t.Errorf("logged for the second step: %s", &log)
	}
}

func TestMigrationThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	db := open(t, o)
	mustWrite(t, db, 1)
	closed(t, db)

	broken := o
	var log bytes.Buffer
	broken.Logger = slog.New(slog.NewTextHandler(&log, nil))
	steps := migrations(2)
	steps["00003_broken.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\ndelete from entries;\ninsert into nowhere values (1);\n")}
	broken.Migrations = steps
	if _, err := sqlite.Open(t.Context(), broken); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Fatalf("got %v", err)
	}

	// The step before it has been applied, and stays.
	if !strings.Contains(log.String(), "00002_step.sql") || strings.Contains(log.String(), "00003_broken.sql") {
		t.Errorf("logged: %s", &log)
	}
	o.Migrations = migrations(2)
	o.Guest = true
	wantState(t, open(t, o), complete(1))
	o.Migrations = fstest.MapFS{}
	if _, err := sqlite.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no migrations") {
		t.Errorf("without migrations: got %v", err)
	}
}
