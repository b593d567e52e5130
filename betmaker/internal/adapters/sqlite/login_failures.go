package sqlite

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
)

// LoginFailures implements ports.LoginFailures.
type LoginFailures struct{ db *database }

// Failures implements ports.LoginFailures.
func (l *LoginFailures) Failures(ctx context.Context, subjects []string, since time.Time) (map[string]int, error) {
	failures := make(map[string]int, len(subjects))
	err := l.db.read(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		rows, err := q.CountLoginFailures(ctx, sqlitedb.CountLoginFailuresParams{Since: since.UnixMicro(), Subjects: subjects})
		for _, row := range rows {
			failures[row.Subject] = int(row.Failures)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return failures, nil
}

// AddFailure implements ports.LoginFailures.
func (l *LoginFailures) AddFailure(ctx context.Context, subjects []string, now time.Time) error {
	return l.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		for _, subject := range subjects {
			if err := q.AddLoginFailure(ctx, sqlitedb.AddLoginFailureParams{Subject: subject, FailedAt: now.UnixMicro()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// ForgetFailures implements ports.LoginFailures.
func (l *LoginFailures) ForgetFailures(ctx context.Context, before time.Time) error {
	return l.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		return q.ForgetLoginFailures(ctx, before.UnixMicro())
	})
}

// beyond is after every text with which a subject goes on.
const beyond = "\U0010ffff"

// LiftFailures implements ports.LoginFailures.
func (l *LoginFailures) LiftFailures(ctx context.Context, prefix string) error {
	return l.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		return q.LiftLoginFailures(ctx, sqlitedb.LiftLoginFailuresParams{Prefix: prefix, Beyond: prefix + beyond})
	})
}

// AddSuccess implements ports.LoginFailures. Most logins find a fresh success and do not wait to write.
func (l *LoginFailures) AddSuccess(ctx context.Context, subject string, now, stale time.Time) error {
	if found, err := l.HasSuccess(ctx, subject, stale); err != nil || found {
		return err
	}
	return l.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		return q.AddLoginSuccess(ctx, sqlitedb.AddLoginSuccessParams{Subject: subject, SucceededAt: now.UnixMicro()})
	})
}

// HasSuccess implements ports.LoginFailures.
func (l *LoginFailures) HasSuccess(ctx context.Context, subject string, since time.Time) (bool, error) {
	return read(ctx, l.db, func(ctx context.Context, q *sqlitedb.Queries) (bool, error) {
		count, err := q.CountLoginSuccesses(ctx, sqlitedb.CountLoginSuccessesParams{Subject: subject, Since: since.UnixMicro()})
		return count > 0, err
	})
}

// ForgetSuccesses implements ports.LoginFailures.
func (l *LoginFailures) ForgetSuccesses(ctx context.Context, before time.Time) error {
	return l.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		return q.ForgetLoginSuccesses(ctx, before.UnixMicro())
	})
}
