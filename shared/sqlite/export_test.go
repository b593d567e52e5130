package sqlite

import (
	"database/sql"
	"os"
	"time"
)

// Writer returns the connection that Write uses, so that tests can spoil it.
func (db *DB) Writer() *sql.DB { return db.writer }

// Readers returns the connections that Read uses.
func (db *DB) Readers() *sql.DB { return db.readers }

// Lock returns the file whose lock keeps other processes out.
func (db *DB) Lock() *os.File { return db.lock }

// SetBusyTimeout changes how long Write waits for another process.
func (db *DB) SetBusyTimeout(d time.Duration) { db.busyTimeout = d }
