package lifecycle_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"stavka.local/shared/lifecycle"
)

// childVariable makes this test binary a program that runs an app. The tests send
// signals to it.
const childVariable = "LIFECYCLE_TEST_CHILD"

func TestMain(m *testing.M) {
	if kind := os.Getenv(childVariable); kind != "" {
		os.Exit(child(kind))
	}
	os.Exit(m.Run())
}

func child(kind string) int {
	g := lifecycle.New(slog.New(slog.DiscardHandler), time.Minute)
	say := func(line string) lifecycle.Func {
		return func(context.Context) error {
			_, err := fmt.Fprintln(os.Stdout, line)
			return err
		}
	}
	switch kind {
	case "orderly":
		g.Add("app", say("started"), say("stopped"))
	case "hanging":
		g.Add("app", say("started"), func(ctx context.Context) error {
			err := say("stopping")(ctx)
			<-ctx.Done()
			return err
		})
	case "starting":
		g.Add("app", func(ctx context.Context) error {
			if err := say("started")(ctx); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}, nil)
	case "failing":
		g.Add("app", say("started"), say("stopped"))
		g.Go("loop", func(context.Context) error { return errBroken })
	}
	if err := lifecycle.Run(context.Background(), g, time.Minute); err != nil {
		_ = say(err.Error())(context.Background())
		return 1
	}
	return 0
}

// run starts the child and returns it with a function that reads its next line.
func run(t *testing.T, kind string) (*exec.Cmd, func() string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), childVariable+"="+kind)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(output)
	return command, func() string {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the child has ended its output: %v", err)
		}
		return strings.TrimSpace(line)
	}
}

func expectLine(t *testing.T, next func() string, want string) {
	t.Helper()
	if got := next(); got != want {
		t.Fatalf("the child printed %q, want %q", got, want)
	}
}

func TestSignalsStopInOrder(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		command, next := run(t, "orderly")
		expectLine(t, next, "started")
		if err := command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		expectLine(t, next, "stopped")
		if err := command.Wait(); err != nil {
			t.Errorf("after %v: %v, want status 0", signal, err)
		}
	}
}

func TestSecondSignalEndsTheProcess(t *testing.T) {
	t.Parallel()
	command, next := run(t, "hanging")
	expectLine(t, next, "started")
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expectLine(t, next, "stopping")
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := command.Wait(); !errors.As(err, &exit) {
		t.Fatalf("got %v, want the end by a signal", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("ended as %v, want by SIGTERM", exit)
	}
}

func TestSignalEndsTheStart(t *testing.T) {
	t.Parallel()
	command, next := run(t, "starting")
	expectLine(t, next, "started")
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("got %v, want status 0", err)
	}
}

func TestFailureStopsTheAppAndIsReturned(t *testing.T) {
	t.Parallel()
	command, next := run(t, "failing")
	expectLine(t, next, "started")
	expectLine(t, next, "stopped")
	expectLine(t, next, "loop ended unexpectedly: broken")
	if err := command.Wait(); err == nil {
		t.Error("status 0, want another")
	}
}

// app is an App made of functions.
type app struct{ start, wait, stop lifecycle.Func }

func (a app) Start(ctx context.Context) error { return a.start(ctx) }
func (a app) Wait(ctx context.Context) error  { return a.wait(ctx) }
func (a app) Stop(ctx context.Context) error  { return a.stop(ctx) }

func TestRunBoundsTheStop(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	err := lifecycle.Run(ctx, app{
		start: func(context.Context) error { return nil },
		wait: func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			return nil
		},
		stop: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	}, time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("run: %v", err)
	}
}

func TestRunReturnsAFailedStart(t *testing.T) {
	t.Parallel()
	err := lifecycle.Run(t.Context(), app{start: func(context.Context) error { return errBroken }}, time.Second)
	if !errors.Is(err, errBroken) {
		t.Errorf("run: %v", err)
	}
}
