package sqlite

import (
	"context"
	"database/sql"

	"stavka.local/lineprovider/internal/adapters/sqlite/sqlitedb"
	"stavka.local/shared/sqlite"
)

// prepareOnce makes a transaction in which the same few statements come again and again
// prepare each of them once, until end is called: SQLite takes longer to read one than to
// do what it says.
func (tx *transaction) prepareOnce() (end func()) {
	before, statements := tx.Queries, &statements{Conn: tx.conn, prepared: make(map[string]*sql.Stmt)}
	tx.Queries = sqlitedb.New(statements)
	return func() {
		tx.Queries = before
		for _, statement := range statements.prepared {
			_ = statement.Close() // what it did is done
		}
	}
}

// statements is a connection that remembers the statements it has prepared.
type statements struct {
	sqlite.Conn

	prepared map[string]*sql.Stmt
}

// ExecContext executes the statement that query is the text of.
func (s *statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	statement, err := s.prepare(ctx, query) //nolint:sqlclosecheck // closed at the end of them all
	if err != nil {
		return nil, err
	}
	return statement.ExecContext(ctx, args...)
}

// QueryRowContext executes the statement that query is the text of, for one row.
func (s *statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	statement, err := s.prepare(ctx, query) //nolint:sqlclosecheck // likewise
	if err != nil {
		return s.Conn.QueryRowContext(ctx, query, args...) // which fails for the same reason
	}
	return statement.QueryRowContext(ctx, args...)
}

func (s *statements) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if statement := s.prepared[query]; statement != nil {
		return statement, nil
	}
	statement, err := s.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.prepared[query] = statement
	return statement, nil
}
