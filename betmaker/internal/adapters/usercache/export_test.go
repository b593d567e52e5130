package usercache

// Len returns how many users are in memory, including expired ones.
func (u *Users) Len() int { return u.cache.Len() }
