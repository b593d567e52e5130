// Package hangtest ends a test binary in which one test hangs. A test package imports it for this
// effect:
//
//	import _ "stavka.local/shared/hangtest"
//
// It bounds each test where `go test -timeout` bounds all tests of a package together. When a test
// stands still for two minutes, the process panics with the name of its function and the stacks of
// all goroutines. A test stands still when every look at its goroutine shows the same stack, which
// spares slow tests. The time that a test waits for its subtests or for its turn
// to run in parallel does not count, and neither does work that is Exempt.
//
// STAVKA_TEST_SCALE multiplies the limit, as it does the size of the long tests.
package hangtest

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A hanging test ends within limit and two intervals, which is within two minutes.
const (
	limit    = 110 * time.Second
	interval = 5 * time.Second
)

func init() { //nolint:gochecknoinits // importing the package is all that a test package does
	if !testing.Testing() {
		return
	}
	scale, err := strconv.Atoi(os.Getenv("STAVKA_TEST_SCALE"))
	if err != nil {
		scale = 1
	}
	start(limit*time.Duration(max(1, scale)), interval)
}

// start looks at the running tests at each interval, and panics when one has stood still for limit.
func start(limit, interval time.Duration) {
	w := watch{limit: limit}
	// A timer and not a goroutine, which a check for leaked goroutines would find.
	var look func()
	look = func() {
		if test := w.hanging(time.Now(), stacks()); test != "" {
			debug.SetTraceback("all")
			panic(fmt.Sprintf("test hangs: %s has stood still for %s", test, limit))
		}
		time.AfterFunc(interval, look)
	}
	time.AfterFunc(interval, look)
}

// Exempt runs work of a test during which the test may stand still. The work must be bounded otherwise.
func Exempt(work func()) { work() }

// stacks returns the stacks of all goroutines.
func stacks() string {
	for size := 1 << 20; ; size *= 2 {
		buffer := make([]byte, size)
		if n := runtime.Stack(buffer, true); n < size {
			return string(buffer[:n])
		}
	}
}

// watch records since when tests stand still.
type watch struct {
	limit time.Duration
	tests map[string]stand // by the name of the goroutine
}

// stand is the stack of a test and when it was first seen.
type stand struct {
	function, stack string
	since           time.Time
}

// hanging returns the function of a test that has stood still for the limit, or "". Stacks are those
// at the time now.
func (w *watch) hanging(now time.Time, stacks string) string {
	before := w.tests
	w.tests = runningTests(stacks)
	for goroutine, test := range w.tests {
		test.since = now
		if known := before[goroutine]; known.stack == test.stack {
			test.since = known.since
		}
		if now.Sub(test.since) >= w.limit {
			return test.function + " in " + goroutine
		}
		w.tests[goroutine] = test
	}
	return ""
}

// runningTests returns the tests that run, by the names of their goroutines.
func runningTests(stacks string) map[string]stand {
	tests := make(map[string]stand)
	for all := range strings.SplitSeq(stacks, "\n\n") {
		// The first line holds the time that the goroutine has been waiting.
		title := all[:max(0, strings.IndexByte(all, '\n'))]
		stack := all[len(title):]
		calls, _, isTest := strings.Cut(stack, "\ntesting.tRunner(")
		if !isTest || waits(stack) {
			continue
		}
		calls, _, _ = strings.Cut(calls, "\ntesting.(*common).Cleanup.func1(")
		lines := strings.Split(calls, "\n")
		function := lines[max(0, len(lines)-2)] // the last line is its file
		if i := strings.LastIndexByte(function, '('); i >= 0 {
			function = function[:i]
		}
		goroutine, _, _ := strings.Cut(title, " [")
		tests[goroutine] = stand{function: function, stack: stack}
	}
	return tests
}

// waits reports whether a test waits for subtests, for its turn or for exempt work.
func waits(stack string) bool {
	for _, call := range []string{"\ntesting.(*T).Run(", "\ntesting.(*T).Parallel(", "\nstavka.local/shared/hangtest.Exempt("} {
		if strings.Contains(stack, call) {
			return true
		}
	}
	ended := strings.Contains(stack, "\ntesting.tRunner.func1(")
	return ended && !strings.Contains(stack, "\ntesting.(*common).runCleanup(")
}
