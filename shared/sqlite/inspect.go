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

// checkedAtOnce is the size, in bytes, up to which Open checks a whole file. Checking a larger file would
// delay the start; damage in it is found when it is read.
const checkedAtOnce = 16 << 20

// resolve returns the absolute path of the file without symbolic links, so that one file is locked under
// one name. The file must exist for a guest only.
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
		return "", fmt.Errorf("there is no data here yet: %w", err)
	case !exists:
		return path, checkWritable(directory)
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errors.New("this is not a file but a directory or a device")
	case hasOtherNames(info):
		// Each name would have its own write-ahead log and its own lock.
		return "", errors.New("the file has another name (a hard link), under which another process could open it")
	}
	// SQLite would open an unwritable file for reading only, and create other files beside it that stay
	// read-only.
	if err := errors.Join(checkWritable(directory), checkWritable(path)); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// inspect checks the file for damage and for the mark of another program. It returns the version of the
// schema, 0 for a file that is new or does not exist.
//
// It changes nothing. It needs a connection that cannot write: when the last writing connection closes, it
// copies the write-ahead log into the file, which would mix damaged with intact data.
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
		// The process that created the file was killed before the file was in WAL mode. Its
		// transaction must be rolled back before anything can be read.
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
		return 0, fmt.Errorf("%w: its application id is %#x, and not %#x", ErrDamaged, mark, application)
	}
	return version, nil
}

// sizeOf returns the size of a file, 0 if there is none.
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

// checkNew refuses an empty or missing file that has a write-ahead log. SQLite would delete the log, which
// may hold the only data left.
func checkNew(path string) error {
	size, err := sizeOf(path + "-wal")
	if err == nil && size > 0 {
		err = fmt.Errorf("%w: it is empty or missing, but there is a write-ahead log of %d bytes beside it", ErrDamaged, size)
	}
	return err
}

// checkEnd refuses a file that ends within a page, as an incomplete copy does. SQLite accepts a last page
// that is cut off. With a write-ahead log this is no sign of damage: the log may contain the page.
func checkEnd(ctx context.Context, db *sql.DB, size int64) error {
	var page int64
	if err := db.QueryRowContext(ctx, "pragma page_size").Scan(&page); err != nil {
		return err
	}
	if size%page != 0 {
		return fmt.Errorf("%w: its size of %d bytes is not a multiple of its page size of %d", ErrDamaged, size, page)
	}
	return nil
}

// check checks the whole file for damage.
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

// makeFile creates the file if there is none. It fails if the file cannot have a write-ahead log: SQLite
// then does without one and returns no error.
func makeFile(ctx context.Context, path string, writer *sql.DB) error {
	// Only the owner may read it: it contains password hashes. SQLite's other files get the same
	// permissions. O_EXCL, because closing a file that SQLite has open would release SQLite's locks.
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
		return fmt.Errorf("%w: its file system allows no write-ahead log; SQLite chose %q", ErrUnavailable, mode)
	}
	return nil
}
