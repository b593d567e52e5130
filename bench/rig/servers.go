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

// Servers are PostgreSQL, Redis and RabbitMQ of this run alone, which keep what they
// acknowledge on the disk: fsync and synchronous_commit on, Redis appending every write.
type Servers struct {
	Postgres, Redis, RabbitMQ string // URLs

	root      string // of the repository
	directory string
}

// Names of the servers, as tools/services knows them.
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

// sizes are what PostgreSQL is told of the machine: by default it keeps 128 MB of pages and
// forces everything out with each GB of log, which is less than one large event.
var sizes = map[string]string{"shared_buffers": "4GB", "max_wal_size": "8GB", "min_wal_size": "4GB"}

// logFiles is how many files of its log PostgreSQL has to use again: 2 GB.
const logFiles = 128

// configure makes of PostgreSQL, as it is installed, one that has been at work for a while on
// a machine of this size.
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

// growLog has files of the log there to be used again, as they are after some hours. A new
// one is written full of zeros first, and every commit waits for that.
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

// RestartPostgres stops PostgreSQL in good order and starts it again, for settings that
// only a start reads.
func (s *Servers) RestartPostgres(ctx context.Context) error {
	if _, err := s.script(ctx, "stop", postgres); err != nil {
		return err
	}
	_, err := s.script(ctx, "start", postgres)
	return err
}

// remove ends the servers and deletes their data.
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

// output runs a command and returns what it says; its error says what it complains of.
func output(cmd *exec.Cmd) (string, error) {
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", cmd, err, out, complaint.String())
	}
	return string(out), nil
}
