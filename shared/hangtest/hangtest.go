// Package hangtest ends a test binary in which one test hangs. A test package imports it for this
// effect:
//
//	import _ "stavka.local/shared/hangtest"
//
// It bounds each test where `go test -timeout` bounds all tests of a package together. A test that
// runs longer than two minutes makes the process panic with the name of its function and the
// stacks of all goroutines. The time that a test waits for its subtests or for its turn to run in
// parallel does not count, and neither does work that is Exempt.
//
// STAVKA_TEST_SCALE multiplies the limit, as it does the size of the long tests.
package hangtest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
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

// start looks at the running tests at each interval, and panics when one has run longer than limit.
func start(limit, interval time.Duration) {
	w := watch{limit: limit, running: make(map[string]time.Time)}
	// A timer and not a goroutine, which a check for leaked goroutines would find.
	var look func()
	look = func() {
		if test := w.overdue(time.Now(), stacks()); test != "" {
			debug.SetTraceback("all")
			panic(fmt.Sprintf("test hangs: %s has run for %s", test, limit))
		}
		time.AfterFunc(interval, look)
	}
	time.AfterFunc(interval, look)
}

// Exempt runs work of a test that may take longer, and must have a bound of its own. The test's time
// begins anew afterwards.
func Exempt(work func()) { work() }

// stacks returns the stacks of all goroutines.
func stacks() []byte {
	for size := 1 << 20; ; size *= 2 {
		buffer := make([]byte, size)
		if n := runtime.Stack(buffer, true); n < size {
			return buffer[:n]
		}
	}
}

// watch knows since when tests have been running.
type watch struct {
	limit   time.Duration
	running map[string]time.Time // by the name of the goroutine
}

// overdue returns the function of a test that has run for longer than the limit, or "". Stacks are
// those at the time now.
func (w *watch) overdue(now time.Time, stacks []byte) string {
	tests := runningTests(stacks)
	for goroutine := range w.running {
		if tests[goroutine] == "" {
			delete(w.running, goroutine)
		}
	}
	for goroutine, function := range tests {
		began, known := w.running[goroutine]
		switch {
		case !known:
			w.running[goroutine] = now
		case now.Sub(began) > w.limit:
			return function + " in " + goroutine
		}
	}
	return ""
}

// runningTests returns the function of each test that runs, by the name of its goroutine.
func runningTests(stacks []byte) map[string]string {
	tests := make(map[string]string)
	for stack := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		calls, _, isTest := bytes.Cut(stack, []byte("\ntesting.tRunner("))
		if !isTest || waits(stack) {
			continue
		}
		calls, _, _ = bytes.Cut(calls, []byte("\ntesting.(*common).Cleanup.func1("))
		name, _, _ := bytes.Cut(stack, []byte(" ["))
		lines := bytes.Split(calls, []byte("\n"))
		function := lines[max(0, len(lines)-2)] // the last line is its file
		if i := bytes.LastIndexByte(function, '('); i >= 0 {
			function = function[:i]
		}
		tests[string(name)] = string(function)
	}
	return tests
}

// waits reports whether a test waits for subtests, for its turn or for exempt work.
func waits(stack []byte) bool {
	for _, call := range []string{"\ntesting.(*T).Run(", "\ntesting.(*T).Parallel(", "\nstavka.local/shared/hangtest.Exempt("} {
		if bytes.Contains(stack, []byte(call)) {
			return true
		}
	}
	ended := bytes.Contains(stack, []byte("\ntesting.tRunner.func1("))
	return ended && !bytes.Contains(stack, []byte("\ntesting.(*common).runCleanup("))
}
