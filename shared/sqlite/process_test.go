//go:build unix

package sqlite_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"stavka.local/shared/sqlite"
)

func TestFileBelongsToOneProcess(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	c := start(t, "hold", o.File)
	c.says()
	inUse := func(when string) {
		t.Helper()
		if _, err := sqlite.Open(t.Context(), o); !errors.Is(err, sqlite.ErrInUse) || !strings.Contains(err.Error(), o.File) {
			t.Errorf("%s: got %v", when, err)
		}
	}
	inUse("another process has it")

	c.kill()
	db := open(t, o)
	wantState(t, db, complete(1))
	inUse("this process has it")
	if err := write(t.Context(), db, 2); err != nil {
		t.Errorf("after another attempt to open it: %v", err)
	}

	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(o.File, link); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), options(link)); !errors.Is(err, sqlite.ErrInUse) {
		t.Errorf("by another name: got %v", err)
	}

	closed(t, db)
	wantState(t, open(t, o), complete(2))
}

// For a moment, a child process that is being started has copies of all open descriptors.
func TestLockIsReleasedThoughAnotherProcessHasACopy(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	db := open(t, o)
	cmd := exec.CommandContext(t.Context(), "cat")
	cmd.ExtraFiles = []*os.File{db.Lock()}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	closed(t, db)

	open(t, o)

	if err := errors.Join(stdin.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
}

func TestGuestWritesBesideTheOwner(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	owner := start(t, "owner", o.File)
	owner.says()
	guest := start(t, "guest", o.File)

	o.Guest = true
	db := open(t, o)
	want := scaled(t, 300)
	last := 0
	for range want {
		err := db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) (err error) {
			last, err = insertNext(ctx, tx)
			return err
		})
		if err != nil {
			t.Fatalf("beside two others: %v", err)
		}
	}
	// Every process has written.
	for range want {
		owner.says()
		guest.says()
	}
	owner.kill()
	guest.kill()

	// Each batch has the number after the last one: no process has overwritten another's.
	got := stateOf(t, db)
	if got != complete(got.last) || got.last < max(last, 3*want) {
		t.Errorf("the file has %+v, and this process alone has written %d, the last of them %d", got, want, last)
	}
}

// Whenever the process is killed, acknowledged batches are in the file, and no batch is incomplete.
func TestSurvivesKills(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	acknowledged := 0
	for round := range scaled(t, 100) {
		c := start(t, "owner", o.File)
		said := make([]string, 0, 100)
		for range 1 + rand.IntN(50) {
			said = append(said, c.says())
		}
		said = append(said, c.kill()...)
		first, err := strconv.Atoi(said[0])
		if err != nil {
			t.Fatal(err)
		}
		want := make([]string, len(said))
		for i := range want {
			want[i] = strconv.Itoa(first + i)
		}
		if !slices.Equal(said, want) {
			t.Fatalf("round %d: acknowledged %q", round, said)
		}
		before := acknowledged
		acknowledged = first + len(said) - 1

		db := open(t, o)
		got := stateOf(t, db)
		// The kill may have come between a commit and its acknowledgement.
		if got != complete(acknowledged) && got != complete(acknowledged+1) {
			t.Errorf("round %d: the file has %+v, and %d batches were acknowledged", round, got, acknowledged)
		}
		if first != before+1 && first != before+2 {
			t.Errorf("round %d: it continued with batch %d after %d", round, first, before)
		}
		closed(t, db)
	}
}

func TestKilledTransactionIsRolledBack(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	db := open(t, o)
	mustWrite(t, db, 1)
	closed(t, db)
	c := start(t, "half", o.File)
	c.says()
	c.kill()
	// A large part of it has been written.
	if size := len(contents(t, o.File)[o.File+"-wal"]); size < 100_000 {
		t.Fatalf("the write-ahead log has %d bytes", size)
	}

	db = open(t, o)
	wantState(t, db, complete(1))
	mustWrite(t, db, 2)
	wantState(t, db, complete(2))
}

// A process that is killed while it creates the file leaves a rollback journal.
func TestKilledCreationCanBeRepeated(t *testing.T) {
	t.Parallel()
	source, o := options(newFile(t)), options(newFile(t))
	db := open(t, source)
	mustWrite(t, db, 1)
	closed(t, db)
	raw(t, source.File, func(ctx context.Context, tx sqlite.Conn) error {
		for _, statement := range []string{"pragma journal_mode = delete", "begin", "update entries set note = 'undo me'"} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		if err := fill(ctx, tx, tooMuch); err != nil {
			return err
		}
		// In another process: closing a file in this one would release SQLite's locks.
		return exec.CommandContext(ctx, "cp", source.File, source.File+"-journal", filepath.Dir(o.File)).Run()
	})
	if journal, err := os.Stat(o.File + "-journal"); err != nil || journal.Size() == 0 {
		t.Fatalf("the file of the test is wrong: %v", err)
	}

	db = open(t, o)
	wantState(t, db, complete(1))
	mustWrite(t, db, 2)
	wantState(t, db, complete(2))
}
