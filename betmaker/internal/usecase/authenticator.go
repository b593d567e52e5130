package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// AccessTokens issues and verifies access tokens. It is safe for concurrent use.
type AccessTokens interface {
	// Issue returns a token for a user and its lifetime in whole seconds.
	Issue(user domain.UserID, version int32) (token string, valid time.Duration, err error)
	// Verify returns the claims of a token that is genuine and valid now, and
	// domain.ErrUnauthenticated otherwise.
	Verify(token string) (domain.AccessClaims, error)
}

// RecentUsers looks up users. It is safe for concurrent use.
type RecentUsers interface {
	// User returns a user, which may be outdated by a second, or ports.ErrNotFound.
	User(ctx context.Context, id domain.UserID) (domain.User, error)
	// Reload returns the present state of a user, or ports.ErrNotFound.
	Reload(ctx context.Context, id domain.UserID) (domain.User, error)
}

// Authenticator identifies the user of a request by an access token.
type Authenticator struct {
	Tokens AccessTokens
	Users  RecentUsers
}

// Authenticate returns the actor of a token. A deactivation, a new role and a new password take
// effect within a second. Errors: domain.ErrUnauthenticated, domain.ErrUserInactive; those of the
// store.
func (a *Authenticator) Authenticate(ctx context.Context, token string) (domain.Actor, error) {
	claims, err := a.Recognise(token)
	if err != nil {
		return domain.Actor{}, err
	}
	return a.Confirm(ctx, claims)
}

// Recognise returns the claims of a genuine token. It does not check whether the token was revoked;
// Confirm and Placer do. Error: domain.ErrUnauthenticated.
func (a *Authenticator) Recognise(token string) (domain.AccessClaims, error) {
	return a.Tokens.Verify(token)
}

// Confirm returns the actor of a token with these claims unless it was revoked. Errors: those of
// Authenticate.
func (a *Authenticator) Confirm(ctx context.Context, claims domain.AccessClaims) (domain.Actor, error) {
	user, err := a.Users.User(ctx, claims.UserID)
	if err == nil && user.TokenVersion < claims.Version {
		// The token is newer than the remembered user: the user has just changed the password and
		// signed in again.
		user, err = a.Users.Reload(ctx, claims.UserID)
	}
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return domain.Actor{}, domain.ErrUnauthenticated.Because(fmt.Errorf("user %d: %w", claims.UserID, err))
	case err != nil:
		return domain.Actor{}, fmt.Errorf("look up the user of a token: %w", err)
	}
	return user.Admit(claims)
}
