//go:build crashpoints

package crashpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Enabled tells whether crash points are compiled in.
const Enabled = true

// The point to crash at, and how many times it has yet to be hit.
var (
	target    string
	remaining atomic.Int64
)

func init() {
	name, times, _ := strings.Cut(os.Getenv(Variable), ":")
	n, err := strconv.ParseInt(times, 10, 64)
	if err != nil || n < 1 {
		n = 1
	}
	target = name
	remaining.Store(n)
}

// Hit kills the process when name is the point to crash at and this is the
// chosen time it comes by. It does not return then.
func Hit(name string) {
	if name != target || remaining.Add(-1) != 0 {
		return
	}
	// SIGKILL cannot be caught: no deferred function, no flush, no goodbye.
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {} // the signal is on its way
}
