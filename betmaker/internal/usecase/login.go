package usecase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Passwords hashes and verifies passwords. Both methods may return a fault of kind Unavailable when
// too many passwords are waiting. It is safe for concurrent use.
type Passwords interface {
	// Hash returns the hash of a password in a form that names its parameters.
	Hash(ctx context.Context, password string) (string, error)
	// Verify reports whether the hash is that of the password, and whether a new hash would be
	// stronger. The empty hash takes as long as any other and never matches.
	Verify(ctx context.Context, password, hash string) (matches, outdated bool, err error)
}

// Login exchanges passwords for access tokens. All members are required.
type Login struct {
	Users     ports.Users
	Passwords Passwords
	Tokens    AccessTokens
	Throttle  *LoginThrottle
	Logger    *slog.Logger
}

// Credentials are the input of a login.
type Credentials struct {
	Username string
	Password string
	Address  netip.Addr // zero if it is not known
}

// AccessToken is the result of a login.
type AccessToken struct {
	Token string
	Valid time.Duration // in whole seconds
}

// Login signs a user in, and logs and counts the attempt. Errors: domain.ErrThrottled;
// domain.ErrInvalidCredentials, after the same time if the user does not exist;
// domain.ErrUserInactive, only if the password is right; those of the store and of Passwords.
func (l *Login) Login(ctx context.Context, c Credentials) (AccessToken, error) {
	token, user, err := l.login(ctx, c)
	l.Throttle.report(ctx, ForLogin, user, c.Address, err)
	return token, err
}

// login also returns the user of the name, or 0.
func (l *Login) login(ctx context.Context, c Credentials) (AccessToken, domain.UserID, error) {
	guess, err := l.Throttle.begin(ctx, c.Username, c.Address)
	if errors.Is(err, domain.ErrThrottled) {
		user, _ := l.Users.ByUsername(ctx, c.Username) // for the log; without a user it says less
		return AccessToken{}, user.ID, err
	}
	if err != nil {
		return AccessToken{}, 0, err
	}
	defer guess.end()

	user, err := l.Users.ByUsername(ctx, c.Username)
	if err != nil && !errors.Is(err, ports.ErrNotFound) {
		return AccessToken{}, 0, fmt.Errorf("look for a user by name: %w", err)
	}
	// The hash of a missing user is empty, and the check takes the same time.
	matches, outdated, err := l.Passwords.Verify(ctx, domain.PreparePassword(c.Password), user.PasswordHash)
	if err != nil {
		return AccessToken{}, user.ID, err
	}
	if !matches {
		if err := guess.fail(ctx); err != nil {
			return AccessToken{}, user.ID, err
		}
		return AccessToken{}, user.ID, domain.ErrInvalidCredentials
	}
	if !user.Active {
		return AccessToken{}, user.ID, domain.ErrUserInactive
	}
	guess.succeed(ctx)
	if outdated {
		l.rehash(ctx, user, c.Password)
	}
	token, valid, err := l.Tokens.Issue(user.ID, user.TokenVersion)
	if err != nil {
		return AccessToken{}, user.ID, err
	}
	return AccessToken{Token: token, Valid: valid}, user.ID, nil
}

// errOtherPassword: the password was changed after it was checked.
var errOtherPassword = errors.New("the user has another password now")

// rehash replaces a hash that was made with weaker parameters. Tokens stay valid. After a failure
// the next login tries again.
func (l *Login) rehash(ctx context.Context, user ports.Credentials, password string) {
	hash, err := l.Passwords.Hash(ctx, domain.PreparePassword(password))
	if err == nil {
		_, err = l.Users.Update(ctx, user.ID, func(now ports.Credentials, _ int) (ports.UserUpdate, error) {
			if now.PasswordHash != user.PasswordHash {
				return ports.UserUpdate{}, errOtherPassword
			}
			now.PasswordHash = hash
			return ports.UserUpdate{Credentials: now}, nil
		})
	}
	if err != nil {
		l.Logger.WarnContext(ctx, "a password could not be hashed again", "user_id", user.ID, "error", err)
	}
}
