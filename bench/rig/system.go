package rig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	secretKey    = "benchmark-secret-key-that-is-long-enough"
	serviceToken = "benchmark-service-token-of-sufficient-length"
	bettors      = 100_000
)

// System is Stavka on the servers, with its own database.
type System struct {
	Database string // URL
	DB       *pgxpool.Pool
	Bettors  Bettors

	LineProvider *Process
	BetMakers    []*Process

	rig    *Rig
	name   string
	binary string // bet-maker
	env    map[string]string
}

// Options are the options of a System or of an Embedded.
type Options struct {
	// Program is the path of bet-maker or of the embedded shape; by default the current one.
	Program string
	// LineProvider is the path of line-provider; by default the current one.
	LineProvider string
	// Env are more variables of the services.
	Env map[string]string
}

// NewSystem starts one line-provider and one bet-maker on an empty database, creates
// 100,000 users and opens events.
func (r *Rig) NewSystem(ctx context.Context, name string, events int, o Options) (*System, error) {
	s := &System{rig: r, name: name, binary: cmp.Or(o.Program, filepath.Join(r.bin(), "betmaker"))}
	var err error
	if s.Database, err = r.createDatabase(ctx, name, ""); err != nil {
		return nil, err
	}
	if s.DB, err = pgxpool.New(ctx, s.Database); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", name, err)
	}
	r.onClose(func() error { s.DB.Close(); return nil })
	s.env = map[string]string{
		"DATABASE_URL":        s.Database,
		"REDIS_CONNECT_URL":   r.Servers.Redis,
		"REDIS_HASH_NAME":     name,
		"RABBITMQ_URL":        r.Servers.RabbitMQ,
		"RABBIT_QUEUE":        name,
		"RABBIT_EXCHANGE":     name,
		"LINE_PROVIDER_TOKEN": serviceToken,
		"SECRET_KEY":          secretKey,
		"CACHE_MAX_SIZE":      "100000",
		"LOG_LEVEL":           "warn",
		// All connections come from one address, and some loads from few users.
		"MAX_CONNECTIONS":             "0",
		"MAX_CONNECTIONS_PER_ADDRESS": "0",
		"USER_REQUESTS_PER_SECOND":    "0",
		"USER_BETS_PER_SECOND":        "0",
		// The check reads the whole ledger, and would start in the middle of a turn.
		"LEDGER_CHECK_INTERVAL": "0",
	}
	maps.Copy(s.env, o.Env)
	if err := s.startLineProvider(ctx, cmp.Or(o.LineProvider, filepath.Join(r.bin(), "lineprovider"))); err != nil {
		return nil, err
	}
	if err := s.AddBetMaker(ctx); err != nil {
		return nil, err
	}
	r.Log.Printf("%s: creating %d users and %d events", name, bettors, events)
	if s.Bettors, err = seedBettors(ctx, s.DB); err != nil {
		return nil, err
	}
	if err := s.OpenEvents(ctx, events); err != nil {
		return nil, err
	}
	return s, s.AwaitSealed(ctx)
}

func (s *System) startLineProvider(ctx context.Context, program string) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	env := maps.Clone(s.env)
	env["LINEPROVIDER_ADDR"] = address
	s.LineProvider, err = startProcess(ctx, program, address, s.logFile("lineprovider"), env)
	if err != nil {
		return err
	}
	s.rig.onClose(s.LineProvider.Stop)
	return nil
}

// AddBetMaker starts one more bet-maker.
func (s *System) AddBetMaker(ctx context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	env := maps.Clone(s.env)
	env["BETMAKER_ADDR"] = address
	env["EVENT_URL"] = s.LineProvider.URL + "/events"
	p, err := startProcess(ctx, s.binary, address, s.logFile(fmt.Sprintf("betmaker-%d", len(s.BetMakers))), env)
	if err != nil {
		return err
	}
	s.rig.onClose(p.Stop)
	s.BetMakers = append(s.BetMakers, p)
	return nil
}

// StopBetMakers stops all bet-makers.
func (s *System) StopBetMakers() error {
	var errs []error
	for _, p := range s.BetMakers {
		errs = append(errs, p.Stop())
	}
	s.BetMakers = nil
	return errors.Join(errs...)
}

// Stop stops the system's programs; its database stays.
func (s *System) Stop() error { return errors.Join(s.StopBetMakers(), s.LineProvider.Stop()) }

func (s *System) logFile(process string) string {
	return filepath.Join(s.rig.directory, s.name+"-"+process+".log")
}

// Copy returns the URL of a new copy of the system's database. It stops the system's bet-makers
// and starts them again.
func (s *System) Copy(ctx context.Context, name string) (string, error) {
	replicas := len(s.BetMakers)
	if err := s.StopBetMakers(); err != nil {
		return "", err
	}
	s.DB.Reset()
	database, err := s.rig.createDatabase(ctx, name, s.name)
	if err != nil {
		return "", err
	}
	for range replicas {
		if err := s.AddBetMaker(ctx); err != nil {
			return "", err
		}
	}
	return database, nil
}

// Settle brings the database to rest, so that no turn pays for the work of another: it
// removes dead rows, updates statistics and writes dirty pages.
func Settle(ctx context.Context, database string) error {
	return withConn(ctx, database, func(conn *pgx.Conn) error {
		for _, statement := range []string{"vacuum (analyze)", "checkpoint"} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
}

// createDatabase creates a database, as a copy of template unless that is empty.
func (r *Rig) createDatabase(ctx context.Context, name, template string) (string, error) {
	statement := "create database " + pgx.Identifier{name}.Sanitize()
	if template != "" {
		statement += " template " + pgx.Identifier{template}.Sanitize()
	}
	err := withConn(ctx, r.Servers.Postgres, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", statement, err)
	}
	address, err := url.Parse(r.Servers.Postgres)
	if err != nil {
		return "", fmt.Errorf("the URL of PostgreSQL: %w", err)
	}
	address.Path = "/" + name
	return address.String(), nil
}

func withConn(ctx context.Context, database string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return errors.Join(do(conn), conn.Close(context.WithoutCancel(ctx)))
}

// AwaitSealed waits until all transfers are sealed, so that no turn does the work of an earlier one.
func (s *System) AwaitSealed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	return poll(ctx, func() error {
		var left int64
		err := s.DB.QueryRow(ctx, `
			select coalesce((select max(id) from transfers), 0) - coalesce((select max(last_transfer) from seals), 0)`).Scan(&left)
		if err == nil && left > 0 {
			err = fmt.Errorf("%d transfers are not sealed", left)
		}
		return err
	})
}
