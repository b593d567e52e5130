package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	sqlitefile "stavka.local/shared/sqlite"
)

// Columns with unique values. SQLite does not report the name of a constraint.
const (
	columnUsername = "users.username_folded"
	columnEmail    = "users.email_folded"
)

// interpretError turns an error of the file into an error of the ports or of the domain, or wraps it if
// there is none. It checks the errors of shared/sqlite first, because they wrap their causes. It returns
// an error of the caller unchanged.
func interpretError(err error) error {
	if callers, ok := errors.AsType[callersError](err); ok {
		return callers.cause
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sqlitefile.ErrOutcomeUnknown):
		return ports.ErrOutcomeUnknown.Because(err)
	case errors.Is(err, sqlitefile.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return ports.ErrUnavailable.Because(err)
	case errors.Is(err, sql.ErrNoRows):
		return ports.ErrNotFound
	case sqlitefile.IsUniqueViolation(err, columnUsername):
		return domain.ErrUsernameTaken
	case sqlitefile.IsUniqueViolation(err, columnEmail):
		return domain.ErrEmailTaken
	default:
		return fmt.Errorf("sqlite: %w", err)
	}
}
