package domain

// UserChange is a request to change a user. Nil members stay as they are.
type UserChange struct {
	Name     *string
	Username *string
	Email    *string
	Role     *Role
	Password *string
	// Deactivate ends signing in and betting. It cannot be undone.
	Deactivate bool
	// SignOut ends the user's tokens.
	SignOut bool

	// CurrentPassword is that of the actor; nil for none. See NeedsPassword.
	CurrentPassword *string
}

// Validate returns ErrInvalidUser, with the field, if a new value is not allowed for any user.
func (c UserChange) Validate() error {
	var errs []error
	if c.Name != nil {
		errs = append(errs, validateName(*c.Name))
	}
	if c.Username != nil {
		errs = append(errs, validateUsername(*c.Username))
	}
	if c.Email != nil {
		errs = append(errs, validateEmail(*c.Email))
	}
	if c.Password != nil {
		errs = append(errs, ValidatePassword(*c.Password))
	}
	return firstError(errs...)
}

// Authorize reports whether the actor may make the change to the user id. Errors: ErrUserNotFound
// if the actor is neither the user nor an administrator; ErrForbidden for a role, even the present
// one, unless the actor is an administrator.
func (c UserChange) Authorize(by Actor, id UserID) error {
	if !by.MaySee(id) {
		return ErrUserNotFound
	}
	if c.Role != nil {
		return by.RequireAdmin()
	}
	return nil
}

// NeedsPassword reports whether the actor, who may have found another's token, must show that they
// know the password of the user id: to change their own password, a name by which they sign in or
// are reached, or to deactivate themselves.
func (c UserChange) NeedsPassword(by Actor, id UserID) bool {
	return by.ID == id && (c.Username != nil || c.Email != nil || c.Password != nil || c.Deactivate)
}

// Privileged reports whether the audit log keeps the change: every one by an administrator or an
// operator, and those of one's own account that need the password, because they can take the
// account over or end it. A new display name and signing out need none, and anybody could fill the
// log with them.
func (c UserChange) Privileged(by Actor, id UserID) bool {
	return by.ID != id || by.IsAdmin() || c.NeedsPassword(by, id)
}

// changed names what differs between a user and the user after the change.
func (c UserChange) changed(before, after User) []string {
	var names []string
	for _, field := range []struct {
		name    string
		changed bool
	}{
		{"name", before.Name != after.Name},
		{"username", before.Username != after.Username},
		{"email", before.Email != after.Email},
		{"role", before.Role != after.Role},
		{"password", c.Password != nil},
		{"active", before.Active != after.Active},
		{"tokens", before.TokenVersion != after.TokenVersion},
	} {
		if field.changed {
			names = append(names, field.name)
		}
	}
	return names
}

// Change returns u after a valid, authorized change. activeAdmins is the number of active
// administrators. A new password, another role, deactivation and signing out raise TokenVersion.
// Errors: ErrLastAdmin; ErrInvalidUser if the new password is one of the user's names.
func (u User) Change(change UserChange, activeAdmins int) (User, error) {
	next := u
	set(&next.Name, change.Name)
	if change.Username != nil {
		next.Username = PrepareUsername(*change.Username)
	}
	set(&next.Email, change.Email)
	set(&next.Role, change.Role)
	if change.Password != nil {
		if err := next.validateOwnPassword(*change.Password); err != nil {
			return u, err
		}
	}
	if change.Deactivate {
		next.Active = false
	}
	if u.isActiveAdmin() && !next.isActiveAdmin() && activeAdmins <= 1 {
		return u, ErrLastAdmin
	}
	if change.Password != nil || change.SignOut || next.Role != u.Role || next.Active != u.Active {
		next.TokenVersion++
	}
	return next, nil
}

func set[T any](member *T, value *T) {
	if value != nil {
		*member = *value
	}
}
