//go:build !unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// lockFile fails: without a lock two processes could own the same file.
func lockFile(string) (*os.File, error) {
	return nil, fmt.Errorf("a database file cannot be locked on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func unlockFile(file *os.File) error { return file.Close() }

func checkWritable(string) error { return nil }

func hasOtherNames(os.FileInfo) bool { return false }
