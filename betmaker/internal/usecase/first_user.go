package usecase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// FirstUser is the administrator that bet-maker creates at the start.
type FirstUser struct {
	Name, Username, Email, Password string
}

// FoldNames brings the stored names up to date with the rule that compares them, and logs the users
// whose names are now equal to another's. Errors: those of the store.
func (u *Users) FoldNames(ctx context.Context, log *slog.Logger) error {
	kept, err := u.Store.FoldNames(ctx)
	if err != nil {
		return fmt.Errorf("fold the names of users: %w", err)
	}
	for _, user := range kept {
		log.WarnContext(ctx, "a user's name or email address looks like another user's; the user cannot sign in until it is changed", "user_id", user.ID)
	}
	return nil
}

// EnsureFirst creates the first user, an administrator, unless there is a user with that username.
// It does not change an existing user, active or not. Several replicas may call it at the same
// time. The operator chose the password, so a weak one is accepted with a warning. Errors:
// domain.ErrInvalidUser; those of the store and of Passwords.
func (u *Users) EnsureFirst(ctx context.Context, first FirstUser, log *slog.Logger) error {
	_, err := u.Store.ByUsername(ctx, first.Username)
	if err == nil {
		return nil
	}
	if !errors.Is(err, ports.ErrNotFound) {
		return fmt.Errorf("look for the first user: %w", err)
	}
	user := domain.NewUser{Name: first.Name, Username: first.Username, Email: first.Email, Role: domain.RoleAdmin}
	if err := user.Validate(); err != nil {
		return fmt.Errorf("first user: %w", err)
	}
	if !domain.MayBePassword(first.Password) {
		return fmt.Errorf("first user: %w", domain.ValidatePassword(first.Password))
	}
	created, err := u.create(ctx, user, first.Password, func(created domain.User) domain.AuditRecord {
		return created.CreatedBy(domain.Origin{Address: "configuration"})
	})
	switch {
	case errors.Is(err, domain.ErrUsernameTaken): // another replica was faster
		return nil
	case errors.Is(err, domain.ErrEmailTaken):
		log.WarnContext(ctx, "the first user is not created: another user has the email address", "username", first.Username)
		return nil
	case err != nil:
		return fmt.Errorf("first user: %w", err)
	}
	log.InfoContext(ctx, "created the first user, an administrator", "user_id", created.ID, "username", created.Username)
	if user.ValidatePassword(first.Password) != nil {
		log.WarnContext(ctx, "INSECURE CONFIGURATION", "problem", "FIRST_USER_PASSWORD is not a password that a user may choose; change it", "username", created.Username)
	}
	return nil
}
