package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// checkedAtOnce is the size of a file, in bytes, up to which all of it is checked when it is
// opened. A larger one would keep a start waiting; damage in it is found when it is read.
const checkedAtOnce = 16 << 20

// resolve returns the absolute path of the file, which need not exist but for a guest. It
// is without links, so that one file is locked under one name.
func resolve(o Options) (string, error) {
	path, err := filepath.Abs(o.File)
	if err != nil {
		return "", err
	}
	directory := filepath.Dir(path)
	info, err := os.Stat(directory)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory", directory)
	}
	info, err = os.Stat(path)
	exists := !errors.Is(err, fs.ErrNotExist)
	switch {
	case !exists && o.Guest:
		return "", fmt.Errorf("nothing has been kept here yet: %w", err)
	case !exists:
		return path, checkWritable(directory)
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errors.New("this is not a file, but a directory or a device")
	case hasOtherNames(info):
		// Under each name SQLite would keep another write-ahead log, and we another lock.
		return "", errors.New("the file has another name as well (a hard link), under which another process could open it")
	}
	// SQLite would open a file for reading, too, and put others beside it that are read-only
	// for as long as they are there.
	if err := errors.Join(checkWritable(directory), checkWritable(path)); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// inspect looks for damage, and for another program's mark, and returns the version of the
// schema: 0 for a file that is new, or does not exist.
//
// It changes nothing, for which it needs a connection that cannot write: the last of
// those that can replays the write-ahead log into the file when it closes, and damage
// would be mixed with what was good.
func inspect(ctx context.Context, path string, application int32) (version int64, err error) {
	size, err := sizeOf(path)
	if err != nil {
		return 0, err
	}
	if size == 0 {
		return 0, checkNew(path)
	}
	journal, err := sizeOf(path + "-journal")
	if err != nil {
		return 0, err
	}
	log, err := sizeOf(path + "-wal")
	if err != nil {
		return 0, err
	}
	mode := "ro"
	if journal > 0 {
		// The process that made the file was killed before the file was in WAL mode. What it
		// had begun must be undone before anything can be read.
		mode = "rw"
	}
	db, err := sql.Open("sqlite", dsn(path, mode))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if log == 0 {
		if err := checkEnd(ctx, db, size); err != nil {
			return 0, err
		}
	}
	if size <= checkedAtOnce {
		if err := check(ctx, db); err != nil {
			return 0, err
		}
	}
	if version, err = versionOf(ctx, db); err != nil || version == 0 {
		return version, err
	}
	var mark int32
	if err := db.QueryRowContext(ctx, "pragma application_id").Scan(&mark); err != nil {
		return 0, err
	}
	if mark != application {
		return 0, fmt.Errorf("%w: it has the mark of another program, %#x, and not %#x", ErrDamaged, mark, application)
	}
	return version, nil
}

// sizeOf returns the size of a file; 0 when there is none.
func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// checkNew refuses a new file that is none. SQLite would delete a log that belongs to no
// file, and what is in it may be all that is left.
func checkNew(path string) error {
	size, err := sizeOf(path + "-wal")
	if err == nil && size > 0 {
		err = fmt.Errorf("%w: it is empty or gone, but there is a write-ahead log of %d bytes beside it", ErrDamaged, size)
	}
	return err
}

// checkEnd refuses a file that ends within a page, as a copy does that was broken off.
// SQLite looks no further than that the last page has begun. With a write-ahead log it is
// no sign of damage: the page may be written again from there.
func checkEnd(ctx context.Context, db *sql.DB, size int64) error {
	var page int64
	if err := db.QueryRowContext(ctx, "pragma page_size").Scan(&page); err != nil {
		return err
	}
	if size%page != 0 {
		return fmt.Errorf("%w: %d bytes are no number of pages of %d", ErrDamaged, size, page)
	}
	return nil
}

// check looks for damage everywhere.
func check(ctx context.Context, db *sql.DB) error {
	var found string
	if err := db.QueryRowContext(ctx, "pragma quick_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, strings.Join(strings.Fields(found), " ")) // in one line
	}
	return nil
}

// makeFile makes the file when there is none, and fails when it cannot be kept as this
// package promises: SQLite does without a write-ahead log where there cannot be one, and
// says so only when it is asked.
func makeFile(ctx context.Context, path string, writer *sql.DB) error {
	// For nobody else: there are password hashes in it. The other files get the same rights.
	// O_EXCL because to close a file that SQLite has open would take its locks away.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // the operator says which file
	if err == nil {
		err = file.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var mode string
	if err := writer.QueryRowContext(ctx, "pragma journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%w: its file system allows no write-ahead log, SQLite has chosen %q", ErrUnavailable, mode)
	}
	return nil
}
