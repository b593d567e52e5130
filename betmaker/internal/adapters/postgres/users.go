package postgres

import (
	"context"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Users implements ports.Users.
type Users struct{ pool *pool }

// Create implements ports.Users.
func (u *Users) Create(ctx context.Context, user ports.Credentials) (domain.User, error) {
	var row pgdb.User
	err := u.pool.write(ctx, func(tx *transaction) {
		tx.query(one(&row), pgdb.InsertUser, user.Name, user.Username, domain.FoldCase(user.Username), user.Email, domain.FoldCase(user.Email),
			user.PasswordHash, int16(user.Role), user.Active, user.TokenVersion)
	})
	if err != nil {
		return domain.User{}, err
	}
	return credentialsFromRow(row).User, nil
}

// Update implements ports.Users. Once a connection has been got, it goes to its end
// whatever becomes of ctx.
func (u *Users) Update(
	ctx context.Context, id domain.UserID, decide func(user ports.Credentials, activeAdmins int) (ports.Credentials, error),
) (domain.User, error) {
	var updated pgdb.User
	err := u.pool.transact(ctx, func(ctx context.Context, tx *transaction) error {
		user, activeAdmins, err := lockUser(ctx, tx, id)
		if err != nil {
			return err
		}
		next, err := decide(user, activeAdmins)
		if err != nil {
			return err
		}
		tx.query(one(&updated), pgdb.UpdateUser, next.Name, next.Username, domain.FoldCase(next.Username), next.Email, domain.FoldCase(next.Email),
			next.PasswordHash, int16(next.Role), next.Active, next.TokenVersion, int64(id))
		tx.exec(pgdb.OpenWallet, next.Active, int64(id))
		return tx.commit(ctx)
	})
	if err != nil {
		return domain.User{}, err
	}
	return credentialsFromRow(updated).User, nil
}

// lockUser locks a user, wallet first, and counts the active admins. Only the change of an
// active admin can make them fewer; such changes are done one after the other.
func lockUser(ctx context.Context, tx *transaction, id domain.UserID) (ports.Credentials, int, error) {
	var (
		wallet int64
		row    pgdb.User
		admins int64
	)
	tx.query(scalar(&wallet), pgdb.LockWallet, int64(id))
	tx.query(one(&row), pgdb.LockUser, int64(id))
	if err := tx.exchange(ctx); err != nil {
		return ports.Credentials{}, 0, err
	}
	user := credentialsFromRow(row)
	if user.Active && user.Role == domain.RoleAdmin {
		tx.exec(pgdb.LockAdmins)
	}
	tx.query(scalar(&admins), pgdb.CountActiveAdmins)
	if err := tx.exchange(ctx); err != nil {
		return ports.Credentials{}, 0, err
	}
	return user, int(admins), nil
}

// User implements ports.Users.
func (u *Users) User(ctx context.Context, id domain.UserID) (user domain.User, err error) {
	err = u.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		row, err := q.UserByID(ctx, int64(id))
		user = credentialsFromRow(row).User
		return err
	})
	return user, err
}

// ByUsername implements ports.Users.
func (u *Users) ByUsername(ctx context.Context, username string) (user ports.Credentials, err error) {
	err = u.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		row, err := q.UserByUsername(ctx, domain.FoldCase(username))
		user = credentialsFromRow(row)
		return err
	})
	return user, err
}

// ListUsers implements ports.Users.
func (u *Users) ListUsers(ctx context.Context, after domain.UserID, limit int) (users []domain.User, err error) {
	err = u.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := q.ListUsers(ctx, pgdb.ListUsersParams{After: int64(after), AtMost: limit32(limit)})
		for _, row := range rows {
			users = append(users, credentialsFromRow(row).User)
		}
		return err
	})
	return users, err
}
