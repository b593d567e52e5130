package postgres

import (
	"context"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
)

// LoginFailures implements ports.LoginFailures.
type LoginFailures struct{ pool *pool }

// Failures implements ports.LoginFailures.
func (l *LoginFailures) Failures(ctx context.Context, subjects []string, since time.Time) (map[string]int, error) {
	failures := make(map[string]int, len(subjects))
	err := l.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := q.CountLoginFailures(ctx, pgdb.CountLoginFailuresParams{Subjects: subjects, Since: since})
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
	return l.pool.write(ctx, func(tx *transaction) {
		exec(tx, (*pgdb.Queries).AddLoginFailures, pgdb.AddLoginFailuresParams{Subjects: subjects, FailedAt: now})
	})
}

// ForgetFailures implements ports.LoginFailures.
func (l *LoginFailures) ForgetFailures(ctx context.Context, before time.Time) error {
	return l.pool.write(ctx, func(tx *transaction) { exec(tx, (*pgdb.Queries).ForgetLoginFailures, before) })
}

// beyond is after every text with which a subject goes on.
const beyond = "\U0010ffff"

// LiftFailures implements ports.LoginFailures.
func (l *LoginFailures) LiftFailures(ctx context.Context, prefix string) error {
	return l.pool.write(ctx, func(tx *transaction) {
		exec(tx, (*pgdb.Queries).LiftLoginFailures, pgdb.LiftLoginFailuresParams{Prefix: prefix, Beyond: prefix + beyond})
	})
}

// AddSuccess implements ports.LoginFailures.
func (l *LoginFailures) AddSuccess(ctx context.Context, subject string, now, stale time.Time) error {
	return l.pool.write(ctx, func(tx *transaction) {
		exec(tx, (*pgdb.Queries).AddLoginSuccess, pgdb.AddLoginSuccessParams{Subject: subject, SucceededAt: now, Stale: stale})
	})
}

// HasSuccess implements ports.LoginFailures.
func (l *LoginFailures) HasSuccess(ctx context.Context, subject string, since time.Time) (found bool, err error) {
	err = l.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		count, err := q.CountLoginSuccesses(ctx, pgdb.CountLoginSuccessesParams{Subject: subject, Since: since})
		found = count > 0
		return err
	})
	return found, err
}

// ForgetSuccesses implements ports.LoginFailures.
func (l *LoginFailures) ForgetSuccesses(ctx context.Context, before time.Time) error {
	return l.pool.write(ctx, func(tx *transaction) { exec(tx, (*pgdb.Queries).ForgetLoginSuccesses, before) })
}
