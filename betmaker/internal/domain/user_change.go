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

// Change returns u after a valid, authorized change. activeAdmins is the number of active
// administrators. A new password, another role and deactivation raise TokenVersion. Error:
// ErrLastAdmin.
func (u User) Change(change UserChange, activeAdmins int) (User, error) {
	next := u
	set(&next.Name, change.Name)
	set(&next.Username, change.Username)
	set(&next.Email, change.Email)
	set(&next.Role, change.Role)
	if change.Deactivate {
		next.Active = false
	}
	if u.isActiveAdmin() && !next.isActiveAdmin() && activeAdmins <= 1 {
		return u, ErrLastAdmin
	}
	if change.Password != nil || next.Role != u.Role || next.Active != u.Active {
		next.TokenVersion++
	}
	return next, nil
}

func set[T any](member *T, value *T) {
	if value != nil {
		*member = *value
	}
}
