package usecase

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Users manages users. All members are required, though Opening may be zero.
type Users struct {
	Store ports.Users
	// Passwords should give way to those of Login, so that changes do not delay logins.
	Passwords Passwords
	Throttle  *LoginThrottle
	// Opening is the first balance of a new user's wallet.
	Opening money.Amount

	turns turns[domain.UserID] // of the actors whose requests hash passwords
}

// Create adds a user. Errors: domain.ErrInvalidUser, domain.ErrForbidden,
// domain.ErrUsernameTaken, domain.ErrEmailTaken; those of the store and of Passwords.
func (u *Users) Create(ctx context.Context, by domain.Caller, user domain.NewUser, password string) (domain.User, error) {
	if err := user.Validate(); err != nil {
		return domain.User{}, err
	}
	if err := user.ValidatePassword(password); err != nil {
		return domain.User{}, err
	}
	if err := by.RequireAdmin(); err != nil {
		return domain.User{}, err
	}
	leave, err := u.turns.take(ctx, by.ID, guessPatience)
	if err != nil {
		return domain.User{}, err
	}
	defer leave()
	if err := u.Store.Free(ctx, 0, user.Username, user.Email); err != nil {
		return domain.User{}, fmt.Errorf("create a user: %w", err)
	}
	return u.create(ctx, user, password, func(created domain.User) domain.AuditRecord { return created.CreatedBy(by.Origin()) })
}

func (u *Users) create(
	ctx context.Context, user domain.NewUser, password string, audit func(domain.User) domain.AuditRecord,
) (domain.User, error) {
	hash, err := u.Passwords.Hash(ctx, domain.PreparePassword(password))
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
// may not see the user; domain.ErrForbidden; domain.ErrCurrentPassword, domain.ErrThrottled;
// domain.ErrUsernameTaken, domain.ErrEmailTaken, domain.ErrLastAdmin; those of the store and of
// Passwords.
func (u *Users) Change(ctx context.Context, by domain.Caller, id domain.UserID, change domain.UserChange) (domain.User, error) {
	if err := change.Validate(); err != nil {
		return domain.User{}, err
	}
	if err := change.Authorize(by.Actor, id); err != nil {
		return domain.User{}, err
	}
	// One user gets one password hashed at a time, and none for a change that cannot succeed.
	if change.Password != nil || change.NeedsPassword(by.Actor, id) {
		leave, err := u.turns.take(ctx, by.ID, guessPatience)
		if err != nil {
			return domain.User{}, err
		}
		defer leave()
	}
	if change.Username != nil || change.Email != nil {
		if err := u.Store.Free(ctx, id, deref(change.Username), deref(change.Email)); err != nil {
			return domain.User{}, fmt.Errorf("user %d: %w", id, err)
		}
	}
	confirmed := ""
	if change.NeedsPassword(by.Actor, id) {
		var err error
		if confirmed, err = u.confirm(ctx, by, change.CurrentPassword); err != nil {
			return domain.User{}, err
		}
	}
	hash := ""
	if change.Password != nil {
		var err error
		if hash, err = u.Passwords.Hash(ctx, domain.PreparePassword(*change.Password)); err != nil {
			return domain.User{}, err
		}
	}
	return u.update(ctx, by, id, change, confirmed, hash)
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// confirm checks the actor's current password, throttled, logged and counted like a login, and counts
// the change. It returns the hash of the password.
func (u *Users) confirm(ctx context.Context, by domain.Caller, password *string) (hash string, err error) {
	if password == nil {
		return "", domain.ErrCurrentPassword
	}
	address, _ := netip.ParseAddr(by.Address) // zero if it is not known
	hash, err = u.check(ctx, by, address, *password)
	u.Throttle.report(ctx, ForChange, by.ID, address, err)
	return hash, err
}

func (u *Users) check(ctx context.Context, by domain.Caller, address netip.Addr, password string) (hash string, err error) {
	user, err := u.Store.Credentials(ctx, by.ID)
	if err != nil {
		return "", notFoundUser(by.ID, err)
	}
	guess, err := u.Throttle.begin(ctx, user.Username, address)
	if err != nil {
		return "", err
	}
	defer guess.end()
	if err := u.Throttle.countChange(ctx, by.ID); err != nil {
		return "", err
	}
	matches, _, err := u.Passwords.Verify(ctx, domain.PreparePassword(password), user.PasswordHash)
	if err != nil {
		return "", err
	}
	if !matches {
		if err := guess.fail(ctx); err != nil {
			return "", err
		}
		return "", domain.ErrCurrentPassword
	}
	return user.PasswordHash, nil
}

// Deactivate ends signing in and betting for a user; password is the actor's current one, or nil. It
// cannot be undone; repeating it changes nothing. Errors: those of Change.
func (u *Users) Deactivate(ctx context.Context, by domain.Caller, id domain.UserID, password *string) error {
	_, err := u.Change(ctx, by, id, domain.UserChange{Deactivate: true, CurrentPassword: password})
	return err
}

// SignOut ends the tokens of the actor. Errors: those of the store.
func (u *Users) SignOut(ctx context.Context, by domain.Caller) error {
	if _, err := u.Change(ctx, by, by.ID, domain.UserChange{SignOut: true}); err != nil {
		return err
	}
	u.Throttle.log.InfoContext(ctx, "signed out", "user", by.ID, "client", by.Address)
	return nil
}

// errUnchanged ends an update that would change nothing.
var errUnchanged = errors.New("nothing to change")

// update makes a valid, authorized change. confirmed is the hash of the actor's current password if
// the change needs one, and hash that of the new password if there is one. It
// records privileged changes.
func (u *Users) update(ctx context.Context, by domain.Caller, id domain.UserID, change domain.UserChange, confirmed, hash string) (domain.User, error) {
	var unchanged domain.User
	changed, err := u.Store.Update(ctx, id, func(user ports.Credentials, activeAdmins int) (ports.UserUpdate, error) {
		if confirmed != "" && user.PasswordHash != confirmed {
			return ports.UserUpdate{}, domain.ErrCurrentPassword // it has changed meanwhile
		}
		next, err := user.Change(change, activeAdmins)
		if err != nil {
			return ports.UserUpdate{}, err
		}
		if next == user.User {
			unchanged = user.User
			return ports.UserUpdate{}, errUnchanged
		}
		update := ports.UserUpdate{Credentials: user}
		if change.Privileged(by.Actor, id) {
			update.Audit = new(user.ChangedBy(by.Origin(), change, next))
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
