// Package rig sets up the systems to measure: servers that write to disk before they
// acknowledge, Stavka's programs as they are released, users, events and tokens.
package rig

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

// Rig holds the servers, programs and files of one measurement. The caller must close it.
type Rig struct {
	Servers *Servers
	Log     *log.Logger // receives progress

	root      string // of the repository
	directory string // of all files but the results
	closers   []func() error
}

// New builds the programs and starts the servers.
func New(ctx context.Context, root string, progress *log.Logger) (_ *Rig, err error) {
	directory, err := os.MkdirTemp("", "stavka-bench-")
	if err != nil {
		return nil, fmt.Errorf("create a directory: %w", err)
	}
	r := &Rig{Log: progress, root: root, directory: directory}
	r.onClose(func() error { return os.RemoveAll(directory) })
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	progress.Print("building the programs")
	if err := build(ctx, root, r.bin()); err != nil {
		return nil, err
	}
	progress.Print("starting PostgreSQL, Redis and RabbitMQ")
	if r.Servers, err = startServers(ctx, root, directory); err != nil {
		return nil, err
	}
	r.onClose(func() error { return r.Servers.remove(ctx) })
	return r, r.Servers.configure(ctx)
}

// Close stops everything that was started, in reverse order, and deletes the files.
func (r *Rig) Close() error {
	var errs []error
	for len(r.closers) > 0 {
		last := len(r.closers) - 1
		errs = append(errs, r.closers[last]())
		r.closers = r.closers[:last]
	}
	return errors.Join(errs...)
}

func (r *Rig) onClose(do func() error) { r.closers = append(r.closers, do) }

func (r *Rig) bin() string { return filepath.Join(r.directory, "bin") }

// Earlier builds bet-maker of a revision of the repository, and returns the path of the
// program.
func (r *Rig) Earlier(ctx context.Context, revision string) (string, error) {
	r.Log.Printf("building bet-maker of %s", revision)
	tree := filepath.Join(r.directory, "tree-"+revision)
	add := exec.CommandContext(ctx, "git", "-C", r.root, "worktree", "add", "--detach", tree, revision)
	if _, err := output(add); err != nil {
		return "", err
	}
	r.onClose(func() error {
		_, err := output(exec.Command("git", "-C", r.root, "worktree", "remove", "--force", tree)) //nolint:noctx // also when interrupted
		return err
	})
	bin := filepath.Join(r.directory, "bin-"+revision)
	return filepath.Join(bin, "betmaker"), build(ctx, tree, bin)
}

// programs maps the names of the programs to their packages.
var programs = map[string]string{
	"betmaker": "./betmaker/cmd/betmaker", "lineprovider": "./lineprovider/cmd/lineprovider", "stavka": ".",
}

// build builds the programs as they are released.
func build(ctx context.Context, tree, into string) error {
	for name, source := range programs {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(into, name), source)
		cmd.Dir = tree
		cmd.Env = append(os.Environ(), "GOWORK=", "GOFLAGS=")
		if _, err := output(cmd); err != nil {
			return err
		}
	}
	return nil
}
