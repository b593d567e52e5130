package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"stavka.local/shared/wait"
)

// watchInterval is how often Watch looks.
const watchInterval = time.Second

// Watch looks every second whether the file is still the one that was opened. A file that is deleted stays
// usable for the processes that have it open, and everything written to it is lost when they end. Watch
// returns ErrLost then, or nil when ctx ends. Write finds a loss before it returns, so it acknowledges
// nothing after it.
func (db *DB) Watch(ctx context.Context) error {
	return wait.Every(ctx, watchInterval, func() error {
		// Within a transaction, because the write-ahead log exists only while the file is in use.
		err := db.Write(ctx, func(context.Context, Conn) error { return nil })
		if errors.Is(err, ErrLost) {
			return err
		}
		return nil
	})
}

// remember records which file is under each name. The files of SQLite's own, the write-ahead log and its index,
// come and go with the connections.
func (db *DB) remember() error {
	paths := []string{db.path}
	if db.lock != nil {
		paths = append(paths, db.lock.Name())
	}
	db.opened = make(map[string]os.FileInfo)
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		db.opened[path] = info
	}
	return nil
}

// checkFiles returns ErrLost, and fails the DB, if a file is not under its name any more. It must be called
// while a connection is in use.
func (db *DB) checkFiles() error {
	err := db.findFiles()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%w: %w", ErrLost, err)
	failure := fmt.Errorf("%w: %w", ErrUnavailable, err)
	db.failed.CompareAndSwap(nil, &failure)
	return err
}

func (db *DB) findFiles() error {
	for path, opened := range db.opened {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !os.SameFile(info, opened) {
			return fmt.Errorf("%s is another file now", path)
		}
	}
	_, logErr := os.Stat(db.path + "-wal")
	_, indexErr := os.Stat(db.path + "-shm")
	return errors.Join(logErr, indexErr)
}
