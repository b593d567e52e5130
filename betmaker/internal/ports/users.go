package ports

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
)

// Credentials is a user with what their password is checked against.
type Credentials struct {
	domain.User
	PasswordHash string
}

// NewUser is a user to be added.
type NewUser struct {
	Credentials
	Opening money.Amount // what their wallet begins with; may be nothing
	// Audit returns the record of their creation, if there is to be one; nil for none. It is
	// called with the user, id and times set.
	Audit func(created domain.User) domain.AuditRecord
}

// UserUpdate is a user after a change.
type UserUpdate struct {
	Credentials
	Audit *domain.AuditRecord // nil when users change themselves
}

// Users keeps the users.
type Users interface {
	// Create adds a user, with their wallet as domain.OpenWallet has it, in one transaction,
	// and returns them with id and times set.
	// A username or email that another user has, without regard to case, is
	// domain.ErrUsernameTaken or domain.ErrEmailTaken.
	Create(ctx context.Context, user NewUser) (domain.User, error)

	// Update changes a user in one transaction: it locks the user's wallet and then the
	// user, calls decide with the user as they are and with the number of active
	// admins (locked, so that two updates cannot both remove the last one), and writes
	// what decide returns; when decide returns an error, nothing, and Update returns it.
	// Once it has returned, no bet of a user made inactive is accepted. Errors:
	// ErrNotFound; domain.ErrUsernameTaken, domain.ErrEmailTaken. decide may be called
	// more than once.
	Update(ctx context.Context, id domain.UserID, decide func(user Credentials, activeAdmins int) (UserUpdate, error)) (domain.User, error)

	// User returns one user, or ErrNotFound.
	User(ctx context.Context, id domain.UserID) (domain.User, error)

	// ByUsername returns a user by their username, without regard to case, or ErrNotFound.
	ByUsername(ctx context.Context, username string) (Credentials, error)

	// ListUsers returns up to limit users by id, from the first after the given id.
	ListUsers(ctx context.Context, after domain.UserID, limit int) ([]domain.User, error)
}

// LoginFailures counts failed logins, for all replicas together.
type LoginFailures interface {
	// Failures returns how many failures each subject has had at or after the given time.
	// Subjects without any may be missing.
	Failures(ctx context.Context, subjects []string, since time.Time) (map[string]int, error)

	// AddFailure counts one failure for each subject, at the given time.
	AddFailure(ctx context.Context, subjects []string, now time.Time) error

	// ForgetFailures deletes the failures before the given time.
	ForgetFailures(ctx context.Context, before time.Time) error
}
