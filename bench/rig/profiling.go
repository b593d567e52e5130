package rig

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/jackc/pgx/v5"
)

// Profiled builds a program with profiling, and returns the options of a system with that
// program and the address of its profiles.
func (r *Rig) Profiled(ctx context.Context, program string) (o Options, address string, err error) {
	file := filepath.Join(r.bin(), program+"-profiling")
	if program == "lineprovider" {
		o.LineProvider = file
	} else {
		o.Program = file
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "profiling", "-o", file, programs[program])
	build.Dir = r.root
	build.Env = append(os.Environ(), "GOWORK=", "GOFLAGS=")
	if _, err := output(build); err != nil {
		return Options{}, "", err
	}
	if address, err = freeAddress(); err != nil {
		return Options{}, "", err
	}
	o.Env = map[string]string{"PROFILING_ADDR": address}
	return o, address, nil
}

// SaveProfile profiles a process for some seconds, and writes the profile and its top entries
// to a directory as NAME.pprof and NAME.txt. kind is "profile" for CPU, or "allocs".
func SaveProfile(ctx context.Context, address, kind string, seconds int, directory, name string, options ...string) error {
	answer, err := Ask(ctx, fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", address, kind, seconds), "")
	if err != nil {
		return err
	}
	file := filepath.Join(directory, name+".pprof")
	if err := os.WriteFile(file, answer.Body, 0o644); err != nil {
		return fmt.Errorf("save a profile: %w", err)
	}
	arguments := append([]string{"tool", "pprof", "-top", "-nodecount=40"}, options...)
	top, err := output(exec.CommandContext(ctx, "go", append(arguments, file)...))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(directory, name+".txt"), []byte(top), 0o644); err != nil {
		return fmt.Errorf("save a profile: %w", err)
	}
	return nil
}

// TrackStatements makes PostgreSQL collect statistics of statements, in databases that are
// created from now on.
func (r *Rig) TrackStatements(ctx context.Context) error {
	alter := func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "alter system set shared_preload_libraries = 'pg_stat_statements'")
		return err
	}
	if err := withConn(ctx, r.Servers.Postgres, alter); err != nil {
		return fmt.Errorf("track statements: %w", err)
	}
	if err := r.Servers.RestartPostgres(ctx); err != nil {
		return err
	}
	// Databases are copies of template1.
	template, err := url.Parse(r.Servers.Postgres)
	if err != nil {
		return fmt.Errorf("the URL of PostgreSQL: %w", err)
	}
	template.Path = "/template1"
	return withConn(ctx, template.String(), func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "create extension pg_stat_statements")
		return err
	})
}

// Root returns the directory of the repository.
func (r *Rig) Root() string { return r.root }
