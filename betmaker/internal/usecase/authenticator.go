package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// AccessTokens makes and checks access tokens. It is safe for concurrent use.
type AccessTokens interface {
	// Issue returns a token for a user, and for how long it is valid: whole seconds.
	Issue(user domain.UserID, version int32) (token string, valid time.Duration, err error)
	// Verify returns what a token says, if it is genuine and valid now; otherwise
	// domain.ErrUnauthenticated.
	Verify(token string) (domain.AccessClaims, error)
}

// RecentUsers looks users up. It is safe for concurrent use.
type RecentUsers interface {
	// User returns a user as they were at most a second ago, or ports.ErrNotFound.
	User(ctx context.Context, id domain.UserID) (domain.User, error)
	// Reload returns a user as they are now, or ports.ErrNotFound.
	Reload(ctx context.Context, id domain.UserID) (domain.User, error)
}

// Authenticator finds out who asks.
type Authenticator struct {
	Tokens AccessTokens
	Users  RecentUsers
}

// Authenticate returns who presents a token. That a user was deactivated, or got
// another role or password, is known within a second. Errors: domain.ErrUnauthenticated,
// domain.ErrUserInactive; those of the store.
func (a *Authenticator) Authenticate(ctx context.Context, token string) (domain.Actor, error) {
	claims, err := a.Recognise(token)
	if err != nil {
		return domain.Actor{}, err
	}
	return a.Confirm(ctx, claims)
}

// Recognise returns what a genuine token says. Whether it still holds is another matter,
// which Confirm, or a Placer, looks at. Error: domain.ErrUnauthenticated.
func (a *Authenticator) Recognise(token string) (domain.AccessClaims, error) {
	return a.Tokens.Verify(token)
}

// Confirm returns who presents a token that says this, if it still holds. Errors as those of
// Authenticate.
func (a *Authenticator) Confirm(ctx context.Context, claims domain.AccessClaims) (domain.Actor, error) {
	user, err := a.Users.User(ctx, claims.UserID)
	if err == nil && user.TokenVersion < claims.Version {
		// The token is newer than what we remember of the user: they have just changed
		// their password and signed in again.
		user, err = a.Users.Reload(ctx, claims.UserID)
	}
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return domain.Actor{}, domain.ErrUnauthenticated.Because(fmt.Errorf("user %d: %w", claims.UserID, err))
	case err != nil:
		return domain.Actor{}, fmt.Errorf("look up who asks: %w", err)
	}
	return user.Admit(claims)
}
