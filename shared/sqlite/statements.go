package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
)

// keptStatements bounds how many statements a connection keeps. The services have fewer; it bounds memory
// if texts are generated.
const keptStatements = 256

// connector opens connections that keep their prepared statements, so that SQLite parses each text once
// and not in every transaction.
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

// errUnknownDriver means that the driver lost an interface, which the compiler cannot find.
var errUnknownDriver = errors.New("the SQLite driver lacks an interface that this package needs")

// driverConn is the part of the driver's connections that is used. It leaves out running a text
// unprepared, so that every statement is prepared.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// driverStmt is the part of the driver's statements that is used.
type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// connection is a connection that keeps prepared statements. database/sql lets one goroutine use it at a
// time.
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
		_ = s.driverStmt.Close() // it repeats the error of the last run, which has been returned
	}
	return c.driverConn.Close()
}

// statement is a prepared statement. Its connection keeps it when it is closed.
type statement struct {
	driverStmt

	conn  *connection
	query string
	used  bool // the same text may be run again while its rows are being read
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
