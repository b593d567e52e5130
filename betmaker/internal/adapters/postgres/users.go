package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Users implements ports.Users.
type Users struct {
	pool    *pool
	lookups *lookups
}

// Create implements ports.Users. The user's row gives the transaction its number before
// the transfer gets its id, as sealing wants it.
func (u *Users) Create(ctx context.Context, user ports.NewUser) (created domain.User, err error) {
	err = u.pool.transact(ctx, func(ctx context.Context, tx *transaction) error {
		var row pgdb.User
		tx.query(one(&row), pgdb.InsertUser, user.Name, user.Username, domain.FoldCase(user.Username), user.Email, domain.FoldCase(user.Email),
			user.PasswordHash, int16(user.Role), user.Active, user.TokenVersion)
		if err := tx.exchange(ctx); err != nil {
			return err
		}
		created = credentialsFromRow(row).User
		wallet, transfers := domain.OpenWallet(created.ID, user.Opening, created.CreatedAt)
		tx.exec(pgdb.InsertWallet, row.ID, wallet.Balance.Minor(), wallet.Held.Minor(), wallet.Debt.Minor(), wallet.Open && user.Active,
			user.TokenVersion)
		queueTransfers(tx, ignoreRows, transfers)
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

// Update implements ports.Users. Once a connection has been got, it goes to its end
// whatever becomes of ctx.
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
		tx.query(one(&updated), pgdb.UpdateUser, next.Name, next.Username, domain.FoldCase(next.Username), next.Email, domain.FoldCase(next.Email),
			next.PasswordHash, int16(next.Role), next.Active, next.TokenVersion, now, int64(id))
		tx.exec(pgdb.OpenWallet, next.Active, next.TokenVersion, int64(id))
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

// lockUser locks a user, wallet first, counts the active admins and reads the clock. Only
// the change of an active admin can make them fewer; such changes are done one after the other.
func lockUser(ctx context.Context, tx *transaction, id domain.UserID) (ports.Credentials, int, time.Time, error) {
	var (
		wallet pgdb.Wallet
		row    pgdb.User
		admins int64
		now    time.Time
	)
	tx.query(one(&wallet), pgdb.LockWallet, int64(id))
	tx.query(one(&row), pgdb.LockUser, int64(id))
	if err := tx.exchange(ctx); err != nil {
		return ports.Credentials{}, 0, time.Time{}, err
	}
	user := credentialsFromRow(row)
	if user.Active && user.Role == domain.RoleAdmin {
		tx.exec(pgdb.LockAdmins)
	}
	tx.query(scalar(&admins), pgdb.CountActiveAdmins)
	tx.query(scalar(&now), pgdb.Clock)
	if err := tx.exchange(ctx); err != nil {
		return ports.Credentials{}, 0, time.Time{}, err
	}
	return user, int(admins), now, nil
}

// User implements ports.Users.
func (u *Users) User(ctx context.Context, id domain.UserID) (domain.User, error) {
	row, err := look(ctx, u.lookups, exactlyOneUser, pgdb.UserByID, int64(id))
	return credentialsFromRow(row).User, err
}

func exactlyOneUser(rows pgx.Rows) (pgdb.User, error) {
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[pgdb.User])
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
