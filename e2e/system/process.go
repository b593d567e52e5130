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

	"stavka.local/shared/hangtest"
)

// Process is a run of one of our programs. It can be started again after its end.
type Process struct {
	Name string

	t      testing.TB
	binary string
	env    map[string]string
	log    string
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended; then cmd.ProcessState is set
}

// newProcess returns a process that has not started. env is its environment besides what
// every Go program needs, so that nothing of the tester's environment leaks in.
func newProcess(t testing.TB, name, binary string, env map[string]string) *Process {
	t.Helper()
	p := &Process{Name: name, t: t, binary: binary, env: env, log: filepath.Join(t.TempDir(), name+".log")}
	t.Cleanup(p.finish)
	return p
}

// Start starts the process and returns at once. The extra variables are for this run only.
func (p *Process) Start(extra ...string) {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatalf("open the log of %s: %v", p.Name, err)
	}
	cmd := exec.Command(p.binary)
	cmd.Dir = filepath.Dir(p.log) // without a .env unless WriteDotEnv has written one
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(p.environment(), extra...)
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.Name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // ProcessState has the result
		_ = log.Close()
		close(exited)
	}()
}

// WriteDotEnv moves the variables of the process, except its address, from the environment
// into the file .env of its directory.
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

// Dir returns the working directory of the process.
func (p *Process) Dir() string { return filepath.Dir(p.log) }

// WriteFile writes a file into the directory of the process.
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

// Stop ends the process with SIGTERM and fails the test unless it exits with 0 in time.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	p.AwaitExit(30 * time.Second)
	if code := p.ExitCode(); code != 0 {
		p.t.Errorf("%s ended with exit code %d after SIGTERM", p.Name, code)
	}
}

// Pause suspends the process (SIGSTOP) until Resume.
func (p *Process) Pause() { p.Signal(syscall.SIGSTOP) }

// Resume continues a paused process.
func (p *Process) Resume() { p.Signal(syscall.SIGCONT) }

// Running reports whether the process runs.
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

// AwaitExit waits until the process has ended.
func (p *Process) AwaitExit(within time.Duration) {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(within):
		p.t.Fatalf("%s has not ended within %s", p.Name, within)
	}
}

// ExitCode returns the exit code of the process, or -1 when a signal has ended it.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// AwaitKilled waits until SIGKILL has ended the process, as a crash point does. It fails the
// test when the process ends otherwise.
func (p *Process) AwaitKilled(within time.Duration) {
	p.t.Helper()
	p.AwaitExit(within)
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		p.t.Fatalf("%s ended unexpectedly: %s", p.Name, p.cmd.ProcessState)
	}
}

// Command runs a subcommand of the service in the environment of the service. It returns the
// standard output.
func (p *Process) Command(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.binary, args...)
	cmd.Dir, cmd.Env = filepath.Dir(p.log), p.environment()
	var said bytes.Buffer
	cmd.Stderr = &said
	var out []byte
	var err error
	hangtest.Exempt(func() { out, err = cmd.Output() })
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", p.Name, strings.Join(args, " "), err, said.String())
	}
	return string(out), err
}

func (p *Process) environment() []string {
	// A data race ends the process at once, so the process need not wait for reports at exit.
	env := []string{"PATH=" + os.Getenv("PATH"), "GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=0"}
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		env = append(env, name+"="+p.env[name])
	}
	return env
}

// Signal sends a signal to the process. It fails the test when the process does not run.
func (p *Process) Signal(sig syscall.Signal) {
	p.t.Helper()
	if !p.Running() {
		p.t.Fatalf("%s does not run", p.Name)
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("signal %s: %v", p.Name, err)
	}
}

// Log returns the log of all runs of the process so far.
func (p *Process) Log() string {
	log, err := os.ReadFile(p.log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // there is none before the first run
		return err.Error()
	}
	return string(log)
}

// finish ends the process at the end of its test. It shows the log when the test has failed.
func (p *Process) finish() {
	if p.Running() {
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // a paused process does not handle SIGTERM
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

// Eventually polls check until it returns nil. After within it fails the test with the last
// error.
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
