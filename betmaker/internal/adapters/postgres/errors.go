package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Constraints whose violation is an error of the domain.
const (
	constraintUsername = "users_username_key"
	constraintEmail    = "users_email_key"
)

// The SQLSTATEs that are handled (PostgreSQL manual, appendix A).
const (
	codeUniqueViolation      = "23505"
	codeSerializationFailure = "40001"
	codeDeadlockDetected     = "40P01"
	codeStalePlan            = "0A000" // once per connection after a migration: "cached plan must not change result type"
	codeReadOnly             = "25006" // the server has become a standby
	codeIdleInTransaction    = "25P03"
	codeLockNotAvailable     = "55P03"
	codeQueryCanceled        = "57014" // statement_timeout

	classConnection  = "08"
	classResources   = "53" // disk full, out of memory, too many connections
	classOperator    = "57" // the server is stopping, starting or crashing
	classSystemError = "58" // I/O error on the server
)

// errLiabilityForgotten is returned when another replica has deleted the liability of an event
// before this one could lock it.
var errLiabilityForgotten = errors.New("the liability of an event has just been deleted")

// attemptsAt returns how often a transaction that ended in err may be tried: more than once if
// nothing was written and the reason does not persist.
func attemptsAt(err error) int {
	if errors.Is(err, errLiabilityForgotten) {
		return maxForgotten
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return 1
	}
	switch pgErr.Code {
	case codeSerializationFailure, codeDeadlockDetected, codeStalePlan:
		return maxAttempts
	default:
		return 1
	}
}

// interpretError turns an error of the driver into one of the ports or of the domain. Unexpected
// errors are wrapped.
func interpretError(err error, conn *pgx.Conn) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, pgx.ErrNoRows) || errors.Is(err, ports.ErrNotFound) {
		return ports.ErrNotFound
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return interpretPgError(err, pgErr)
	}
	if conn.IsClosed() {
		return ports.ErrUnavailable.Because(err)
	}
	return fmt.Errorf("postgres: %w", err)
}

func interpretPgError(err error, pgErr *pgconn.PgError) error {
	if pgErr.Code == codeUniqueViolation {
		switch pgErr.ConstraintName {
		case constraintUsername:
			return domain.ErrUsernameTaken
		case constraintEmail:
			return domain.ErrEmailTaken
		}
	}
	switch pgErr.Code {
	case codeReadOnly, codeIdleInTransaction, codeLockNotAvailable, codeQueryCanceled,
		codeSerializationFailure, codeDeadlockDetected:
		return ports.ErrUnavailable.Because(err)
	}
	switch pgErr.Code[:2] {
	case classConnection, classResources, classOperator, classSystemError:
		return ports.ErrUnavailable.Because(err)
	}
	return fmt.Errorf("postgres: %w", err)
}

// interpretAcquireError interprets an error of getting a connection: ctx was cancelled, or no
// connection is available.
func interpretAcquireError(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("wait for a connection: %w", err)
	}
	return ports.ErrUnavailable.Because(err)
}
