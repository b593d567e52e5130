package usercache

// Len returns how many users are in memory, those included that are too old to be used.
func (u *Users) Len() int { return u.cache.Len() }
