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
