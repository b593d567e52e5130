//go:build crashpoints

package crashpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Enabled reports whether crash points are compiled in.
const Enabled = true

// target is the point to crash at, and remaining is the number of calls until then.
var target, remaining = chosen(os.Getenv(Variable))

func chosen(text string) (string, *atomic.Int64) {
	name, times, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(times, 10, 64)
	if err != nil || n < 1 {
		n = 1
	}
	counter := new(atomic.Int64)
	counter.Store(n)
	return name, counter
}

// Hit kills the process at the chosen call for the chosen point. It does not
// return then.
func Hit(name string) {
	if name != target || remaining.Add(-1) != 0 {
		return
	}
	// SIGKILL cannot be caught: no deferred function runs, and nothing is flushed.
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {} // the signal is on its way
}
