package sqlite

import (
	"context"
	"database/sql"

	sqlitefile "stavka.local/shared/sqlite"
)

// statements is the connection of a transaction that parses each statement once, however
// many rows are written with it: parsing one takes longer than running it.
type statements struct {
	sqlitefile.Conn

	parsed map[string]*sql.Stmt
}

func newStatements(tx sqlitefile.Conn) *statements {
	return &statements{Conn: tx, parsed: make(map[string]*sql.Stmt)}
}

func (s *statements) parse(ctx context.Context, query string) error {
	if s.parsed[query] != nil {
		return nil
	}
	statement, err := s.PrepareContext(ctx, query) //nolint:sqlclosecheck // close closes it
	if err != nil {
		return err
	}
	s.parsed[query] = statement
	return nil
}

// ExecContext implements sqlitedb.DBTX.
func (s *statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := s.parse(ctx, query); err != nil {
		return nil, err
	}
	return s.parsed[query].ExecContext(ctx, args...)
}

// QueryContext implements sqlitedb.DBTX.
func (s *statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := s.parse(ctx, query); err != nil {
		return nil, err
	}
	return s.parsed[query].QueryContext(ctx, args...)
}

// QueryRowContext implements sqlitedb.DBTX.
func (s *statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := s.parse(ctx, query); err != nil {
		return s.Conn.QueryRowContext(ctx, query, args...) // which fails as well, and can say so
	}
	return s.parsed[query].QueryRowContext(ctx, args...)
}

func (s *statements) close() {
	for _, statement := range s.parsed {
		_ = statement.Close() // it repeats the error of the last run, which has been seen
	}
}
