package postgres

import (
	"context"
	"errors"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Users implements ports.Users.
type Users struct {
	pool    *pool
	lookups *lookups
}

// Create implements ports.Users. It writes the user first, so that the transaction has its
// number before the transfer draws an id, see sealingMark.
func (u *Users) Create(ctx context.Context, user ports.NewUser) (created domain.User, err error) {
	err = u.pool.transact(ctx, func(ctx context.Context, tx *transaction) error {
		var row pgdb.User
		query(tx, (*pgdb.Queries).InsertUser, pgdb.InsertUserParams{
			Name:           user.Name,
			Username:       user.Username,
			UsernameFolded: domain.FoldCase(user.Username),
			Email:          user.Email,
			EmailFolded:    domain.FoldCase(user.Email),
			PasswordHash:   user.PasswordHash,
			Role:           int16(user.Role),
			Active:         user.Active,
			TokenVersion:   user.TokenVersion,
		}, &row)
		if err := tx.exchange(ctx); err != nil {
			return err
		}
		created = credentialsFromRow(row).User
		wallet, transfers := domain.OpenWallet(created.ID, user.Opening, created.CreatedAt)
		exec(tx, (*pgdb.Queries).InsertWallet, pgdb.InsertWalletParams{
			UserID:       row.ID,
			Balance:      wallet.Balance.Minor(),
			Held:         wallet.Held.Minor(),
			Debt:         wallet.Debt.Minor(),
			Open:         wallet.Open && user.Active,
			TokenVersion: user.TokenVersion,
		})
		queueTransfers(tx, transfers, new([]int64))
		if user.Audit != nil {
			queueAuditRecord(tx, user.Audit(created), created.CreatedAt)
		}
		return tx.commit(ctx)
	})
	if err != nil {
		return domain.User{}, err
	}
	return created, nil
}

// Update implements ports.Users. ctx bounds only the wait for a connection.
func (u *Users) Update(
	ctx context.Context, id domain.UserID, decide func(user ports.Credentials, activeAdmins int) (ports.UserUpdate, error),
) (domain.User, error) {
	var updated pgdb.User
	err := u.pool.transact(ctx, func(ctx context.Context, tx *transaction) error {
		user, activeAdmins, now, err := lockUser(ctx, tx, id)
		if err != nil {
			return err
		}
		next, err := decide(user, activeAdmins)
		if err != nil {
			return err
		}
		query(tx, (*pgdb.Queries).UpdateUser, pgdb.UpdateUserParams{
			ID:             int64(id),
			Name:           next.Name,
			Username:       next.Username,
			UsernameFolded: domain.FoldCase(next.Username),
			Email:          next.Email,
			EmailFolded:    domain.FoldCase(next.Email),
			PasswordHash:   next.PasswordHash,
			Role:           int16(next.Role),
			Active:         next.Active,
			TokenVersion:   next.TokenVersion,
			UpdatedAt:      now,
		}, &updated)
		exec(tx, (*pgdb.Queries).OpenWallet, pgdb.OpenWalletParams{UserID: int64(id), Open: next.Active, TokenVersion: next.TokenVersion})
		if next.Audit != nil {
			queueAuditRecord(tx, *next.Audit, now)
		}
		return tx.commit(ctx)
	})
	if err != nil {
		return domain.User{}, err
	}
	return credentialsFromRow(updated).User, nil
}

// lockUser locks a user's wallet and then the user, counts the active admins and reads the clock.
// Only the change of an active admin can reduce their number; such changes wait for each other.
func lockUser(ctx context.Context, tx *transaction, id domain.UserID) (ports.Credentials, int, time.Time, error) {
	var (
		wallet pgdb.Wallet
		row    pgdb.User
		admins int64
		now    time.Time
	)
	query(tx, (*pgdb.Queries).LockWallet, int64(id), &wallet)
	query(tx, (*pgdb.Queries).LockUser, int64(id), &row)
	if err := tx.exchange(ctx); err != nil {
		return ports.Credentials{}, 0, time.Time{}, err
	}
	user := credentialsFromRow(row)
	if user.Active && user.Role == domain.RoleAdmin {
		execPlain(tx, (*pgdb.Queries).LockAdmins)
	}
	queryPlain(tx, (*pgdb.Queries).CountActiveAdmins, &admins)
	queryPlain(tx, (*pgdb.Queries).Clock, &now)
	if err := tx.exchange(ctx); err != nil {
		return ports.Credentials{}, 0, time.Time{}, err
	}
	return user, int(admins), now, nil
}

// User implements ports.Users.
func (u *Users) User(ctx context.Context, id domain.UserID) (domain.User, error) {
	var row pgdb.User
	if err := u.lookups.do(ctx, fetch((*pgdb.Queries).UserByID, int64(id), &row)); err != nil {
		return domain.User{}, err
	}
	return credentialsFromRow(row).User, nil
}

// Credentials implements ports.Users.
func (u *Users) Credentials(ctx context.Context, id domain.UserID) (user ports.Credentials, err error) {
	err = u.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		row, err := q.UserByID(ctx, int64(id))
		user = credentialsFromRow(row)
		return err
	})
	return user, err
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

func (u *Users) byEmail(ctx context.Context, email string) (user ports.Credentials, err error) {
	err = u.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		row, err := q.UserByEmail(ctx, domain.FoldCase(email))
		user = credentialsFromRow(row)
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

// FoldNames implements ports.Users.
func (u *Users) FoldNames(ctx context.Context) (kept []domain.User, err error) {
	var rows []pgdb.User
	err = u.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) (err error) {
		rows, err = q.UsersBeyondASCII(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		folded := pgdb.FoldUserParams{ID: row.ID, UsernameFolded: domain.FoldCase(row.Username), EmailFolded: domain.FoldCase(row.Email)}
		if folded.UsernameFolded == row.UsernameFolded && folded.EmailFolded == row.EmailFolded {
			continue
		}
		err := u.pool.write(ctx, func(tx *transaction) { exec(tx, (*pgdb.Queries).FoldUser, folded) })
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
func (u *Users) ActiveAdmins(ctx context.Context) (admins []ports.Credentials, err error) {
	err = u.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := q.ActiveAdmins(ctx)
		for _, row := range rows {
			admins = append(admins, credentialsFromRow(row))
		}
		return err
	})
	return admins, err
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
