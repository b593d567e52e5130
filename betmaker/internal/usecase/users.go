package usecase

import (
	"context"
	"errors"
	"fmt"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Users manages users. All members are required, though Opening may be zero.
type Users struct {
	Store     ports.Users
	Passwords Passwords
	// Opening is the first balance of a new user's wallet.
	Opening money.Amount
}

// Create adds a user. Errors: domain.ErrInvalidUser, domain.ErrForbidden,
// domain.ErrUsernameTaken, domain.ErrEmailTaken; those of the store and of Passwords.
func (u *Users) Create(ctx context.Context, by domain.Caller, user domain.NewUser, password string) (domain.User, error) {
	if err := user.Validate(); err != nil {
		return domain.User{}, err
	}
	if err := domain.ValidatePassword(password); err != nil {
		return domain.User{}, err
	}
	if err := by.RequireAdmin(); err != nil {
		return domain.User{}, err
	}
	return u.create(ctx, user, password, func(created domain.User) domain.AuditRecord { return created.CreatedBy(by.Origin()) })
}

func (u *Users) create(
	ctx context.Context, user domain.NewUser, password string, audit func(domain.User) domain.AuditRecord,
) (domain.User, error) {
	hash, err := u.Passwords.Hash(ctx, password)
	if err != nil {
		return domain.User{}, err
	}
	created, err := u.Store.Create(ctx, ports.NewUser{
		Credentials: ports.Credentials{User: user.User(), PasswordHash: hash}, Opening: u.Opening, Audit: audit,
	})
	if err != nil {
		return domain.User{}, fmt.Errorf("create a user: %w", withoutKey(err))
	}
	return created, nil
}

// User returns a user. Errors: domain.ErrUserNotFound, also if the actor may not see the user;
// those of the store.
func (u *Users) User(ctx context.Context, by domain.Actor, id domain.UserID) (domain.User, error) {
	if !by.MaySee(id) {
		return domain.User{}, domain.ErrUserNotFound
	}
	user, err := u.Store.User(ctx, id)
	if err != nil {
		return domain.User{}, notFoundUser(id, err)
	}
	return user, nil
}

// List returns up to limit users by id, after the given one. Errors: domain.ErrForbidden; those of
// the store.
func (u *Users) List(ctx context.Context, by domain.Actor, after domain.UserID, limit int) ([]domain.User, error) {
	if err := by.RequireAdmin(); err != nil {
		return nil, err
	}
	users, err := u.Store.ListUsers(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return users, nil
}

// Change changes a user. Errors: domain.ErrInvalidUser; domain.ErrUserNotFound, also if the actor
// may not see the user; domain.ErrForbidden; domain.ErrUsernameTaken, domain.ErrEmailTaken,
// domain.ErrLastAdmin; those of the store and of Passwords.
func (u *Users) Change(ctx context.Context, by domain.Caller, id domain.UserID, change domain.UserChange) (domain.User, error) {
	if err := change.Validate(); err != nil {
		return domain.User{}, err
	}
	if err := change.Authorize(by.Actor, id); err != nil {
		return domain.User{}, err
	}
	hash := ""
	if change.Password != nil {
		var err error
		if hash, err = u.Passwords.Hash(ctx, *change.Password); err != nil {
			return domain.User{}, err
		}
	}
	return u.update(ctx, by, id, change, hash)
}

// Deactivate ends signing in and betting for a user. It cannot be undone; repeating it changes
// nothing. Errors: those of Change.
func (u *Users) Deactivate(ctx context.Context, by domain.Caller, id domain.UserID) error {
	change := domain.UserChange{Deactivate: true}
	if err := change.Authorize(by.Actor, id); err != nil {
		return err
	}
	_, err := u.update(ctx, by, id, change, "")
	return err
}

// errUnchanged ends an update that would change nothing.
var errUnchanged = errors.New("nothing to change")

// update makes a valid, authorized change. hash is that of the new password, if there is one. It
// records changes of other users and every change in the number of administrators.
func (u *Users) update(ctx context.Context, by domain.Caller, id domain.UserID, change domain.UserChange, hash string) (domain.User, error) {
	var unchanged domain.User
	changed, err := u.Store.Update(ctx, id, func(user ports.Credentials, activeAdmins int) (ports.UserUpdate, error) {
		next, err := user.Change(change, activeAdmins)
		if err != nil {
			return ports.UserUpdate{}, err
		}
		if next == user.User {
			unchanged = user.User
			return ports.UserUpdate{}, errUnchanged
		}
		update := ports.UserUpdate{Credentials: user}
		if by.ID != id || next.Role != user.Role || user.Role == domain.RoleAdmin && !next.Active {
			update.Audit = new(user.ChangedBy(by.Origin(), next))
		}
		if change.Password != nil {
			update.PasswordHash = hash
		}
		update.User = next
		return update, nil
	})
	if errors.Is(err, errUnchanged) {
		return unchanged, nil
	}
	if err != nil {
		return domain.User{}, notFoundUser(id, withoutKey(err))
	}
	return changed, nil
}

// withoutKey replaces ports.ErrOutcomeUnknown, which tells the caller to repeat the request with
// its key, for requests without a key.
func withoutKey(err error) error {
	if errors.Is(err, ports.ErrOutcomeUnknown) {
		return ports.ErrUnavailable.Detailf("It is not known whether this was done; look before you repeat it.").Because(err)
	}
	return err
}

func notFoundUser(id domain.UserID, err error) error {
	if errors.Is(err, ports.ErrNotFound) {
		return domain.ErrUserNotFound
	}
	return fmt.Errorf("user %d: %w", id, err)
}
