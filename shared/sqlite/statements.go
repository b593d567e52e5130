package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
)

// keptStatements bounds how many statements a connection keeps. It is more than the services
// have: it is for texts that are made up.
const keptStatements = 256

// connector opens connections that keep the statements that they have run, so that each text
// is read by SQLite once and not in every transaction: to read a user took more than twice
// as long without.
type connector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := opened.(driverConn)
	if !ok {
		return nil, errors.Join(errUnknownDriver, opened.Close())
	}
	return &connection{driverConn: conn, kept: make(map[string]*statement)}, nil
}

// errUnknownDriver is a change of the driver's that the compiler does not see.
var errUnknownDriver = errors.New("the driver of SQLite is not as it was")

// driverConn is what is used of the driver's connections. What the driver can do besides, to
// run a text without having it prepared, is left out, so that everything is prepared.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// driverStmt is what is used of the driver's statements.
type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// connection belongs to one goroutine at a time, as database/sql sees to.
type connection struct {
	driverConn

	kept map[string]*statement
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *connection) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if kept := c.kept[query]; kept != nil && !kept.used {
		kept.used = true
		return kept, nil
	}
	prepared, err := c.driverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	stmt, ok := prepared.(driverStmt)
	if !ok {
		return nil, errors.Join(errUnknownDriver, prepared.Close())
	}
	return &statement{driverStmt: stmt, conn: c, query: query, used: true}, nil
}

// Close implements driver.Conn.
func (c *connection) Close() error {
	for _, s := range c.kept {
		_ = s.driverStmt.Close() // it repeats the error of the last run, which has been seen
	}
	return c.driverConn.Close()
}

// statement is one that is kept when it is closed.
type statement struct {
	driverStmt

	conn  *connection
	query string
	used  bool // while its rows are being read, the same text may be run again
}

// Close implements driver.Stmt.
func (s *statement) Close() error {
	switch kept := s.conn.kept[s.query]; {
	case kept == s:
	case kept == nil && len(s.conn.kept) < keptStatements:
		s.conn.kept[s.query] = s
	default:
		return s.driverStmt.Close()
	}
	s.used = false
	return nil
}
