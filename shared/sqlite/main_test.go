package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"stavka.local/shared/sqlite"
)

// patience bounds how long tests wait.
const patience = 30 * time.Second

// This binary is also the second process of tests that need one: see child.
const (
	roleKey = "STAVKA_SQLITE_TEST_ROLE"
	fileKey = "STAVKA_SQLITE_TEST_FILE"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleKey); role != "" {
		if err := play(context.Background(), role, os.Getenv(fileKey)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// play is the main function of the second process. It uses the file by its role, writes its progress to
// standard output, one word per line, and runs until it is killed.
func play(ctx context.Context, role, file string) error {
	o := options(file)
	o.Guest = role == "guest"
	db, err := sqlite.Open(ctx, o)
	if err != nil {
		return err
	}
	switch role {
	case "hold": // keeps the file open
		err = write(ctx, db, 1)
		fmt.Println("open")
	case "half": // stays in a transaction
		err = db.Write(ctx, func(ctx context.Context, tx sqlite.Conn) error {
			if err := fill(ctx, tx, tooMuch); err != nil {
				return err
			}
			fmt.Println("half")
			_, err := io.Copy(io.Discard, os.Stdin)
			return err
		})
	case "owner", "guest": // commits transactions and acknowledges each
		for err == nil {
			var batch int
			err = db.Write(ctx, func(ctx context.Context, tx sqlite.Conn) (err error) {
				batch, err = insertNext(ctx, tx)
				return err
			})
			if err == nil {
				fmt.Println(batch)
			}
		}
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, db.Close())
}

// child is a second process that uses a file.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // its output; closed when that ends
}

// start starts a process with a role. It is killed at the end of the test.
func start(t *testing.T, role, file string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0]), lines: make(chan string, 1<<16)}
	c.cmd.Env = append(os.Environ(), roleKey+"="+role, fileKey+"="+file)
	c.cmd.Stderr = t.Output()
	stdin, err := c.cmd.StdinPipe() // stays open: the process waits by reading it
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			c.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		c.kill()
		_ = stdin.Close()
	})
	return c
}

// says returns the next line of output.
func (c *child) says() string {
	c.t.Helper()
	select {
	case line, ok := <-c.lines:
		if !ok {
			c.t.Fatal("the other process has ended")
		}
		return line
	case <-time.After(patience):
		c.t.Fatalf("the other process has written nothing for %v", patience)
	}
	return ""
}

// kill kills the process by SIGKILL and returns its unread output. Further calls do nothing.
func (c *child) kill() []string {
	c.t.Helper()
	if c.cmd.ProcessState != nil {
		return nil
	}
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Error(err)
	}
	var rest []string
	for line := range c.lines {
		rest = append(rest, line)
	}
	_ = c.cmd.Wait() // it was killed
	return rest
}

// parts is the number of rows in a batch. A batch of one row would always be complete.
const parts = 3

// migrations returns the first n migrations of the tests.
func migrations(n int) fstest.MapFS {
	all := []string{
		`create table entries (
			batch integer not null,
			part  integer not null,
			note  text not null default '',
			constraint entries_key unique (batch, part)
		) strict;
		create table parents (id integer not null primary key, name text not null unique, name_folded text not null unique) strict;
		create table children (parent integer not null references parents (id)) strict;`,
		`alter table entries add column more integer;`,
	}
	files := make(fstest.MapFS)
	for i, up := range all[:n] {
		files[fmt.Sprintf("%05d_step.sql", i+1)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + up + "\n")}
	}
	return files
}

// fill inserts rows of a kilobyte that belong to no batch.
func fill(ctx context.Context, tx sqlite.Conn, rows int) error {
	_, err := tx.ExecContext(ctx, `with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ?)
		insert into entries (batch, part, note) select 1000 + n, 0, ? from numbers`, rows, strings.Repeat("x", 1000))
	return err
}

// tooMuch is a number of these rows that SQLite cannot hold in memory until the commit.
const tooMuch = 20_000

func options(file string) sqlite.Options {
	return sqlite.Options{File: file, Migrations: migrations(1), Logger: slog.New(slog.DiscardHandler)}
}

// newFile returns the path of a file that does not exist.
func newFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "test.db")
}

// open opens a file. It is closed when the test ends, if not earlier.
func open(t *testing.T, o sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// closed closes a file before the end of the test.
func closed(t *testing.T, db *sqlite.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func insert(ctx context.Context, tx sqlite.Conn, batch int) error {
	for part := range parts {
		if _, err := tx.ExecContext(ctx, "insert into entries (batch, part, note) values (?, ?, ?)", batch, part, "a note"); err != nil {
			return err
		}
	}
	return nil
}

// insertNext inserts the batch after the last one.
func insertNext(ctx context.Context, tx sqlite.Conn) (batch int, err error) {
	if err := tx.QueryRowContext(ctx, "select coalesce(max(batch), 0) + 1 from entries").Scan(&batch); err != nil {
		return 0, err
	}
	return batch, insert(ctx, tx, batch)
}

// write writes a batch in one transaction.
func write(ctx context.Context, db *sqlite.DB, batch int) error {
	return db.Write(ctx, func(ctx context.Context, tx sqlite.Conn) error { return insert(ctx, tx, batch) })
}

func mustWrite(t *testing.T, db *sqlite.DB, batches ...int) {
	t.Helper()
	for _, batch := range batches {
		if err := write(t.Context(), db, batch); err != nil {
			t.Fatal(err)
		}
	}
}

// state summarizes the content of a file.
type state struct {
	batches    int // complete ones
	rows, last int
}

// complete is the state of a file with the batches from 1 to n.
func complete(n int) state { return state{batches: n, rows: n * parts, last: n} }

func look(ctx context.Context, tx sqlite.Conn) (s state, err error) {
	err = tx.QueryRowContext(ctx, `select count(*) filter (where n = ?), coalesce(sum(n), 0), coalesce(max(batch), 0)
		from (select batch, count(*) as n from entries group by batch)`, parts).Scan(&s.batches, &s.rows, &s.last)
	return s, err
}

// stateOf returns the state of an open file. It also checks that the file is not damaged.
func stateOf(t *testing.T, db *sqlite.DB) (s state) {
	t.Helper()
	err := db.Read(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
		var found string
		if err := tx.QueryRowContext(ctx, "pragma integrity_check").Scan(&found); err != nil {
			return err
		}
		if found != "ok" {
			t.Errorf("the file is damaged: %s", found)
		}
		var err error
		s, err = look(ctx, tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantState(t *testing.T, db *sqlite.DB, want state) {
	t.Helper()
	if got := stateOf(t, db); got != want {
		t.Errorf("the file has %+v, want %+v", got, want)
	}
}

// scaled returns a tenth of a full count, times STAVKA_TEST_SCALE, which is 1 unless
// `make test-long` runs the full counts.
func scaled(t *testing.T, full int) int {
	t.Helper()
	scale := 1
	if text := os.Getenv("STAVKA_TEST_SCALE"); text != "" {
		var err error
		if scale, err = strconv.Atoi(text); err != nil || scale < 1 {
			t.Fatalf("STAVKA_TEST_SCALE is %q, want a number from 1", text)
		}
	}
	return max(1, full*scale/10)
}
