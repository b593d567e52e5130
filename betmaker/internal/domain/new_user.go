package domain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"stavka.local/shared/plaintext"
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
	return User{Name: n.Name, Username: PrepareUsername(n.Username), Email: n.Email, Role: n.Role, Active: true, TokenVersion: 1}
}

// ValidatePassword returns ErrInvalidUser unless the user may choose the password.
func (n NewUser) ValidatePassword(password string) error {
	if err := ValidatePassword(password); err != nil {
		return err
	}
	return n.User().validateOwnPassword(password)
}

// ValidatePassword returns ErrInvalidUser unless a password has 8 to 128 characters, is none of the
// commonest, and holds no characters that RFC 8265 forbids. There is no other rule for the
// characters; length makes a password strong.
func ValidatePassword(password string) error {
	if !utf8.ValidString(password) {
		return invalidUser("password", "must be valid UTF-8")
	}
	if _, err := precis.OpaqueString.String(password); err != nil && password != "" {
		return invalidUser("password", "must not hold control characters or invisible ones")
	}
	if err := validateLength("password", PreparePassword(password), minPassword, maxPassword); err != nil {
		return err
	}
	if isCommon(password) {
		return invalidUser("password", "must not be one of the commonest")
	}
	return nil
}

// validateOwnPassword returns ErrInvalidUser if the password is one of u's own names.
func (u User) validateOwnPassword(password string) error {
	password = FoldCase(PreparePassword(password))
	local, _, _ := strings.Cut(u.Email, "@")
	for _, name := range []string{u.Username, u.Name, u.Email, local} {
		if FoldCase(name) == password {
			return invalidUser("password", "must not be the user's own name or email address")
		}
	}
	return nil
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
	if problem := plaintext.Problem(name); problem != "" {
		return invalidUser("name", problem)
	}
	return nil
}

// validateUsername refuses what RFC 8265 forbids, such as spaces and invisible characters, so that
// usernames that look the same are the same.
func validateUsername(username string) error {
	if err := validateLength("username", username, 1, maxUsername); err != nil {
		return err
	}
	prepared, err := precis.UsernameCasePreserved.String(username)
	if err != nil {
		return invalidUser("username", "must not hold spaces, invisible characters or others that RFC 8265 forbids")
	}
	return validateLength("username", prepared, 1, maxUsername)
}

// validateEmail requires one '@' with text on both sides, no spaces and no invisible characters.
// Only a message to the address could show whether it exists.
func validateEmail(email string) error {
	if err := validateLength("email", email, minEmail, maxEmail); err != nil {
		return err
	}
	local, host, _ := strings.Cut(email, "@")
	if local == "" || host == "" || strings.Contains(host, "@") || strings.ContainsFunc(email, unicode.IsSpace) || plaintext.Problem(email) != "" {
		return invalidUser("email", "must be an email address")
	}
	return nil
}

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
