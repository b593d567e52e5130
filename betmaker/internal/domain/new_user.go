package domain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lengths of what a user has, in characters.
const (
	maxUsername = 64
	maxName     = 128
	minEmail    = 3
	maxEmail    = 254
	minPassword = 8
	maxPassword = 128
)

// NewUser is a user to be created.
type NewUser struct {
	Name     string
	Username string
	Email    string
	Role     Role
}

// Validate returns ErrInvalidUser, with the field, when such a user must not be.
func (n NewUser) Validate() error {
	return firstError(validateName(n.Name), validateUsername(n.Username), validateEmail(n.Email))
}

// User returns the user as they begin.
func (n NewUser) User() User {
	return User{Name: n.Name, Username: n.Username, Email: n.Email, Role: n.Role, Active: true, TokenVersion: 1}
}

// ValidatePassword returns ErrInvalidUser when a password must not be chosen: it has 8
// to 128 characters. Which ones is the user's affair; length is what makes it strong.
func ValidatePassword(password string) error {
	return validateLength("password", password, minPassword, maxPassword)
}

// MayBePassword tells whether somebody can sign in with a password of this length,
// though a user could not choose it.
func MayBePassword(password string) bool {
	return password != "" && utf8.RuneCountInString(password) <= maxPassword
}

func validateName(name string) error {
	if err := validateLength("name", name, 1, maxName); err != nil {
		return err
	}
	switch {
	case strings.ContainsFunc(name, unicode.IsControl):
		return invalidUser("name", "must not hold control characters")
	case strings.TrimSpace(name) == "":
		return invalidUser("name", "must not be blank")
	}
	return nil
}

// validateUsername refuses, besides spaces, what cannot be seen: two users must not
// look the same because one has a zero-width character.
func validateUsername(username string) error {
	if err := validateLength("username", username, 1, maxUsername); err != nil {
		return err
	}
	if strings.ContainsFunc(username, isInvisible) {
		return invalidUser("username", "must not hold spaces or invisible characters")
	}
	return nil
}

// validateEmail asks for one '@' with something on both sides, and nothing invisible.
// Whether there is such a mailbox is found out by writing to it, not by its form.
func validateEmail(email string) error {
	if err := validateLength("email", email, minEmail, maxEmail); err != nil {
		return err
	}
	local, host, _ := strings.Cut(email, "@")
	if local == "" || host == "" || strings.Contains(host, "@") || strings.ContainsFunc(email, isInvisible) {
		return invalidUser("email", "must be an email address")
	}
	return nil
}

func isInvisible(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }

func validateLength(field, text string, lowest, highest int) error {
	if !utf8.ValidString(text) {
		return invalidUser(field, "must be valid UTF-8")
	}
	if n := utf8.RuneCountInString(text); n < lowest || n > highest {
		return invalidUser(field, fmt.Sprintf("must have %d to %d characters", lowest, highest))
	}
	return nil
}

func invalidUser(field, what string) error {
	return ErrInvalidUser.Detailf("%s %s.", field, what).With("field", field)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
