package domain

import "time"

// Actor is the signed-in, active user who sends a request. Every rule about permissions is a method
// of Actor, or of User with an Actor.
//
// Objects that an actor may not see are answered as if they did not exist.
type Actor struct {
	ID   UserID
	Role Role
}

// IsAdmin reports whether a may do everything.
func (a Actor) IsAdmin() bool { return a.Role == RoleAdmin }

// RequireAdmin returns ErrForbidden unless a is an admin.
func (a Actor) RequireAdmin() error {
	if !a.IsAdmin() {
		return ErrForbidden
	}
	return nil
}

// MaySee reports whether a may see the data of owner. Users see their own; administrators see
// everything.
func (a Actor) MaySee(owner UserID) bool { return a.ID == owner || a.IsAdmin() }

// VisibleUser returns the user to whom a list for a is restricted; 0 for all users. requested
// is the user named in the request, or 0. Administrators may see all users. Others get their own,
// and ErrForbidden if they request another's.
func (a Actor) VisibleUser(requested UserID) (UserID, error) {
	switch {
	case a.IsAdmin():
		return requested, nil
	case requested == 0 || requested == a.ID:
		return a.ID, nil
	default:
		return 0, ErrForbidden
	}
}

// AccessClaims are the claims of a genuine access token. The role is not among them; it is looked
// up.
type AccessClaims struct {
	UserID    UserID
	Version   int32 // the user's TokenVersion when the token was issued
	ExpiresAt time.Time
}

// Admit returns the actor for a token of u with these claims. Errors: ErrUserInactive;
// ErrUnauthenticated if the token was revoked.
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
