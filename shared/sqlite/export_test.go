package sqlite

import (
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"
)

// KeptStatements is the maximum number of statements that a connection keeps.
const KeptStatements = keptStatements

// Writer returns the connection that Write uses, so that tests can break it.
func (db *DB) Writer() *sql.DB { return db.writer }

// Readers returns the connections that Read uses.
func (db *DB) Readers() *sql.DB { return db.readers }

// KeptByWriter returns how many statements the writer's connection keeps.
func (db *DB) KeptByWriter(t *testing.T) (kept int) {
	t.Helper()
	conn, err := db.writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	err = conn.Raw(func(c any) error {
		keeping, ok := c.(*connection)
		if !ok {
			return fmt.Errorf("the connection is a %T", c)
		}
		kept = len(keeping.kept)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// Lock returns the lock file.
func (db *DB) Lock() *os.File { return db.lock }

// SetBusyTimeout changes how long Write waits for another process.
func (db *DB) SetBusyTimeout(d time.Duration) { db.busyTimeout = d }
