package usecase

import (
	"context"
	"errors"
	"fmt"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// SetPassword gives a user another password on behalf of an operator, who needs no old one, and ends
// the user's tokens. Errors: domain.ErrInvalidUser, domain.ErrUserNotFound, domain.ErrUserInactive;
// those of the store and of Passwords.
func (u *Users) SetPassword(ctx context.Context, from domain.Origin, username, password string) (domain.User, error) {
	change := domain.UserChange{Password: &password}
	if err := change.Validate(); err != nil {
		return domain.User{}, err
	}
	user, err := u.byUsername(ctx, username)
	if err != nil {
		return domain.User{}, err
	}
	if !user.Active {
		return domain.User{}, domain.ErrUserInactive
	}
	hash, err := u.Passwords.Hash(ctx, domain.PreparePassword(password))
	if err != nil {
		return domain.User{}, err
	}
	return u.update(ctx, domain.Caller{Address: from.Address}, user.ID, change, "", hash)
}

// Unlock forgets the failed logins at a user name on behalf of an operator, and records that if the name
// is a user's. Errors: those of the stores.
func (u *Users) Unlock(ctx context.Context, from domain.Origin, failures ports.LoginFailures, username string) error {
	user, err := u.byUsername(ctx, username)
	if err == nil { // recorded first, so that nothing is done without a record
		_, err = u.Store.Update(ctx, user.ID, func(now ports.Credentials, _ int) (ports.UserUpdate, error) {
			return ports.UserUpdate{Credentials: now, Audit: new(now.UnlockedBy(from))}, nil
		})
	}
	if err != nil && !errors.Is(err, domain.ErrUserNotFound) {
		return err
	}
	return Unlock(ctx, failures, username)
}

// byUsername returns a user with the hash of the password. Errors: domain.ErrUserNotFound; those of
// the store.
func (u *Users) byUsername(ctx context.Context, username string) (ports.Credentials, error) {
	user, err := u.Store.ByUsername(ctx, username)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return ports.Credentials{}, domain.ErrUserNotFound
	case err != nil:
		return ports.Credentials{}, fmt.Errorf("look for a user by name: %w", err)
	}
	return user, nil
}

// AdminsWithKnownPasswords returns the active administrators whose password is one of
// domain.User.KnownPasswords. Errors: those of the store and of Passwords.
func (u *Users) AdminsWithKnownPasswords(ctx context.Context) ([]domain.User, error) {
	admins, err := u.Store.ActiveAdmins(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the active administrators: %w", err)
	}
	var found []domain.User
	for _, admin := range admins {
		for _, password := range admin.KnownPasswords() {
			matches, _, err := u.Passwords.Verify(ctx, domain.PreparePassword(password), admin.PasswordHash)
			if err != nil {
				return nil, fmt.Errorf("check the password of user %d: %w", admin.ID, err)
			}
			if matches {
				found = append(found, admin.User)
				break
			}
		}
	}
	return found, nil
}

// Entrance says whether somebody can sign in with a name and a password.
type Entrance uint8

// The entrances.
const (
	EntranceOpen          Entrance = iota // the user has this password
	EntranceOtherPassword                 // the user has another password
	EntranceInactive                      // the user has been deactivated
	EntranceMissing                       // no user has this name
)

// Entrance returns what a login with the name and the password would meet, without making one.
// Errors: those of the store and of Passwords.
func (u *Users) Entrance(ctx context.Context, username, password string) (Entrance, error) {
	user, err := u.byUsername(ctx, username)
	switch {
	case errors.Is(err, domain.ErrUserNotFound):
		return EntranceMissing, nil
	case err != nil:
		return 0, err
	case !user.Active:
		return EntranceInactive, nil
	}
	matches, _, err := u.Passwords.Verify(ctx, domain.PreparePassword(password), user.PasswordHash)
	if err != nil {
		return 0, err
	}
	if !matches {
		return EntranceOtherPassword, nil
	}
	return EntranceOpen, nil
}
