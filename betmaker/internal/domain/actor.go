package domain

import "time"

// Actor is whoever asks: a signed-in, active user. Every rule on who may do what is a
// method of Actor, or of User with an Actor.
//
// What an actor may not see is answered like what does not exist.
type Actor struct {
	ID   UserID
	Role Role
}

// IsAdmin tells whether a may do everything.
func (a Actor) IsAdmin() bool { return a.Role == RoleAdmin }

// RequireAdmin returns ErrForbidden unless a is an admin.
func (a Actor) RequireAdmin() error {
	if !a.IsAdmin() {
		return ErrForbidden
	}
	return nil
}

// MaySee tells whether what belongs to owner exists for a: one's own does, and
// everything does for admins.
func (a Actor) MaySee(owner UserID) bool { return a.ID == owner || a.IsAdmin() }

// Whose returns whose bets or money a list for a may hold, when a asks for those of the
// user asked, or of nobody in particular (0): one user, or everybody (0). Only admins see
// those of others; anybody else who asks for them gets ErrForbidden.
func (a Actor) Whose(asked UserID) (UserID, error) {
	switch {
	case a.IsAdmin():
		return asked, nil
	case asked == 0 || asked == a.ID:
		return a.ID, nil
	default:
		return 0, ErrForbidden
	}
}

// AccessClaims is what a genuine access token says. The role is not in it: that is
// looked up.
type AccessClaims struct {
	UserID    UserID
	Version   int32 // the user's TokenVersion when the token was issued
	ExpiresAt time.Time
}

// Admit returns who asks, when a token with these claims is presented by u. Errors:
// ErrUserInactive; ErrUnauthenticated when the token was revoked.
func (u User) Admit(claims AccessClaims) (Actor, error) {
	switch {
	case claims.UserID != u.ID:
		return Actor{}, ErrUnauthenticated
	case !u.Active:
		return Actor{}, ErrUserInactive
	case claims.Version != u.TokenVersion:
		return Actor{}, ErrUnauthenticated
	}
	return Actor{ID: u.ID, Role: u.Role}, nil
}
