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
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"modernc.org/sqlite"
)

const (
	// readers is how many transactions may read at the same time.
	readers = 4
	// busyTimeout is how long is waited for another process.
	busyTimeout = 5 * time.Second
)

const (
	// writerCache is 8 MB. What a batch of bets changes is all over the file; with SQLite's 2 MB,
	// placing takes 10 % more time, in which pages are read again. More than 8 MB gain nothing.
	writerCache = "cache_size(-8192)"
	// checkpoint is after how many pages of the write-ahead log, 100 MB, they are written to the file
	// itself. A page that many transactions have changed is then written once, and the disk
	// waited for less often: with SQLite's 1,000 pages a bet writes 46 % more, and with 10,000 it takes
	// 7 % more time.
	checkpoint = "wal_autocheckpoint(25000)"
)

// Options say which file to open and how.
type Options struct {
	// File is the path of the file. It is made when it does not exist; its directory is not.
	File string
	// Application marks the file, so that it is not taken for another program's, nor another
	// one for it. The zero value marks nothing.
	Application int32
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
	// busyTimeout is how long Write waits for a writer in another process.
	busyTimeout time.Duration
	// failed is why the file is not used any more: the disk failed during a commit.
	failed atomic.Pointer[error]

	closing sync.Once
	closed  error // how that went
}

// Open opens the file and brings its schema up to date. Errors: ErrInUse, ErrDamaged,
// ErrSchemaNewer, ErrSchemaOlder (for guests), ErrUnavailable, or one of the file system.
// A file that is refused is left as it is, and so is its write-ahead log.
func Open(ctx context.Context, o Options) (_ *DB, err error) {
	db := &DB{file: o.File, turn: semaphore.NewWeighted(1), busyTimeout: busyTimeout}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", o.File, errors.Join(interpret(err), db.Close()))
		}
	}()
	path, err := resolve(o)
	if err != nil {
		return nil, err
	}
	if !o.Guest {
		if db.lock, err = lockFile(path + ".lock"); err != nil {
			return nil, err
		}
	}
	// These connect when they are used, which is after the file has been accepted.
	db.writer, err = connections(path, 1,
		"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", writerCache, checkpoint)
	if err != nil {
		return nil, err
	}
	db.readers, err = connections(path, readers, "synchronous(FULL)", "query_only(ON)")
	if err != nil {
		return nil, err
	}
	schema, err := newSchema(db.writer, o)
	if err != nil {
		return nil, err
	}
	version, err := inspect(ctx, path, o.Application)
	if err != nil {
		return nil, err
	}
	if err := schema.accept(version); err != nil {
		return nil, err
	}
	if o.Guest {
		return db, nil
	}
	if err := makeFile(ctx, path, db.writer); err != nil {
		return nil, err
	}
	if version == 0 {
		// Before the schema is there: a file with a version has its mark.
		if _, err := db.writer.ExecContext(ctx, fmt.Sprintf("pragma application_id = %d", o.Application)); err != nil {
			return nil, err
		}
	}
	if err := schema.migrate(ctx); err != nil {
		return nil, err
	}
	return db, nil
}

// connections returns a pool of connections that all have the pragmas.
func connections(path string, limit int, pragmas ...string) (*sql.DB, error) {
	drivers, err := sqlite.NewConnector(dsn(path, "rw", pragmas...))
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector{drivers})
	db.SetMaxOpenConns(limit)
	db.SetMaxIdleConns(limit)
	return db, nil
}

// dsn is what the driver opens: an absolute path, and "ro" or "rw" as the mode. Every
// connection gets the pragmas.
func dsn(path, mode string, pragmas ...string) string {
	query := url.Values{
		"mode":    {mode},
		"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())}, pragmas...),
	}
	// Only these have a meaning in the path of a URI file name (sqlite.org/uri.html).
	path = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	return "file:" + path + "?" + query.Encode()
}

// Close ends all connections. It waits for nobody: close after the last transaction. To
// close it again does nothing.
func (db *DB) Close() error {
	db.closing.Do(func() { db.closed = db.close() })
	return db.closed
}

func (db *DB) close() error {
	var errs []error
	if db.readers != nil {
		errs = append(errs, db.readers.Close())
	}
	if db.writer != nil {
		errs = append(errs, db.writer.Close()) // the last one to close empties the write-ahead log
	}
	if db.lock != nil {
		errs = append(errs, unlockFile(db.lock))
	}
	return errors.Join(errs...)
}

// File returns the path of the file.
func (db *DB) File() string { return db.file }

// Ping returns nil when the file can be read, and Write has not given it up. Whether there
// is room on the disk shows only when something is written.
func (db *DB) Ping(ctx context.Context) error {
	return db.Read(ctx, func(ctx context.Context, tx Conn) error {
		var tables int
		return tx.QueryRowContext(ctx, "select count(*) from sqlite_schema").Scan(&tables)
	})
}

// Write runs work in a transaction that nobody else writes beside, and commits what it
// has done when it returns nil. When it returns an error, or panics, nothing is written.
// A ctx that ends stops the waiting; a transaction that has begun goes to its
// end. work must not call Write, and closes the rows that it opens.
//
// Errors: work's; ErrUnavailable, when nothing was written, or ErrOutcomeUnknown, when the
// disk failed during the commit. After the latter everything is ErrUnavailable until the
// file is opened again: what the disk holds has to be read from it.
func (db *DB) Write(ctx context.Context, work func(ctx context.Context, tx Conn) error) error {
	if err := db.turn.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for a turn to write: %w", err)
	}
	defer db.turn.Release(1)
	if failure := db.failed.Load(); failure != nil {
		return *failure
	}
	conn, err := db.writer.Conn(ctx)
	if err != nil {
		return interpret(err)
	}
	defer func() { _ = conn.Close() }() // gives it back to the pool
	if err := db.begin(ctx, conn); err != nil {
		return interpret(err)
	}
	ctx = context.WithoutCancel(ctx)
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

// begin begins a transaction as soon as no other process writes.
//
// By itself SQLite would look ten times a second whether one does. A process with much to do
// leaves gaps of microseconds between its transactions, and would keep others out by chance.
func (db *DB) begin(ctx context.Context, conn Conn) error {
	const attempt = "pragma busy_timeout = 5; begin immediate" // milliseconds
	for began := time.Now(); ; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for another process: %w", err)
		}
		_, err := conn.ExecContext(context.WithoutCancel(ctx), attempt)
		if !isBusy(err) || time.Since(began) >= db.busyTimeout {
			return err
		}
	}
}

// Read runs queries that all see the same state of the file, which is that of the first of
// them. They cannot write. Errors: those of query; ErrUnavailable; that of ctx, which ends
// the queries as well.
func (db *DB) Read(ctx context.Context, query func(ctx context.Context, tx Conn) error) error {
	if failure := db.failed.Load(); failure != nil {
		return *failure
	}
	conn, err := db.readers.Conn(ctx)
	if err != nil {
		return interpret(err)
	}
	defer func() { _ = conn.Close() }()
	// Also when ctx ends while it begins: it may have begun, and whoever got the connection
	// next would see the state of now for ever.
	defer rollBack(ctx, conn)
	if _, err := conn.ExecContext(ctx, "begin"); err != nil {
		return interpret(err)
	}
	return interpret(query(ctx, conn))
}

// rollBack ends a transaction, if there is one. A connection on which that fails is closed,
// which does so, too.
func rollBack(ctx context.Context, conn Conn) {
	if _, err := conn.ExecContext(context.WithoutCancel(ctx), "rollback"); err != nil && !isNoTransaction(err) {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
