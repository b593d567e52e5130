package rig

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Servers are a PostgreSQL, a Redis and a RabbitMQ for this run alone. They write to disk
// before they acknowledge: fsync and synchronous_commit are on, and Redis appends every write.
type Servers struct {
	Postgres, Redis, RabbitMQ string // URLs

	root      string // of the repository
	directory string
}

// Names of the servers in tools/services.
const (
	postgres = "postgres"
	redis    = "redis"
	rabbitmq = "rabbitmq"
)

// startServers starts the servers, with their data below directory.
func startServers(ctx context.Context, root, directory string) (*Servers, error) {
	s := &Servers{root: root, directory: directory}
	for name, url := range map[string]*string{postgres: &s.Postgres, redis: &s.Redis, rabbitmq: &s.RabbitMQ} {
		out, err := s.script(ctx, "start", name)
		if err != nil {
			return nil, errors.Join(err, s.remove(ctx))
		}
		*url = strings.TrimSpace(out)
	}
	return s, nil
}

// sizes are settings of PostgreSQL for this machine. By default it buffers 128 MB of pages and
// makes a checkpoint after each GB of log, which is less than one large event.
var sizes = map[string]string{"shared_buffers": "4GB", "max_wal_size": "8GB", "min_wal_size": "4GB"}

// logFiles is the number of log files that PostgreSQL can recycle: 2 GB.
const logFiles = 128

// configure makes a new PostgreSQL behave like one that has run for some hours on a machine of
// this size.
func (s *Servers) configure(ctx context.Context) error {
	err := withConn(ctx, s.Postgres, func(conn *pgx.Conn) error {
		for name, value := range sizes {
			if _, err := conn.Exec(ctx, fmt.Sprintf("alter system set %s = '%s'", name, value)); err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.RestartPostgres(ctx); err != nil {
		return err
	}
	return withConn(ctx, s.Postgres, func(conn *pgx.Conn) error { return growLog(ctx, conn) })
}

// growLog creates log files to recycle, as there are after some hours. PostgreSQL fills a new
// file with zeros first, and commits wait for that.
func growLog(ctx context.Context, conn *pgx.Conn) error {
	for range logFiles {
		for _, statement := range []string{"select pg_logical_emit_message(false, 'bench', '')", "select pg_switch_wal()"} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
	}
	if _, err := conn.Exec(ctx, "checkpoint"); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// RestartPostgres restarts PostgreSQL in good order, for settings that take effect at a start.
func (s *Servers) RestartPostgres(ctx context.Context) error {
	if _, err := s.script(ctx, "stop", postgres); err != nil {
		return err
	}
	_, err := s.script(ctx, "start", postgres)
	return err
}

// remove stops the servers and deletes their data.
func (s *Servers) remove(ctx context.Context) error {
	var errs []error
	for _, name := range []string{postgres, redis, rabbitmq} {
		_, err := s.script(context.WithoutCancel(ctx), "remove", name)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s *Servers) script(ctx context.Context, verb, name string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.root, "tools", "services"), verb, name, filepath.Join(s.directory, name))
	return output(cmd)
}

// output runs a command and returns its standard output. The error holds its standard error.
func output(cmd *exec.Cmd) (string, error) {
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", cmd, err, out, complaint.String())
	}
	return string(out), nil
}
