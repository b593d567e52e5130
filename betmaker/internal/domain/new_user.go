package domain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lengths of the members of a user, in characters.
const (
	// Lengths of the members of a user, in characters.
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

// Validate returns ErrInvalidUser, with the field, if the user is not allowed.
func (n NewUser) Validate() error {
	return firstError(validateName(n.Name), validateUsername(n.Username), validateEmail(n.Email))
}

// User returns the new user, active and with the first token version.
func (n NewUser) User() User {
	return User{Name: n.Name, Username: n.Username, Email: n.Email, Role: n.Role, Active: true, TokenVersion: 1}
}

// ValidatePassword returns ErrInvalidUser unless a password has 8 to 128 characters. There is no
// rule for the characters; length makes a password strong.
func ValidatePassword(password string) error {
	return validateLength("password", password, minPassword, maxPassword)
}

// MayBePassword reports whether the length allows signing in with a password, even if a user could
// not choose it.
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

// validateUsername refuses spaces and invisible characters, so that two usernames that look the
// same cannot differ in a zero-width character.
func validateUsername(username string) error {
	if err := validateLength("username", username, 1, maxUsername); err != nil {
		return err
	}
	if strings.ContainsFunc(username, isInvisible) {
		return invalidUser("username", "must not hold spaces or invisible characters")
	}
	return nil
}

// validateEmail requires one '@' with text on both sides and no invisible characters. Only a
// message to the address could show whether it exists.
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
