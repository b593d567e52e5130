package system

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is one of our services, running. It keeps its address over restarts.
type Process struct {
	Name string
	URL  string

	t      testing.TB
	binary string
	env    map[string]string
	log    string
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended; then cmd.ProcessState is set
}

// newProcess describes a process; Start starts it. env is all the environment it gets
// besides what a Go program needs, so that nothing of the tester's own leaks in.
func newProcess(t testing.TB, name, binary string, port int, env map[string]string) *Process {
	t.Helper()
	p := &Process{
		Name: name, URL: fmt.Sprintf("http://127.0.0.1:%d", port),
		t: t, binary: binary, env: env, log: filepath.Join(t.TempDir(), name+".log"),
	}
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
	if err := os.WriteFile(filepath.Join(filepath.Dir(p.log), ".env"), []byte(file.String()), 0o600); err != nil {
		p.t.Fatalf("write the .env of %s: %v", p.Name, err)
	}
	p.env = kept
}

// Kill ends the process with SIGKILL and waits for its end.
func (p *Process) Kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	p.AwaitExit(10 * time.Second)
}

// Stop ends the process with SIGTERM, and fails the test unless it ends well in time.
func (p *Process) Stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	p.AwaitExit(30 * time.Second)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("%s ended with exit code %d after SIGTERM", p.Name, code)
	}
}

// Pause stops the process where it is (SIGSTOP) until Resume.
func (p *Process) Pause() { p.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

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
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.binary, args...)
	cmd.Dir, cmd.Env = filepath.Dir(p.log), p.environment()
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", p.Name, strings.Join(args, " "), err, said.String())
	}
	return string(out), err
}

func (p *Process) environment() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "GORACE=halt_on_error=1 exitcode=66"}
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		env = append(env, name+"="+p.env[name])
	}
	return env
}

// AwaitReady waits until /readyz says 200.
func (p *Process) AwaitReady() {
	p.t.Helper()
	Eventually(p.t, 60*time.Second, p.Name+" is ready", func() error {
		if !p.Running() {
			p.t.Fatalf("%s ended with exit code %d", p.Name, p.cmd.ProcessState.ExitCode())
		}
		return p.Ready()
	})
}

// Ready returns nil when /readyz says 200.
func (p *Process) Ready() error {
	_, err := p.Get("/readyz")
	return err
}

// Get returns the body of one of the operational routes; anything but a 200 is an error.
func (p *Process) Get(path string) (string, error) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(p.URL + path)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", p.Name, err)
	}
	got, err := readResponse(resp)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", p.Name, err)
	}
	if got.Status != http.StatusOK {
		return "", fmt.Errorf("%s%s answered %d %s", p.Name, path, got.Status, got.Body)
	}
	return string(got.Body), nil
}

func (p *Process) signal(sig syscall.Signal) {
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
	if err != nil {
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

// freePort returns a loopback port that nobody listens on now, from below the range
// that the kernel gives to outgoing connections: so it stays free while its process is
// down in a fault test.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		return port
	}
	t.Fatal("no port from 20000 to 31999 is free")
	return 0
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
