package sqlite

import (
	"context"
	"database/sql"
)

// Statements is the connection of a transaction that prepares each statement once, however
// many rows are read and written with it: SQLite takes longer to read a statement than to do
// what it says. It has the methods that sqlc's queries use, and belongs to one goroutine.
type Statements struct {
	conn     Conn
	prepared map[string]*sql.Stmt
}

// NewStatements returns a connection that prepares once. Close it before the transaction ends.
func NewStatements(tx Conn) *Statements {
	return &Statements{conn: tx, prepared: make(map[string]*sql.Stmt)}
}

// ExecContext executes a statement that returns no rows.
func (s *Statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	statement, err := s.PrepareContext(ctx, query) //nolint:sqlclosecheck // Close closes it
	if err != nil {
		return nil, err
	}
	return statement.ExecContext(ctx, args...)
}

// QueryContext executes a statement that returns rows.
func (s *Statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	statement, err := s.PrepareContext(ctx, query) //nolint:sqlclosecheck // Close closes it
	if err != nil {
		return nil, err
	}
	return statement.QueryContext(ctx, args...)
}

// QueryRowContext executes a statement that returns one row.
func (s *Statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	statement, err := s.PrepareContext(ctx, query) //nolint:sqlclosecheck // Close closes it
	if err != nil {
		return s.conn.QueryRowContext(ctx, query, args...) // which fails for the same reason, and can say so
	}
	return statement.QueryRowContext(ctx, args...)
}

// PrepareContext returns a prepared statement, which is the connection's to close.
func (s *Statements) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	if statement := s.prepared[query]; statement != nil {
		return statement, nil
	}
	statement, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.prepared[query] = statement
	return statement, nil
}

// Close closes all statements.
func (s *Statements) Close() {
	for _, statement := range s.prepared {
		_ = statement.Close() // it repeats the error of the last run, which has been seen
	}
}
