package domain

import "slices"

// DefaultPassword is the first user's password when none is configured. It is public.
const DefaultPassword = "string"

// KnownPasswords returns the passwords of u that everybody would try first: the default of the first
// user, u's own user name and the commonest password of all. Each costs a check of a hash, so there
// are few.
func (u User) KnownPasswords() []string {
	return slices.Compact([]string{DefaultPassword, u.Username, "password"})
}
