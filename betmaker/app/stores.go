package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/line"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/metrics"
	"stavka.local/shared/service"
)

// store is an open store.
type store struct {
	ports.Stores

	name string // on /readyz
	// settlementShares settle an event with many bets together. It is empty when that is no faster.
	settlementShares []ports.Settlements
	// placingWorkers is how many batches of bets may be in the store at once.
	placingWorkers int

	// migrate brings the schema up to date. On ports.ErrUnavailable it may be tried again.
	migrate func(context.Context) error
	ping    func(context.Context) error
	// watch returns when the data has been deleted under the service, or when ctx ends.
	watch func(context.Context) error
	close func() error
}

// openStore returns the store that the configuration names. A server need not be reachable yet; a
// file is created. A guest may open a file from which another process serves.
func openStore(ctx context.Context, c Config, guest bool, log *slog.Logger) (*store, error) {
	switch scheme := service.Scheme(c.StoreURL); scheme {
	case "postgres", "postgresql", "postgresql+asyncpg":
		settings := postgresConfig(c, log)
		s, err := postgres.Open(ctx, settings)
		if err != nil {
			return nil, fmt.Errorf("open the store: %w", err)
		}
		return &store{
			Stores:           s.Stores,
			name:             "postgres",
			settlementShares: s.SettlementShares(settlementShares),
			placingWorkers:   placingWorkers,
			migrate:          func(ctx context.Context) error { return postgres.Migrate(ctx, settings) },
			ping:             s.Ping,
			watch:            s.Watch,
			close:            func() error { s.Close(); return nil },
		}, nil
	case "sqlite":
		s, err := sqlite.Open(ctx, sqlite.Config{File: service.File(c.StoreURL), Guest: guest, Logger: log})
		if err != nil {
			return nil, fmt.Errorf("open the store: %w", err)
		}
		return &store{
			Stores:         s.Stores,
			name:           "sqlite",
			placingWorkers: 1, // there is one writer; a second batch would only make both smaller
			migrate:        func(context.Context) error { return nil },
			ping:           s.Ping,
			watch:          s.Watch,
			close:          s.Close,
		}, nil
	default:
		return nil, fmt.Errorf("open the store: no adapter for URLs of the scheme %q", scheme)
	}
}

func postgresConfig(c Config, log *slog.Logger) postgres.Config {
	return postgres.Config{URL: c.StoreURL.Reveal(), PlacingConnections: placingWorkers, Logger: log}
}

// bus is a line.Subscriber with a health check and a count of dead letters.
type bus interface {
	line.Subscriber

	Check(ctx context.Context) error
	DeadLetters(ctx context.Context) (int, error)
}

// watchConnection is the name of the connection over which every replica receives all changes.
const watchConnection = "changes-watch"

// openBus returns the bus that the configuration names, and its name on /readyz. The bus need not be
// reachable yet.
func openBus(c Config, m *meters, losses *usecase.LossDetector, log *slog.Logger) (bus, string, error) {
	switch scheme := service.Scheme(c.BusURL); scheme {
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
			Forged:       func(connection string) { m.forged.WithLabelValues(connection).Inc() },
			Redelivered:  m.redelivered.Inc,
			Paused:       func(deliveries int) { metrics.SetCount(m.paused, deliveries) },
		}, log)
		return s, "rabbitmq", err
	case "inproc":
		if c.Bus == nil {
			return nil, "", errors.New("open the bus: inproc: is for a process that runs both services")
		}
		losses.Connected(true) // until the process ends
		return c.Bus, "bus", nil
	default:
		return nil, "", fmt.Errorf("open the bus: no adapter for URLs of the scheme %q", scheme)
	}
}

// openBroker returns the subscriber to the RabbitMQ that the configuration names.
func openBroker(c Config, hooks rabbitmq.Hooks, log *slog.Logger) (*rabbitmq.Subscriber, error) {
	s, err := rabbitmq.NewSubscriber(rabbitmq.Options{
		URL: c.BusURL.Reveal(), Tokens: c.LineTokens, Name: "bet-maker", Exchange: c.Exchange, Queue: c.Queue,
		FeedTimeout: c.FeedTimeout, Logger: log, Hooks: hooks,
	})
	if err != nil {
		return nil, fmt.Errorf("open the bus: %w", err)
	}
	return s, nil
}
