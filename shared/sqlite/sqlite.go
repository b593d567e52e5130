// Package sqlite stores a service's data in one SQLite file: it opens the file safely, migrates its schema
// and runs transactions. The services define the schema and the queries.
//
// The file is in WAL mode with synchronous=FULL: the writes of a transaction are on the disk when Write
// returns. There is one writer at a time, in the order of requests. Readers see the last commit and do
// not wait.
//
// One process owns the file and prevents others from opening it as owners. Other processes may open it
// as guests to read or to add something. Guests never change the schema.
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
	// readers is how many transactions may read at once.
	readers = 4
	// busyTimeout is how long to wait for another process.
	busyTimeout = 5 * time.Second
)

const (
	// writerCache is 8 MB. A batch of bets changes pages all over the file; with SQLite's default of
	// 2 MB pages are read again. More than 8 MB gains nothing.
	writerCache = "cache_size(-8192)"
	// checkpoint makes SQLite copy the write-ahead log to the file after 25,000 pages, 100 MB, instead of
	// its default of 1,000. A page that many transactions have changed is then copied once, and the disk
	// syncs less often.
	checkpoint = "wal_autocheckpoint(25000)"
)

// Options configures Open.
type Options struct {
	// File is the path of the file. Open creates the file if it does not exist, but not its directory.
	File string
	// Application is the application id that marks the file, so that programs do not open each other's
	// files. Zero means no mark.
	Application int32
	// Migrations are goose migrations.
	Migrations fs.FS
	// Guest opens a file that may be in use by the process that owns it.
	Guest bool
	// Logger logs migrations.
	Logger *slog.Logger
}

// Conn is a connection with a transaction in it.
type Conn = *sql.Conn

// DB is an open file. It is safe for concurrent use.
type DB struct {
	file    string
	path    string                 // absolute, without symbolic links
	opened  map[string]os.FileInfo // what was found under the names of the file and of its lock
	lock    *os.File               // nil for a guest
	writer  *sql.DB
	readers *sql.DB
	turn    *semaphore.Weighted // held by the writer; first come, first served
	// busyTimeout is how long Write waits for a writer in another process.
	busyTimeout time.Duration
	// failed is set when the disk fails during a commit, or when the file is lost. The file is not used
	// after that.
	failed atomic.Pointer[error]

	closing sync.Once
	closed  error // the result of closing
}

// Open opens the file and migrates its schema. A file that it refuses stays unchanged, and so does its
// write-ahead log. Errors:
//   - ErrInUse;
//   - ErrDamaged;
//   - ErrSchemaNewer, and ErrSchemaOlder for guests;
//   - ErrUnavailable;
//   - errors of the file system.
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
	db.path = path
	if !o.Guest {
		if db.lock, err = lockFile(path + ".lock"); err != nil {
			return nil, err
		}
	}
	// These connect on first use, which is after the file has been accepted.
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
		return db, db.remember()
	}
	if err := makeFile(ctx, path, db.writer); err != nil {
		return nil, err
	}
	if err := db.remember(); err != nil {
		return nil, err
	}
	if version == 0 {
		// Before the migration, so that every file with a version has its mark.
		if _, err := db.writer.ExecContext(ctx, fmt.Sprintf("pragma application_id = %d", o.Application)); err != nil {
			return nil, err
		}
	}
	if err := schema.migrate(ctx); err != nil {
		return nil, err
	}
	return db, nil
}

// connections returns a pool whose connections have the pragmas.
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

// dsn returns the driver's name for a file: path is absolute, mode is "ro" or "rw", and every connection
// gets the pragmas.
func dsn(path, mode string, pragmas ...string) string {
	query := url.Values{
		"mode":    {mode},
		"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())}, pragmas...),
	}
	// Only these characters are special in the path of a URI file name (sqlite.org/uri.html).
	path = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	return "file:" + path + "?" + query.Encode()
}

// Close closes all connections. It does not wait for transactions: call it after the last one. Further
// calls do nothing.
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
		errs = append(errs, db.writer.Close()) // the last connection to close empties the write-ahead log
	}
	if db.lock != nil {
		errs = append(errs, unlockFile(db.lock))
	}
	return errors.Join(errs...)
}

// File returns the path of the file.
func (db *DB) File() string { return db.file }

// Ping returns nil if the file can be read and no commit has failed. It does not show whether the disk has
// space.
func (db *DB) Ping(ctx context.Context) error {
	return db.Read(ctx, func(ctx context.Context, tx Conn) error {
		var tables int
		return tx.QueryRowContext(ctx, "select count(*) from sqlite_schema").Scan(&tables)
	})
}

// Write runs work in the only writing transaction, and commits if work returns nil. If work returns an
// error or panics, nothing is written. ctx bounds the wait for the transaction; a transaction that has
// begun runs to its end. work must not call Write, and must close the rows that it opens. Errors:
//   - those of work;
//   - ErrUnavailable: nothing was written;
//   - ErrOutcomeUnknown: the disk failed during the commit, or the file is lost. From then on every
//     operation returns ErrUnavailable until the file is opened again, because memory may differ from the
//     disk.
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
	if err := db.checkFiles(); err != nil {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return nil
}

// begin begins a transaction as soon as no other process writes.
//
// It polls with a short busy timeout. SQLite would try ten times a second, and could miss every gap between
// the transactions of a busy process for a long time.
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

// Read runs query in a reading transaction: all statements see the state that the first one sees. ctx ends
// running statements. Errors:
//   - those of query;
//   - ErrUnavailable;
//   - that of ctx.
func (db *DB) Read(ctx context.Context, query func(ctx context.Context, tx Conn) error) error {
	if failure := db.failed.Load(); failure != nil {
		return *failure
	}
	conn, err := db.readers.Conn(ctx)
	if err != nil {
		return interpret(err)
	}
	defer func() { _ = conn.Close() }()
	// Also if begin fails because ctx ends: the transaction may have begun, and the next user of the
	// connection would keep seeing an old state.
	defer rollBack(ctx, conn)
	if _, err := conn.ExecContext(ctx, "begin"); err != nil {
		return interpret(err)
	}
	return interpret(query(ctx, conn))
}

// rollBack rolls back the transaction, if there is one. If that fails, it closes the connection, which
// also rolls back.
func rollBack(ctx context.Context, conn Conn) {
	if _, err := conn.ExecContext(context.WithoutCancel(ctx), "rollback"); err != nil && !isNoTransaction(err) {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
