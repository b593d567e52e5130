package domain

import (
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

// Faults about users.
var (
	ErrUserNotFound  = fault.New(fault.NotFound, "user_not_found", "there is no such user")
	ErrUsernameTaken = fault.New(fault.Conflict, "username_taken", "another user has this username")
	ErrEmailTaken    = fault.New(fault.Conflict, "email_taken", "another user has this email address")
	ErrLastAdmin     = fault.New(fault.Conflict, "last_admin", "the last active admin stays one")
)
