package sqlite

import (
	"context"
	"errors"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Users implements ports.Users.
type Users struct{ db *database }

// Create implements ports.Users.
func (u *Users) Create(ctx context.Context, user ports.NewUser) (created domain.User, err error) {
	err = u.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		now := u.db.clock.now()
		row, err := q.InsertUser(ctx, userToInsert(user.Credentials, now))
		if err != nil {
			return err
		}
		created = credentialsFromRow(row).User
		wallet, transfers := domain.OpenWallet(created.ID, user.Opening, now)
		err = q.InsertWallet(ctx, sqlitedb.InsertWalletParams{
			UserID: row.ID, Balance: wallet.Balance.Minor(), Open: row.Active, TokenVersion: row.TokenVersion,
		})
		if err != nil {
			return err
		}
		if _, err := writeTransfers(ctx, q, transfers); err != nil || user.Audit == nil {
			return err
		}
		return writeAudit(ctx, q, new(user.Audit(created)), now)
	})
	if err != nil {
		return domain.User{}, err
	}
	return created, nil
}

// Update implements ports.Users.
func (u *Users) Update(
	ctx context.Context, id domain.UserID, decide func(user ports.Credentials, activeAdmins int) (ports.UserUpdate, error),
) (domain.User, error) {
	var updated sqlitedb.User
	err := u.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		row, err := q.UserByID(ctx, int64(id))
		if err != nil {
			return err
		}
		admins, err := q.CountActiveAdmins(ctx)
		if err != nil {
			return err
		}
		next, err := decide(credentialsFromRow(row), int(admins))
		if err != nil {
			return asItIs(err)
		}
		now := u.db.clock.now()
		if updated, err = q.UpdateUser(ctx, userToUpdate(id, next.Credentials, now)); err != nil {
			return err
		}
		if err := q.OpenWallet(ctx, sqlitedb.OpenWalletParams{UserID: updated.ID, Open: updated.Active, TokenVersion: updated.TokenVersion}); err != nil {
			return err
		}
		return writeAudit(ctx, q, next.Audit, now)
	})
	if err != nil {
		return domain.User{}, err
	}
	return credentialsFromRow(updated).User, nil
}

// User implements ports.Users.
func (u *Users) User(ctx context.Context, id domain.UserID) (domain.User, error) {
	return read(ctx, u.db, func(ctx context.Context, q *sqlitedb.Queries) (domain.User, error) {
		row, err := q.UserByID(ctx, int64(id))
		return credentialsFromRow(row).User, err
	})
}

// Credentials implements ports.Users.
func (u *Users) Credentials(ctx context.Context, id domain.UserID) (ports.Credentials, error) {
	return read(ctx, u.db, func(ctx context.Context, q *sqlitedb.Queries) (ports.Credentials, error) {
		row, err := q.UserByID(ctx, int64(id))
		return credentialsFromRow(row), err
	})
}

// Free implements ports.Users.
func (u *Users) Free(ctx context.Context, id domain.UserID, username, email string) error {
	for _, name := range []struct {
		text   string
		lookUp func(context.Context, string) (ports.Credentials, error)
		taken  error
	}{{username, u.ByUsername, domain.ErrUsernameTaken}, {email, u.byEmail, domain.ErrEmailTaken}} {
		if name.text == "" {
			continue
		}
		user, err := name.lookUp(ctx, name.text)
		switch {
		case errors.Is(err, ports.ErrNotFound):
		case err != nil:
			return err
		case user.ID != id:
			return name.taken
		}
	}
	return nil
}

func (u *Users) byEmail(ctx context.Context, email string) (ports.Credentials, error) {
	return read(ctx, u.db, func(ctx context.Context, q *sqlitedb.Queries) (ports.Credentials, error) {
		row, err := q.UserByEmail(ctx, domain.FoldCase(email))
		return credentialsFromRow(row), err
	})
}

// ByUsername implements ports.Users.
func (u *Users) ByUsername(ctx context.Context, username string) (ports.Credentials, error) {
	return read(ctx, u.db, func(ctx context.Context, q *sqlitedb.Queries) (ports.Credentials, error) {
		row, err := q.UserByUsername(ctx, domain.FoldCase(username))
		return credentialsFromRow(row), err
	})
}

// FoldNames implements ports.Users.
func (u *Users) FoldNames(ctx context.Context) (kept []domain.User, err error) {
	rows, err := read(ctx, u.db, func(ctx context.Context, q *sqlitedb.Queries) ([]sqlitedb.User, error) {
		return q.UsersBeyondASCII(ctx)
	})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		folded := sqlitedb.FoldUserParams{ID: row.ID, UsernameFolded: domain.FoldCase(row.Username), EmailFolded: domain.FoldCase(row.Email)}
		if folded.UsernameFolded == row.UsernameFolded && folded.EmailFolded == row.EmailFolded {
			continue
		}
		err := u.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error { return q.FoldUser(ctx, folded) })
		switch {
		case errors.Is(err, domain.ErrUsernameTaken), errors.Is(err, domain.ErrEmailTaken):
			kept = append(kept, credentialsFromRow(row).User)
		case err != nil:
			return kept, err
		}
	}
	return kept, nil
}

// ActiveAdmins implements ports.Users.
func (u *Users) ActiveAdmins(ctx context.Context) ([]ports.Credentials, error) {
	return read(ctx, u.db, func(ctx context.Context, q *sqlitedb.Queries) (admins []ports.Credentials, err error) {
		rows, err := q.ActiveAdmins(ctx)
		for _, row := range rows {
			admins = append(admins, credentialsFromRow(row))
		}
		return admins, err
	})
}

// ListUsers implements ports.Users.
func (u *Users) ListUsers(ctx context.Context, after domain.UserID, limit int) ([]domain.User, error) {
	return read(ctx, u.db, func(ctx context.Context, q *sqlitedb.Queries) (users []domain.User, err error) {
		rows, err := q.ListUsers(ctx, sqlitedb.ListUsersParams{After: int64(after), AtMost: int64(limit)})
		for _, row := range rows {
			users = append(users, credentialsFromRow(row).User)
		}
		return users, err
	})
}
