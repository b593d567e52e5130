package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stavka.local/shared/testlimit"
)

// Process is one of our programs, running. It may be started again when it has ended.
type Process struct {
	Name string

	t      testing.TB
	binary string
	env    map[string]string
	log    string
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended; then cmd.ProcessState is set
}

// newProcess describes a process; Start starts it. env is all the environment it gets
// besides what a Go program needs, so that nothing of the tester's own leaks in.
func newProcess(t testing.TB, name, binary string, env map[string]string) *Process {
	t.Helper()
	p := &Process{Name: name, t: t, binary: binary, env: env, log: filepath.Join(t.TempDir(), name+".log")}
	t.Cleanup(p.finish)
	return p
}

// Start starts the process and returns at once. extra variables hold for this run only.
func (p *Process) Start(extra ...string) {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatalf("open the log of %s: %v", p.Name, err)
	}
	cmd := exec.Command(p.binary)
	cmd.Dir = filepath.Dir(p.log) // a directory of the process's own, with no .env unless WriteDotEnv made one
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(p.environment(), extra...)
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.Name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // the exit is read from ProcessState
		_ = log.Close()
		close(exited)
	}()
}

// WriteDotEnv moves the process's variables from its environment into the file .env of
// its directory, but for the address it listens at.
func (p *Process) WriteDotEnv() {
	p.t.Helper()
	kept := make(map[string]string)
	var file strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		if strings.HasSuffix(name, "_ADDR") {
			kept[name] = p.env[name]
			continue
		}
		fmt.Fprintf(&file, "%s=%s\n", name, p.env[name])
	}
	p.WriteFile(".env", file.String())
	p.env = kept
}

// WriteFile writes a file into the directory that the process runs in.
func (p *Process) WriteFile(name, content string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(p.log), name), []byte(content), 0o600); err != nil {
		p.t.Fatalf("write the %s of %s: %v", name, p.Name, err)
	}
}

// Kill ends the process with SIGKILL and waits for its end.
func (p *Process) Kill() {
	p.t.Helper()
	p.Signal(syscall.SIGKILL)
	p.AwaitExit(10 * time.Second)
}

// Stop ends the process with SIGTERM, and fails the test unless it ends well in time.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	p.AwaitExit(30 * time.Second)
	if code := p.ExitCode(); code != 0 {
		p.t.Errorf("%s ended with exit code %d after SIGTERM", p.Name, code)
	}
}

// Pause stops the process where it is (SIGSTOP) until Resume.
func (p *Process) Pause() { p.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() { p.Signal(syscall.SIGCONT) }

// Running tells whether the process has not ended.
func (p *Process) Running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// AwaitExit waits until the process has ended by itself.
func (p *Process) AwaitExit(within time.Duration) {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(within):
		p.t.Fatalf("%s has not ended within %s", p.Name, within)
	}
}

// ExitCode is what the process has ended with; -1 when a signal has ended it.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// AwaitKilled waits until SIGKILL has ended the process, which is how it ends at a crash
// point, and fails the test when anything else has.
func (p *Process) AwaitKilled(within time.Duration) {
	p.t.Helper()
	p.AwaitExit(within)
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		p.t.Fatalf("%s ended by itself: %s", p.Name, p.cmd.ProcessState)
	}
}

// Command runs a subcommand of the service with the service's environment, and returns
// what it wrote to its standard output.
func (p *Process) Command(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.binary, args...)
	cmd.Dir, cmd.Env = filepath.Dir(p.log), p.environment()
	var said bytes.Buffer
	cmd.Stderr = &said
	var out []byte
	var err error
	testlimit.Exempt(func() { out, err = cmd.Output() })
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", p.Name, strings.Join(args, " "), err, said.String())
	}
	return string(out), err
}

func (p *Process) environment() []string {
	// A data race ends the process at once, so none need be waited for at its end.
	env := []string{"PATH=" + os.Getenv("PATH"), "GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=0"}
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		env = append(env, name+"="+p.env[name])
	}
	return env
}

// Signal sends a signal to the process, which must be running.
func (p *Process) Signal(sig syscall.Signal) {
	p.t.Helper()
	if !p.Running() {
		p.t.Fatalf("%s does not run", p.Name)
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("signal %s: %v", p.Name, err)
	}
}

// Log returns what the process has logged so far, over all its runs.
func (p *Process) Log() string {
	log, err := os.ReadFile(p.log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // there is none before it first runs
		return err.Error()
	}
	return string(log)
}

// finish ends the process at the end of its test, and shows the log of a failed one.
func (p *Process) finish() {
	if p.Running() {
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // a paused process cannot end in good order
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(30 * time.Second):
			_ = p.cmd.Process.Kill()
			<-p.exited
			p.t.Errorf("%s had not ended 30 s after SIGTERM", p.Name)
		}
	}
	log := p.Log()
	if strings.Contains(log, "WARNING: DATA RACE") || strings.Contains(log, "panic:") {
		p.t.Errorf("%s has a data race or a panic", p.Name)
	}
	if p.t.Failed() {
		p.t.Logf("the end of the log of %s:\n%s", p.Name, lastLines(log, 60))
	}
}

func lastLines(text string, n int) string {
	lines := bytes.Split([]byte(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

// Eventually polls check until it returns nil, and fails the test when it has not by
// then, with its last error.
func Eventually(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s: %v", within, what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
