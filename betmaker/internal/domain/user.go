package domain

import (
	"strings"
	"time"

	"stavka.local/shared/fault"
)

// UserID names a user, from 1.
type UserID int64

// Role is what a user may do.
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

// User is someone who places bets, or runs the place.
type User struct {
	ID           UserID
	Name         string
	Username     string // unique without regard to case
	Email        string // unique without regard to case
	Role         Role
	Active       bool
	TokenVersion int32 // tokens with another version are not accepted
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

func (u User) isActiveAdmin() bool { return u.Active && u.Role == RoleAdmin }

// FoldCase returns what usernames, or email addresses, that are the same without
// regard to case have in common.
func FoldCase(name string) string { return strings.ToLower(name) }

// Faults about users.
var (
	ErrInvalidUser   = fault.New(fault.Invalid, "invalid_request", "The request is malformed.")
	ErrUserNotFound  = fault.New(fault.NotFound, "user_not_found", "There is no such user.")
	ErrUsernameTaken = fault.New(fault.Conflict, "username_taken", "Another user has this user name.")
	ErrEmailTaken    = fault.New(fault.Conflict, "email_taken", "Another user has this email address.")
	ErrLastAdmin     = fault.New(fault.Conflict, "last_admin", "This is the last active administrator.")
)

// Faults of those who ask.
var (
	ErrInvalidCredentials = fault.New(fault.Unauthenticated, "invalid_credentials", "User name or password is wrong.")
	ErrUnauthenticated    = fault.New(fault.Unauthenticated, "unauthenticated", "A valid access token is needed.")
	ErrForbidden          = fault.New(fault.Forbidden, "forbidden", "Only administrators may do this.")
	ErrThrottled          = fault.New(fault.Throttled, "throttled", "Too many failed attempts; try again later.")
)
