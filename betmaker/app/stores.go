package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/config"
	"stavka.local/shared/line"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/metrics"
)

// store is all that a store stands behind.
type store struct {
	name          string // as /readyz calls it
	placements    ports.Placements
	events        ports.Events
	cursors       ports.Cursors
	settlements   ports.Settlements
	bets          ports.Bets
	users         ports.Users
	loginFailures ports.LoginFailures
	wallets       ports.Wallets
	auditLog      ports.AuditLog
	ledger        ports.Ledger

	// settlementShares settle an event with many bets together; none where that is no faster.
	settlementShares []ports.Settlements
	// placingWorkers is how many batches of bets may be in it at once.
	placingWorkers int

	// migrate brings the schema up to date. ports.ErrUnavailable means: try again.
	migrate func(context.Context) error
	ping    func(context.Context) error
	close   func() error
}

// visit is in which capacity a store is opened.
type visit bool

const (
	asOwner visit = false
	// asGuest: the store may be a file that another process serves from.
	asGuest visit = true
)

// openStore returns the store that the configuration names. A server need not be there yet,
// a file is made.
func openStore(ctx context.Context, c Config, as visit, log *slog.Logger) (*store, error) {
	switch scheme := schemeOf(c.StoreURL); scheme {
	case "postgres", "postgresql", "postgresql+asyncpg":
		settings := postgresConfig(c, log)
		s, err := postgres.Open(ctx, settings)
		if err != nil {
			return nil, fmt.Errorf("open the store: %w", err)
		}
		return &store{
			name:       "postgres",
			placements: s.Placements, events: s.Events, cursors: s.Cursors, settlements: s.Settlements,
			bets: s.Bets, users: s.Users, loginFailures: s.LoginFailures,
			wallets: s.Wallets, auditLog: s.AuditLog, ledger: s.Ledger,
			settlementShares: s.Settlements.Shares(settlementShares),
			placingWorkers:   placingWorkers,
			migrate:          func(ctx context.Context) error { return postgres.Migrate(ctx, settings) },
			ping:             s.Ping,
			close:            func() error { s.Close(); return nil },
		}, nil
	case "sqlite":
		s, err := sqlite.Open(ctx, sqlite.Config{File: fileOf(c.StoreURL), Guest: as == asGuest, Logger: log})
		if err != nil {
			return nil, fmt.Errorf("open the store: %w", err)
		}
		return &store{
			name:       "sqlite",
			placements: s.Placements, events: s.Events, cursors: s.Cursors, settlements: s.Settlements,
			bets: s.Bets, users: s.Users, loginFailures: s.LoginFailures,
			wallets: s.Wallets, auditLog: s.AuditLog, ledger: s.Ledger,
			placingWorkers: 1, // there is one writer; a second batch would only be a smaller one
			migrate:        func(context.Context) error { return nil },
			ping:           s.Ping,
			close:          s.Close,
		}, nil
	default:
		return nil, fmt.Errorf("open the store: no adapter for URLs of the scheme %q", scheme)
	}
}

func postgresConfig(c Config, log *slog.Logger) postgres.Config {
	return postgres.Config{URL: c.StoreURL.Reveal(), PlacingConnections: placingWorkers, Logger: log}
}

// bus is a line.Subscriber that can be asked how it is.
type bus interface {
	line.Subscriber

	Check(ctx context.Context) error
	DeadLetters(ctx context.Context) (int, error)
}

// watchConnection is the connection that brings every replica all changes.
const watchConnection = "changes-watch"

// openBus returns the bus that the configuration names, and what /readyz calls it. It need
// not be there yet.
func openBus(c Config, m *meters, losses *usecase.LossDetector, log *slog.Logger) (bus, string, error) {
	switch scheme := schemeOf(c.BusURL); scheme {
	case "amqp", "amqps":
		connected := m.connections()
		s, err := openBroker(c, rabbitmq.Hooks{
			Connected: func(connection string, up bool) {
				metrics.SetBool(connected.WithLabelValues(connection), up)
				if connection == watchConnection {
					losses.Connected(up)
				}
			},
			DeadLettered: m.deadLettered.Inc,
			Redelivered:  m.redelivered.Inc,
			Paused:       func(deliveries int) { metrics.SetCount(m.paused, deliveries) },
		}, log)
		return s, "rabbitmq", err
	case "inproc":
		if c.Bus == nil {
			return nil, "", errors.New("open the bus: inproc: is for a process that runs both services")
		}
		losses.Connected(true) // for as long as there is a process
		return c.Bus, "bus", nil
	default:
		return nil, "", fmt.Errorf("open the bus: no adapter for URLs of the scheme %q", scheme)
	}
}

// openBroker returns the subscriber to the RabbitMQ that the configuration names.
func openBroker(c Config, hooks rabbitmq.Hooks, log *slog.Logger) (*rabbitmq.Subscriber, error) {
	s, err := rabbitmq.NewSubscriber(rabbitmq.Options{
		URL: c.BusURL.Reveal(), Name: "bet-maker", Exchange: c.Exchange, Queue: c.Queue,
		FeedTimeout: c.FeedTimeout, Logger: log, Hooks: hooks,
	})
	if err != nil {
		return nil, fmt.Errorf("open the bus: %w", err)
	}
	return s, nil
}

// schemeOf returns what a URL starts with. Its text may hold a password, so that is all
// that is ever shown of one.
func schemeOf(address config.Secret) string {
	scheme, _, _ := strings.Cut(address.Reveal(), ":")
	return scheme
}

// fileOf returns the path of a URL of the form sqlite:PATH, which is not escaped.
func fileOf(address config.Secret) string {
	_, file, _ := strings.Cut(address.Reveal(), ":")
	return file
}
