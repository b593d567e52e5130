package domain

import (
	"golang.org/x/text/secure/precis"

	"stavka.local/shared/password"
	"stavka.local/shared/plaintext"
)

// FoldCase returns a form of a username or email address that is equal for names that look equal, see
// plaintext.FoldCase. For usernames it is the comparison of RFC 8265 with full case folding.
func FoldCase(name string) string { return plaintext.FoldCase(name) }

// PrepareUsername returns a username as RFC 8265 writes it: with plain widths and composed
// characters, in the user's case. One that is not allowed is returned as it is.
func PrepareUsername(username string) string {
	if prepared, err := precis.UsernameCasePreserved.String(username); err == nil {
		return prepared
	}
	return username
}

// PreparePassword returns a password as RFC 8265 says (OpaqueString), so that the same password
// typed on another keyboard is the same: with plain spaces and composed characters. One that is not
// allowed is returned as it is, for the check against a hash.
func PreparePassword(password string) string {
	if prepared, err := precis.OpaqueString.String(password); err == nil {
		return prepared
	}
	return password
}

// isCommon reports whether a password is the default or one of the commonest, in whatever case.
func isCommon(text string) bool { return password.IsCommon(text) || FoldCase(text) == DefaultPassword }
