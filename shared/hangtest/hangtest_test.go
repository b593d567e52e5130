package hangtest

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

const hangVariable = "HANGTEST_TEST_HANG"

// TestHang hangs in the child process of TestHangingTestEndsItsProcess only.
func TestHang(t *testing.T) {
	t.Parallel()
	if os.Getenv(hangVariable) != "" {
		start(10*time.Millisecond, time.Millisecond)
		<-make(chan struct{})
	}
}

func TestHangingTestEndsItsProcess(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHang$")
	child.Env = append(os.Environ(), hangVariable+"=1")
	output, err := child.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		t.Errorf("the process ended with %v", err)
	}
	for _, want := range []string{"test hangs: stavka.local/shared/hangtest.TestHang in goroutine ", "hangtest_test.go:"} {
		if !strings.Contains(string(output), want) {
			t.Errorf("the output has no %q:\n%s", want, output)
		}
	}
}

// names returns the functions of the tests that run, without the package's name.
func names() []string {
	var all []string
	for _, test := range runningTests(stacks()) {
		all = append(all, strings.TrimPrefix(test.function, "stavka.local/shared/hangtest."))
	}
	return all
}

func TestWaitingTestsAreNotRunning(t *testing.T) {
	if got := names(); !slices.Contains(got, "TestWaitingTestsAreNotRunning") {
		t.Errorf("the running tests are %q, without this one", got)
	}
	Exempt(func() {
		if got := names(); len(got) > 0 {
			t.Errorf("during exempt work the running tests are %q, want none", got)
		}
	})
	t.Run("its subtest", func(t *testing.T) {
		if got, want := names(), []string{"TestWaitingTestsAreNotRunning.func2"}; !slices.Equal(got, want) {
			t.Errorf("the running tests are %q, want %q", got, want)
		}
		t.Run("one that waits for its turn", func(t *testing.T) { t.Parallel() })
		if got, want := names(), []string{"TestWaitingTestsAreNotRunning.func2"}; !slices.Equal(got, want) {
			t.Errorf("the running tests are %q, want %q", got, want)
		}
		t.Cleanup(func() {
			if got, want := names(), []string{"TestWaitingTestsAreNotRunning.func2.2"}; !slices.Equal(got, want) {
				t.Errorf("in a cleanup the running tests are %q, want %q", got, want)
			}
		})
	})
}

func TestHanging(t *testing.T) {
	t.Parallel()
	const runs = "goroutine 7 [chan receive]:\nexample.TestX(0xc0)\n\t/x_test.go:7\ntesting.tRunner(0xc0, 0x1)\n\t/testing.go:1"
	const waits = "goroutine 7 [chan receive]:\ntesting.(*T).Run(0xc0)\n\t/testing.go:9\n" +
		"example.TestX(0xc0)\n\t/x_test.go:7\ntesting.tRunner(0xc0, 0x1)\n\t/testing.go:1"
	elsewhere := strings.Replace(runs, "x_test.go:7", "x_test.go:8", 1)
	later := strings.Replace(runs, "receive]", "receive, 1 minutes]", 1)
	w := watch{limit: time.Minute}
	began := time.Now()
	for _, look := range []struct {
		after  time.Duration
		stacks string
		want   string
	}{
		{0, runs, ""},
		{59 * time.Second, "goroutine 1 [running]:\nmain.main()\n\t/main.go:1\n\n" + runs, ""},
		{60 * time.Second, waits, ""},
		{61 * time.Second, runs, ""},
		{120 * time.Second, elsewhere, ""},
		{121 * time.Second, runs, ""},
		{180 * time.Second, later, ""},
		{181 * time.Second, later, "example.TestX in goroutine 7"},
	} {
		if got := w.hanging(began.Add(look.after), look.stacks); got != look.want {
			t.Errorf("after %s: %q, want %q", look.after, got, look.want)
		}
	}
}
