package ports

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
)

// Credentials is a user with the hash of their password.
type Credentials struct {
	domain.User
	PasswordHash string
}

// NewUser is a user to create.
type NewUser struct {
	Credentials
	Opening money.Amount // the first balance of the wallet; may be zero
	// Audit returns the audit record of the creation. It is called with the user's id and times set. nil
	// means no record.
	Audit func(created domain.User) domain.AuditRecord
}

// UserUpdate is a user after a change.
type UserUpdate struct {
	Credentials
	Audit *domain.AuditRecord // nil for a change that is not privileged
}

// UserNames compares the names of users.
type UserNames interface {
	// Free returns nil if no user other than id, which may be 0, has the username or the email address,
	// ignoring case. "" is not looked for. It saves the work for a change that would collide; Create and
	// Update decide. Errors: domain.ErrUsernameTaken, domain.ErrEmailTaken.
	Free(ctx context.Context, id domain.UserID, username, email string) error

	// FoldNames stores the folded names of all users again, as domain.FoldCase folds them now; an earlier
	// version may have folded them in another way. It returns the users whose names now equal another's;
	// they keep the stored ones, by which no look-up finds them.
	FoldNames(ctx context.Context) (kept []domain.User, err error)
}

// Users stores the users.
type Users interface {
	UserNames

	// Create creates a user and, by domain.OpenWallet, their wallet in one transaction. It returns the user
	// with id and times set. Errors:
	//   - domain.ErrUsernameTaken, domain.ErrEmailTaken: another user has the name or email, ignoring case.
	Create(ctx context.Context, user NewUser) (domain.User, error)

	// Update changes a user in one transaction. It locks the user's wallet and then the user; calls decide
	// with the user and the number of active admins, which is locked, so that two updates cannot both
	// remove the last admin; and writes the user that decide returns. After it has returned, no bet of a
	// deactivated user is accepted. decide may be called more than once. Errors:
	//   - that of decide: nothing was written;
	//   - ErrNotFound;
	//   - domain.ErrUsernameTaken, domain.ErrEmailTaken.
	Update(ctx context.Context, id domain.UserID, decide func(user Credentials, activeAdmins int) (UserUpdate, error)) (domain.User, error)

	// User returns a user, or ErrNotFound.
	User(ctx context.Context, id domain.UserID) (domain.User, error)

	// Credentials returns a user with the hash of their password, or ErrNotFound.
	Credentials(ctx context.Context, id domain.UserID) (Credentials, error)

	// ByUsername returns the user with a username, ignoring case, or ErrNotFound.
	ByUsername(ctx context.Context, username string) (Credentials, error)

	// ActiveAdmins returns the active administrators, by id.
	ActiveAdmins(ctx context.Context) ([]Credentials, error)

	// ListUsers returns up to limit users with ids above after, by id.
	ListUsers(ctx context.Context, after domain.UserID, limit int) ([]domain.User, error)
}

// LoginFailures counts the failed logins, and remembers the successful ones, of all replicas.
type LoginFailures interface {
	// Failures returns the number of failures of each subject at or after since. Subjects without failures
	// may be missing.
	Failures(ctx context.Context, subjects []string, since time.Time) (map[string]int, error)

	// AddFailure adds one failure at the time now to each subject.
	AddFailure(ctx context.Context, subjects []string, now time.Time) error

	// ForgetFailures deletes the failures before a time.
	ForgetFailures(ctx context.Context, before time.Time) error

	// LiftFailures deletes the failures of all subjects with the prefix.
	LiftFailures(ctx context.Context, prefix string) error

	// AddSuccess records a success of a subject at the time now, unless there is one at or after stale.
	AddSuccess(ctx context.Context, subject string, now, stale time.Time) error

	// HasSuccess reports whether a success of the subject at or after since is recorded.
	HasSuccess(ctx context.Context, subject string, since time.Time) (bool, error)

	// ForgetSuccesses deletes the successes before a time.
	ForgetSuccesses(ctx context.Context, before time.Time) error
}
