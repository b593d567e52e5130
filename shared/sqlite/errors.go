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
	// ErrUnavailable means that the file cannot be used now and nothing was written. The disk may be
	// full or failing, the file or its directory may not be writable, or another process is writing.
	ErrUnavailable = errors.New("the database file cannot be used at the moment")
	// ErrOutcomeUnknown means that the disk failed during a commit.
	ErrOutcomeUnknown = errors.New("the disk failed during a commit; open the file again to see whether it succeeded")
	// ErrLost means that the file, or one that belongs to it, was deleted or replaced while it was in use.
	ErrLost = errors.New("the database file, or one that belongs to it, was deleted or replaced while it was in use")
	// ErrDamaged means that this package did not write the content of the file.
	ErrDamaged = errors.New("the database file is damaged, or belongs to another program")
	// ErrInUse means that a running process owns the file.
	ErrInUse = errors.New("another process uses this file")
	// ErrSchemaNewer means that a newer program has migrated the file.
	ErrSchemaNewer = errors.New("the schema is newer than this program")
	// ErrSchemaOlder means that the file must be migrated first, which a guest must not do.
	ErrSchemaOlder = errors.New("the schema is older than this program")
)

// interpret wraps an error of SQLite in ErrUnavailable or ErrDamaged where one applies. It returns other
// errors unchanged.
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

// interpretCommit is interpret for the error of a commit. A commit that was written but not synced may be
// found in the file later, so its result is unknown.
func (db *DB) interpretCommit(err error) error {
	if fault, ok := errors.AsType[*sqlite.Error](err); ok && fault.Code()&0xff == sqlite3.SQLITE_IOERR {
		failure := fmt.Errorf("%w: the disk failed before: %w", ErrUnavailable, err)
		db.failed.Store(&failure)
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return interpret(err)
}

// IsUniqueViolation reports whether err is the violation of a unique index or a primary key that
// includes column. column is "table.column".
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

// isBusy reports whether another process or connection holds the lock.
func isBusy(err error) bool {
	fault, ok := errors.AsType[*sqlite.Error](err)
	return ok && fault.Code()&0xff == sqlite3.SQLITE_BUSY
}

// isNoTransaction reports whether a rollback failed because SQLite had rolled back already, as it does
// when the disk is full.
func isNoTransaction(err error) bool {
	return strings.Contains(err.Error(), "no transaction is active")
}
