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

// Columns whose values are taken once. SQLite does not tell a constraint's name.
const (
	columnUsername = "users.username_folded"
	columnEmail    = "users.email_folded"
)

// interpretError turns what the file returned into what the ports promise: their errors,
// the domain's, or one without a name for what nobody foresaw. The names of shared/sqlite
// are looked at first, because they wrap what they name. An error of the caller's own stays as
// it is.
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
