package domain

// UserChange is a wish to change a user. Nil members stay as they are.
type UserChange struct {
	Name     *string
	Username *string
	Email    *string
	Role     *Role
	Password *string
	// Deactivate: the user can no longer sign in or bet. There is no way back.
	Deactivate bool
}

// Validate returns ErrInvalidUser, with the field, when nobody may have what the
// change sets.
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

// Authorize tells whether the actor may make the change to the user with the id.
// Errors: ErrUserNotFound, for anybody but the user and admins; ErrForbidden, for a
// role, which only admins change, be it to what it is already.
func (c UserChange) Authorize(by Actor, id UserID) error {
	if !by.MaySee(id) {
		return ErrUserNotFound
	}
	if c.Role != nil {
		return by.RequireAdmin()
	}
	return nil
}

// Change returns u after a valid change that was authorized, given how many active
// admins there are. A new password, another role and deactivation raise TokenVersion.
// Errors: ErrLastAdmin.
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
