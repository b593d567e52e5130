package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stavka.local/lineprovider/internal/adapters/sqlite/sqlitedb"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/fault"
	"stavka.local/shared/line"
	"stavka.local/shared/sqlite"
	"stavka.local/sql"
)

// application marks line-provider's files: "SvLP".
const application = 0x53764c50

// operationTime bounds operations that continue without their caller: the wait to write, or a read.
const operationTime = 5 * time.Second

// Options configures Open.
type Options struct {
	// File is the path of the file. Open creates the file if it does not exist, but not its directory.
	File string
	// Guest opens a file that another process owns, and may be using.
	Guest bool
	// Log logs warnings for an operator.
	Log *slog.Logger
}

// Store is the line in a file. It implements ports.Store and is safe for concurrent use.
type Store struct {
	db    *sqlite.DB
	file  string
	guest bool
	log   *slog.Logger
}

var _ ports.Store = (*Store)(nil)

// Open opens the line in a file, and creates it if there is none. It returns the errors of Open of
// package stavka.local/shared/sqlite.
func Open(ctx context.Context, o Options) (*Store, error) {
	db, err := sqlite.Open(ctx, sqlite.Options{
		File: o.File, Application: application, Migrations: sql.LineProviderSQLite, Guest: o.Guest, Logger: o.Log,
	})
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, file: o.File, guest: o.Guest, log: o.Log}
	if o.Guest {
		return s, nil
	}
	if err := s.resume(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", o.File, err), db.Close())
	}
	return s, nil
}

// Close writes a receipt and closes the file. Call it after the last operation.
func (s *Store) Close() error {
	if !s.guest {
		s.leaveReceipt()
	}
	return s.db.Close()
}

// Ping returns nil if the file can be used, and otherwise an error for an operator to read.
func (s *Store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Watch returns when the file is lost, see shared/sqlite, or when ctx ends.
func (s *Store) Watch(ctx context.Context) error { return s.db.Watch(ctx) }

// transaction is a transaction and the state of the line in it.
type transaction struct {
	*sqlitedb.Queries

	conn sqlite.Conn
	line sqlitedb.Line // its state after the transaction
}

func (tx *transaction) epoch() line.Epoch {
	return line.Epoch{Dataset: tx.line.Dataset, Generation: tx.line.Generation}
}

func begin(ctx context.Context, conn sqlite.Conn) (*transaction, error) {
	queries := sqlitedb.New(conn)
	row, err := queries.Line(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the line: %w", err)
	}
	return &transaction{Queries: queries, conn: conn, line: row}, nil
}

// read runs query in a reading transaction.
func (s *Store) read(ctx context.Context, query func(context.Context, *transaction) error) error {
	return interpretError(s.db.Read(ctx, func(ctx context.Context, conn sqlite.Conn) error {
		tx, err := begin(ctx, conn)
		if err != nil {
			return err
		}
		return query(ctx, tx)
	}))
}

// write runs work in the writing transaction and commits if it returns nil. It continues if ctx is
// cancelled.
func (s *Store) write(ctx context.Context, work func(context.Context, *transaction) error) error {
	ctx, cancel := detach(ctx)
	defer cancel()
	return interpretError(s.db.Write(ctx, func(ctx context.Context, conn sqlite.Conn) error {
		tx, err := begin(ctx, conn)
		if err != nil {
			return err
		}
		before := tx.line
		if err := work(ctx, tx); err != nil {
			return err
		}
		if tx.line == before {
			return nil
		}
		return save(ctx, tx.Queries, tx.line)
	}))
}

func save(ctx context.Context, queries *sqlitedb.Queries, row sqlitedb.Line) error {
	return queries.SaveLine(ctx, sqlitedb.SaveLineParams{
		Generation: row.Generation, LastSeq: row.LastSeq, LastID: row.LastID, PublishedSeq: row.PublishedSeq,
	})
}

// detach returns a context that does not end with the caller's.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), operationTime)
}

// interpretError turns an error of the file into an error of the domain, or wraps it.
func interpretError(err error) error {
	switch {
	case err == nil || fault.Find(err) != nil:
		return err
	case errors.Is(err, sqlite.ErrUnavailable), errors.Is(err, sqlite.ErrOutcomeUnknown),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return domain.ErrUnavailable.Because(err)
	default:
		return fmt.Errorf("sqlite: %w", err)
	}
}
