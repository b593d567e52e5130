package domain

import (
	"time"

	"stavka.local/shared/fault"
)

// UserID identifies a user. Ids start at 1.
type UserID int64

// Role is the permissions of a user.
type Role uint8

// The roles.
const (
	RoleUser  Role = 1
	RoleAdmin Role = 2
)

// String returns the role as the API spells it.
func (r Role) String() string {
	switch r {
	case RoleUser:
		return "user"
	case RoleAdmin:
		return "admin"
	default:
		return "unknown"
	}
}

// User is a person who places bets or administers the service.
type User struct {
	ID           UserID
	Name         string
	Username     string // unique, ignoring case
	Email        string // unique, ignoring case
	Role         Role
	Active       bool
	TokenVersion int32 // tokens with another version are refused
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

func (u User) isActiveAdmin() bool { return u.Active && u.Role == RoleAdmin }

// Faults about users.
var (
	ErrInvalidUser   = fault.New(fault.Invalid, "invalid_request", "The request is malformed.")
	ErrUserNotFound  = fault.New(fault.NotFound, "user_not_found", "There is no such user.")
	ErrUsernameTaken = fault.New(fault.Conflict, "username_taken", "Another user has this user name.")
	ErrEmailTaken    = fault.New(fault.Conflict, "email_taken", "Another user has this email address.")
	ErrLastAdmin     = fault.New(fault.Conflict, "last_admin", "This is the last active administrator.")
)

// Faults of authentication and authorization.
var (
	ErrInvalidCredentials = fault.New(fault.Unauthenticated, "invalid_credentials", "User name or password is wrong.")
	ErrUnauthenticated    = fault.New(fault.Unauthenticated, "unauthenticated", "A valid access token is needed.")
	ErrCurrentPassword    = fault.New(fault.Forbidden, "current_password_required", "This needs your current password, which is missing or wrong.")
	ErrForbidden          = fault.New(fault.Forbidden, "forbidden", "Only administrators may do this.")
	ErrThrottled          = fault.New(fault.Throttled, "throttled", "Too many failed attempts; try again later.")
)
