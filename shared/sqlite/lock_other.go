//go:build !unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// lockFile fails: two processes that take the same file for theirs would be worse.
func lockFile(string) (*os.File, error) {
	return nil, fmt.Errorf("a database file cannot be kept from other processes on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func unlockFile(file *os.File) error { return file.Close() }

func checkWritable(string) error { return nil }

func hasOtherNames(os.FileInfo) bool { return false }
