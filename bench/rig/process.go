package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Process is a running program.
type Process struct {
	URL string // of the service that startProcess waits for

	cmd    *exec.Cmd
	log    string
	exited chan struct{}
}

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 40 * time.Second
)

// startProcess starts a program and waits until the service at address is ready. env is its
// whole environment; its output goes to the file log.
func startProcess(ctx context.Context, binary, address, log string, env map[string]string) (*Process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	defer func() { _ = file.Close() }() // the process has its own descriptor
	p := &Process{URL: "http://" + address, log: log, exited: make(chan struct{})}
	p.cmd = exec.Command(binary) //nolint:noctx // its life is not the context's: it is stopped in good order
	p.cmd.Dir = os.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = file, file
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState has the exit code
		close(p.exited)
	}()
	if err := p.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (p *Process) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return poll(ctx, func() error {
		select {
		case <-p.exited:
			said, _ := os.ReadFile(p.log)
			return fatal{fmt.Errorf("%s has ended:\n%s", p.cmd.Path, said)}
		default:
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/readyz", http.NoBody)
		if err != nil {
			return fatal{err}
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s is not ready: %s", p.cmd.Path, response.Status)
		}
		return nil
	})
}

// Stop sends SIGTERM and waits until the process has ended.
func (p *Process) Stop() error {
	select {
	case <-p.exited:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", p.cmd.Path, err)
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("%s did not stop", p.cmd.Path), p.cmd.Process.Kill())
	}
}

// Resident returns the resident memory of the process in bytes.
func (p *Process) Resident() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("memory of %s: %w", p.cmd.Path, err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		return 0, fmt.Errorf("memory of %s: %w", p.cmd.Path, err)
	}
	return kilobytes << 10, nil
}

// fatal is an error after which polling is pointless.
type fatal struct{ error }

// poll calls try until it returns nil, the context ends or the error is fatal.
func poll(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		if _, hopeless := errors.AsType[fatal](err); hopeless {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freeAddress returns an address with a free port.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	address := listener.Addr().String()
	return address, listener.Close()
}
