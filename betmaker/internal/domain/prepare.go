package domain

import (
	"slices"
	"sync"

	"github.com/trustelem/zxcvbn/frequency"
	"golang.org/x/text/cases"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// FoldCase returns a form of a username or email address that is equal for names that look equal:
// it folds case (also that of sharp s and final sigma), width and the ways to compose a character.
// For usernames it is the comparison of RFC 8265 with full case folding.
func FoldCase(name string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(width.Fold.String(name))))
}

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

// commonest is how many of the commonest passwords are refused.
const commonest = 10_000

// commonPasswords returns the commonest passwords in the form of FoldCase.
var commonPasswords = sync.OnceValue(func() map[string]bool {
	known := make(map[string]bool, commonest)
	for _, password := range slices.Concat(frequency.FrequencyLists["passwords"][:commonest], []string{DefaultPassword}) {
		known[FoldCase(password)] = true
	}
	return known
})

// isCommon reports whether a password is one of the commonest, in whatever case.
func isCommon(password string) bool { return commonPasswords()[FoldCase(password)] }
