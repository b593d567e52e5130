package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/shared/sqlite"
)

func TestKeepsCommittedData(t *testing.T) {
	t.Parallel()
	o := options(filepath.Join(t.TempDir(), "a ?#% ö.db"))
	db := open(t, o)
	mustWrite(t, db, 1)
	if db.File() != o.File {
		t.Errorf("the file is called %q, want %q", db.File(), o.File)
	}
	closed(t, db)

	wantState(t, open(t, o), complete(1))

	// One file, with the given name, readable by its owner only.
	if _, err := os.Stat(o.File); err != nil {
		t.Fatal(err)
	}
	for _, file := range files(t, filepath.Dir(o.File)) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
	}
}

// The files are in the working directory, and not in memory.
func TestOpensRelativePaths(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, file := range []string{"test.db", "./also.db", ":memory:", "file:test.db?mode=memory"} {
		db := open(t, options(file))
		mustWrite(t, db, 1)
		closed(t, db)
		wantState(t, open(t, options(file)), complete(1))
	}
}

func TestWriteThatFailsWritesNothing(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	mustWrite(t, db, 1)
	refused := errors.New("refused")

	err := db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		if err := insert(ctx, tx, 2); err != nil {
			return err
		}
		return refused
	})

	if !errors.Is(err, refused) {
		t.Errorf("got %v, want the error of work", err)
	}
	wantState(t, db, complete(1))
	mustWrite(t, db, 2)
	wantState(t, db, complete(2))
}

func TestWriteThatPanicsWritesNothing(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	mustWrite(t, db, 1)

	func() {
		defer func() {
			if r := recover(); r != "unexpected" {
				t.Errorf("recovered %v", r)
			}
		}()
		_ = db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
			if err := insert(ctx, tx, 2); err != nil {
				return err
			}
			rows, err := tx.QueryContext(ctx, "select batch from entries")
			if err != nil {
				return err
			}
			defer rows.Close()
			if !rows.Next() {
				return rows.Err()
			}
			panic("unexpected")
		})
		t.Error("the panic was swallowed")
	}()

	mustWrite(t, db, 2)
	wantState(t, db, complete(2))
}

func TestWriteThatHasBegunIsNotCancelled(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	ctx, cancel := context.WithCancel(t.Context())

	err := db.Write(ctx, func(ctx context.Context, tx sqlite.Conn) error {
		cancel()
		if err := ctx.Err(); err != nil {
			t.Errorf("the context of work has ended: %v", err)
		}
		return insert(ctx, tx, 1)
	})

	if err != nil {
		t.Error(err)
	}
	wantState(t, db, complete(1))
}

func TestWriteStopsWaitingWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, options(newFile(t)))
		release := hold(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- write(ctx, db, 1) }()
		synctest.Wait()

		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "wait for a turn") {
			t.Errorf("got %v", err)
		}
		release()
		if err := write(ctx, db, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
		wantState(t, db, complete(0))
	})
}

