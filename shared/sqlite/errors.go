package sqlite

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrUnavailable tells that the file cannot be used now. The disk may be full or failing,
	// the file or its directory may not be writable, or another process is busy with it.
	// Nothing was written.
	ErrUnavailable = errors.New("the database file cannot be used at the moment")
	// ErrOutcomeUnknown tells that the disk failed while a transaction was being committed.
	ErrOutcomeUnknown = errors.New("the disk failed during a commit; whether it took place shows when the file is opened again")
	// ErrDamaged tells that what is in the file is not what this package has written there.
	ErrDamaged = errors.New("the database file is damaged, or is none of ours")
	// ErrInUse tells that the file belongs to a process that runs.
	ErrInUse = errors.New("another process uses this file")
	// ErrSchemaNewer tells that the file has been migrated beyond what this program knows.
	ErrSchemaNewer = errors.New("the schema is newer than this program")
	// ErrSchemaOlder tells that the file has to be migrated first, which a guest must not do.
	ErrSchemaOlder = errors.New("the schema is older than this program")
)

// interpret gives an error of SQLite's one of the names above, if it is one that is told
// apart. Other errors stay as they are.
func interpret(err error) error {
	fault, ok := errors.AsType[*sqlite.Error](err)
	if !ok || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrDamaged) {
		return err
	}
	switch fault.Code() & 0xff { // the primary code, see sqlite.org/rescode.html
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	default:
		return err
	}
}

// interpretCommit is interpret for the error of a commit. When it was written in full but
// could not be made to stay, it may come to light again: only the file can tell.
func (db *DB) interpretCommit(err error) error {
	if fault, ok := errors.AsType[*sqlite.Error](err); ok && fault.Code()&0xff == sqlite3.SQLITE_IOERR {
		failure := fmt.Errorf("%w: the disk failed before: %w", ErrUnavailable, err)
		db.failed.Store(&failure)
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return interpret(err)
}

// IsUniqueViolation tells whether err says that what was to be written stands in the file
// already, and the rule that forbids it twice, a unique index or a primary key, is about the
// column, alone or with others. column is "table.column".
func IsUniqueViolation(err error, column string) bool {
	fault, ok := errors.AsType[*sqlite.Error](err)
	if !ok || fault.Code() != sqlite3.SQLITE_CONSTRAINT_UNIQUE && fault.Code() != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY {
		return false
	}
	// "constraint failed: UNIQUE constraint failed: t.a, t.b (2067)"
	_, columns, _ := strings.Cut(fault.Error(), "UNIQUE constraint failed: ")
	columns, _, _ = strings.Cut(columns, " (")
	return slices.Contains(strings.Split(columns, ", "), column)
}

// isBusy tells whether another process, or connection, is at work.
func isBusy(err error) bool {
	fault, ok := errors.AsType[*sqlite.Error](err)
	return ok && fault.Code()&0xff == sqlite3.SQLITE_BUSY
}

// isNoTransaction tells whether a rollback failed because SQLite had rolled back already,
// as it does by itself when the disk is full.
func isNoTransaction(err error) bool {
	return strings.Contains(err.Error(), "no transaction is active")
}
