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
