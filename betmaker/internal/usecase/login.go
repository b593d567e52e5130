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

// Passwords hashes and checks passwords. Both may return a fault of kind Unavailable
// when too many are waiting. It is safe for concurrent use.
type Passwords interface {
	// Hash returns the hash of a password, in a form that says how it was made.
	Hash(ctx context.Context, password string) (string, error)
	// Verify tells whether the hash is the password's, and whether one made today would
	// be stronger. The empty hash takes as long as any other, and never matches.
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

// Credentials is what somebody signs in with, and from where.
type Credentials struct {
	Username string
	Password string
	Address  netip.Addr // the zero Addr when it is not known
}

// AccessToken is what somebody who has signed in gets.
type AccessToken struct {
	Token string
	Valid time.Duration // for whole seconds
}

// Login signs a user in. Errors: domain.ErrThrottled; domain.ErrInvalidCredentials,
// after the same time for a user who does not exist; domain.ErrUserInactive, only when
// the password is right; those of the store and of Passwords.
func (l *Login) Login(ctx context.Context, c Credentials) (AccessToken, error) {
	guess, err := l.Throttle.begin(ctx, c.Username, c.Address)
	if err != nil {
		return AccessToken{}, err
	}
	defer guess.end()

	user, err := l.Users.ByUsername(ctx, c.Username)
	if err != nil && !errors.Is(err, ports.ErrNotFound) {
		return AccessToken{}, fmt.Errorf("look for a user by name: %w", err)
	}
	// For a user who is not there the hash is empty, and all goes on as if they were.
	matches, outdated, err := l.Passwords.Verify(ctx, c.Password, user.PasswordHash)
	if err != nil {
		return AccessToken{}, err
	}
	if !matches {
		if err := guess.fail(ctx); err != nil {
			return AccessToken{}, err
		}
		return AccessToken{}, domain.ErrInvalidCredentials
	}
	if !user.Active {
		return AccessToken{}, domain.ErrUserInactive
	}
	if outdated {
		l.rehash(ctx, user, c.Password)
	}
	token, valid, err := l.Tokens.Issue(user.ID, user.TokenVersion)
	if err != nil {
		return AccessToken{}, err
	}
	return AccessToken{Token: token, Valid: valid}, nil
}

// errOtherPassword: the password has been changed since it was checked.
var errOtherPassword = errors.New("the user has another password now")

// rehash replaces a hash that was made with weaker parameters. The user has not noticed
// anything, so their tokens stay valid, and when it fails the next login tries again.
func (l *Login) rehash(ctx context.Context, user ports.Credentials, password string) {
	hash, err := l.Passwords.Hash(ctx, password)
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
		l.Logger.WarnContext(ctx, "a password could not be hashed anew", "user_id", user.ID, "error", err)
	}
}
