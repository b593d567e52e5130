// Package password knows the passwords that everybody tries first.
package password

import (
	"sync"

	"github.com/trustelem/zxcvbn/frequency"

	"stavka.local/shared/plaintext"
)

// commonest is how many of the commonest passwords are known.
const commonest = 10_000

// common holds the commonest passwords in the form of plaintext.FoldCase.
var common = sync.OnceValue(func() map[string]bool {
	known := make(map[string]bool, commonest)
	for _, password := range frequency.FrequencyLists["passwords"][:commonest] {
		known[plaintext.FoldCase(password)] = true
	}
	return known
})

// IsCommon reports whether a password is one of the 10,000 commonest, in whatever case.
func IsCommon(password string) bool { return common()[plaintext.FoldCase(password)] }
