// Package sqlite keeps a service's data in one SQLite file: it opens the file safely,
// brings its schema up to date, and runs transactions on it. What is in the file is the
// services' business.
//
// The file is in WAL mode with synchronous=FULL: what a transaction has written is on
// the disk when Write returns. There is one writer at a time, in the order of asking;
// readers see the last commit and wait for nobody.
//
// A file belongs to one process, which keeps it from being opened a second time. Others
// may come as guests, to read or to add something; they never change its schema.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	_ "modernc.org/sqlite" // the driver
)

const (
	// readers is how many transactions may read at the same time.
	readers = 4
	// busyTimeout is how long a writer waits for one in another process.
	busyTimeout = 5 * time.Second
	// checkedAtOnce is the size of a file, in bytes, up to which all of it is checked when
	// it is opened. A larger one would keep a start waiting; damage in it is found when it
	// is read.
	checkedAtOnce = 16 << 20
)

// Options say which file to open and how.
type Options struct {
	// File is the path of the file. It is made when it does not exist; its directory is not.
	File string
	// Migrations are goose's.
	Migrations fs.FS
	// Guest: the file may be in use by the process that it belongs to.
	Guest bool
	// Logger is told of migrations.
	Logger *slog.Logger
}

// Conn is a connection with a transaction in it.
type Conn = *sql.Conn

// DB is an open file. It is safe for concurrent use.
type DB struct {
	file    string
	lock    *os.File // nil for a guest
	writer  *sql.DB
	readers *sql.DB
	turn    *semaphore.Weighted // held by who writes; first come, first served
	// failed is why nothing is written any more: the disk failed in the middle of a commit.
	failed atomic.Pointer[error]
}

// Open opens the file and brings its schema up to date. Errors: ErrInUse, ErrDamaged,
// ErrSchemaNewer, ErrSchemaOlder (for guests), ErrUnavailable, or one of the file system.
// A file that is not accepted is left as it is.
func Open(ctx context.Context, o Options) (_ *DB, err error) {
	db := &DB{file: o.File, turn: semaphore.NewWeighted(1)}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", o.File, errors.Join(interpret(err), db.Close()))
		}
	}()
	if err := usable(o); err != nil {
		return nil, err
	}
	if !o.Guest {
		if db.lock, err = lockFile(o.File + ".lock"); err != nil {
			return nil, err
		}
	}
	if db.writer, err = sql.Open("sqlite", dsn(o.File, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)")); err != nil {
		return nil, err
	}
	db.writer.SetMaxOpenConns(1)
	if err := check(ctx, db.writer, o.File); err != nil {
		return nil, err
	}
	if err := migrate(ctx, db.writer, o); err != nil {
		return nil, err
	}
	// Opened after the writer has made the file, since they could not.
	if db.readers, err = sql.Open("sqlite", dsn(o.File, "query_only(ON)")); err != nil {
		return nil, err
	}
	db.readers.SetMaxOpenConns(readers)
	db.readers.SetMaxIdleConns(readers)
	return db, nil
}

// usable refuses a file that SQLite would find fault with in words of its own.
func usable(o Options) error {
	directory, err := os.Stat(filepath.Dir(o.File))
	if err != nil {
		return err
	}
	if !directory.IsDir() {
		return fmt.Errorf("%s is no directory", filepath.Dir(o.File))
	}
	file, err := os.Stat(o.File)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.Guest:
		return errors.New("there is no such file: nothing has been kept here yet")
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !file.Mode().IsRegular():
		return errors.New("is no file")
	}
	return nil
}

// dsn is what the driver opens. Every connection gets the pragmas.
func dsn(file string, pragmas ...string) string {
	query := url.Values{"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())}, pragmas...)}
	// Only these have a meaning in the path of a URI file name (sqlite.org/uri.html).
	path := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(file)
	return "file:" + path + "?" + query.Encode()
}

// check looks for damage.
func check(ctx context.Context, db *sql.DB, file string) error {
	info, err := os.Stat(file)
	if err != nil || info.Size() > checkedAtOnce {
		// It may not have been made yet.
		return db.PingContext(ctx)
	}
	var found string
	if err := db.QueryRowContext(ctx, "pragma quick_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, found)
	}
	return nil
}

// Close ends all connections. It waits for nobody: close after the last transaction.
func (db *DB) Close() error {
	var errs []error
	if db.readers != nil {
		errs = append(errs, db.readers.Close())
	}
	if db.writer != nil {
		errs = append(errs, db.writer.Close()) // the last one to close empties the write-ahead log
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close()) // and so gives it up
	}
	return errors.Join(errs...)
}

// File returns the path of the file.
func (db *DB) File() string { return db.file }

// Ping tells whether the file can be read, and may be written.
func (db *DB) Ping(ctx context.Context) error {
	if failure := db.failed.Load(); failure != nil {
		return *failure
	}
	return interpret(db.readers.PingContext(ctx))
}

// Write runs work in a transaction that nobody else writes beside, and commits what it
// has done when it returns nil. When it returns an error, or panics, nothing is written.
// A ctx that ends stops the wait for a turn; a transaction that has begun goes to its
// end. work must not call Write.
//
// Errors: work's; ErrUnavailable, when nothing was written, or ErrOutcomeUnknown, when the
// disk failed during the commit. After the latter nothing can be written until the file
// is opened again: what the disk holds has to be read from it.
func (db *DB) Write(ctx context.Context, work func(ctx context.Context, tx Conn) error) error {
	if err := db.turn.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for a turn to write: %w", err)
	}
	defer db.turn.Release(1)
	if failure := db.failed.Load(); failure != nil {
		return *failure
	}
	ctx = context.WithoutCancel(ctx)
	conn, err := db.writer.Conn(ctx)
	if err != nil {
		return interpret(err)
	}
	defer func() { _ = conn.Close() }() // gives it back to the pool
	if _, err := conn.ExecContext(ctx, "begin immediate"); err != nil {
		return interpret(err)
	}
	committed := false
	defer func() {
		if !committed {
			rollBack(ctx, conn)
		}
	}()
	if err := work(ctx, conn); err != nil {
		return interpret(err)
	}
	if _, err := conn.ExecContext(ctx, "commit"); err != nil {
		return db.interpretCommit(err)
	}
	committed = true
	return nil
}

// Read runs queries that all see the same state of the file.
func (db *DB) Read(ctx context.Context, query func(ctx context.Context, tx Conn) error) error {
	conn, err := db.readers.Conn(ctx)
	if err != nil {
		return interpret(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, "begin"); err != nil {
		return interpret(err)
	}
	defer rollBack(ctx, conn)
	return interpret(query(ctx, conn))
}

// rollBack ends a transaction. A connection on which that fails is closed, which does so,
// too.
func rollBack(ctx context.Context, conn Conn) {
	if _, err := conn.ExecContext(context.WithoutCancel(ctx), "rollback"); err != nil && !isNoTransaction(err) {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
