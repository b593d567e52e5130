//go:build crashpoints

package crashpoint_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"stavka.local/shared/crashpoint"
)

// childVariable makes this test binary a program that reaches three points,
// three times each.
const childVariable = "CRASHPOINT_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	for round := range 3 {
		for _, name := range []string{"a", "b", "b.c"} {
			if _, err := fmt.Fprintln(os.Stdout, round+1, name); err != nil {
				panic(err)
			}
			crashpoint.Hit(name)
		}
	}
}

func TestHitKillsTheProcess(t *testing.T) {
	t.Parallel()
	if !crashpoint.Enabled {
		t.Error("the build tag is set, and crash points are not compiled in")
	}
	for target, last := range map[string]string{
		"a": "1 a", "b": "1 b", "b:1": "1 b", "b:3": "3 b", "b.c:2": "2 b.c",
		"": "3 b.c", "other": "3 b.c", "b:4": "3 b.c",
	} {
		command := exec.CommandContext(t.Context(), os.Args[0])
		command.Env = append(os.Environ(), childVariable+"=1", crashpoint.Variable+"="+target)
		output, err := command.Output()
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		if got := lines[len(lines)-1]; got != last {
			t.Errorf("%q: the last words were %q, want %q", target, got, last)
		}
		killed := false
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			status, isStatus := exit.Sys().(syscall.WaitStatus)
			killed = isStatus && status.Signal() == syscall.SIGKILL
		}
		if survives := last == "3 b.c"; killed == survives {
			t.Errorf("%q: ended with %v", target, err)
		}
	}
}