// Closing an event must not wait for bets that come later.
func TestWritersRunInOrderOfArrival(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		db := open(t, options(newFile(t)))
		release := hold(t, db)
		var order []int // written by one writer at a time
		var writing sync.WaitGroup
		start := func(i int, work func()) {
			writing.Go(func() {
				err := db.Write(t.Context(), func(context.Context, sqlite.Conn) error {
					order = append(order, i)
					work()
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // until it waits
		}
		start(0, func() {
			// This writer comes while others wait and the current one is about to end.
			start(n, func() {})
		})
		for i := 1; i < n; i++ {
			start(i, func() {})
		}

		release()
		writing.Wait()

		if !slices.IsSorted(order) || len(order) != n+1 {
			t.Errorf("they wrote in the order %d", order)
		}
	})
}

// hold keeps a writing transaction open until release is called or the test ends.
func hold(t *testing.T, db *sqlite.DB) (release func()) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	var holding sync.WaitGroup
	holding.Go(func() {
		err := db.Write(t.Context(), func(context.Context, sqlite.Conn) error {
			close(busy)
			<-free
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-busy
	release = sync.OnceFunc(func() { close(free); holding.Wait() })
	t.Cleanup(release)
	return release
}

func TestReadSeesOneStateAndDoesNotWait(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	mustWrite(t, db, 1)

	err := db.Read(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		before, err := look(ctx, tx)
		if err != nil {
			return err
		}
		mustWrite(t, db, 2) // does not wait for the reader
		after, err := look(ctx, tx)
		if before != complete(1) || after != before {
			t.Errorf("saw %+v and then %+v", before, after)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		wantState(t, db, complete(2)) // without uncommitted data
		return insert(ctx, tx, 3)
	})
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, db, complete(3))
}

func TestReadCannotWrite(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	if err := db.Read(t.Context(), func(ctx context.Context, tx sqlite.Conn) error { return insert(ctx, tx, 1) }); err == nil {
		t.Error("a reader has written")
	}
	wantState(t, db, complete(0))
}

// If a transaction stayed open on a connection, the next user of the connection would see an old state.
func TestCancelledReadLeavesNoTransaction(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	for range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		var ending sync.WaitGroup
		ending.Go(func() {
			for began := time.Now(); time.Since(began) < rand.N(100*time.Microsecond); { // at a random point
				runtime.Gosched()
			}
			cancel()
		})
		_ = db.Read(ctx, func(ctx context.Context, tx sqlite.Conn) error {
			_, err := look(ctx, tx)
			return err
		})
		ending.Wait()
	}
	mustWrite(t, db, 1)

	// Use all connections at once.
	const readers = 4
	var inside, reading sync.WaitGroup
	inside.Add(readers)
	for range readers {
		reading.Go(func() {
			err := db.Read(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
				inside.Done()
				inside.Wait()
				got, err := look(ctx, tx)
				if got != complete(1) {
					t.Errorf("saw %+v", got)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	reading.Wait()
}

func TestPing(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	closed(t, db)
	if err := db.Ping(t.Context()); err == nil {
		t.Error("Ping succeeds on a closed file")
	}
}

func TestIsUniqueViolation(t *testing.T) {
	t.Parallel()
	db := open(t, options(newFile(t)))
	violate := func(statement string) error {
		return db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
			_, err := tx.ExecContext(ctx, statement+";"+statement)
			return err
		})
	}
	insertParent := func(id, name, folded string) string {
		return fmt.Sprintf("insert into parents (id, name, name_folded) values (%s, %s, %s)", id, name, folded)
	}
	for _, test := range []struct {
		name   string
		err    error
		column string
		want   bool
	}{
		{"a unique column", violate(insertParent("random()", "'a'", "random()")), "parents.name", true},
		{"another column with the same prefix", violate(insertParent("random()", "random()", "'a'")), "parents.name", false},
		{"another table with the same suffix", violate(insertParent("random()", "'a'", "random()")), "grandparents.name", false},
		{"a primary key", violate(insertParent("7", "random()", "random()")), "parents.id", true},
		{"the second column of a key", violate("insert into entries (batch, part) values (1, 2)"), "entries.part", true},
		{"not null", violate("insert into entries (batch) values (1)"), "entries.part", false},
		{"a foreign key", violate("insert into children (parent) values (99)"), "children.parent", false},
		{"another error", errors.New("UNIQUE constraint failed: parents.name (2067)"), "parents.name", false},
		{"none", nil, "parents.name", false},
	} {
		if got := sqlite.IsUniqueViolation(test.err, test.column); got != test.want {
			t.Errorf("%s: %t for %s in %v", test.name, got, test.column, test.err)
		}
		if wrapped := fmt.Errorf("insert: %w", test.err); sqlite.IsUniqueViolation(wrapped, test.column) != test.want {
			t.Errorf("%s, wrapped: want %t for %s in %v", test.name, test.want, test.column, test.err)
		}
	}
}
