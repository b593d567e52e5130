package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/config"
	"stavka.local/shared/line"
	"stavka.local/shared/line/rabbitmq"
)

// store is all that a store stands behind.
type store struct {
	placements    ports.Placements
	events        ports.Events
	cursors       ports.Cursors
	settlements   ports.Settlements
	bets          ports.Bets
	users         ports.Users
	loginFailures ports.LoginFailures

	// migrate brings the schema up to date. ports.ErrUnavailable means: try again.
	migrate func(context.Context) error
	ping    func(context.Context) error
	close   func()
}

// openStore returns the store that the configuration names. It need not be there yet.
func openStore(ctx context.Context, c Config, log *slog.Logger) (*store, error) {
	switch scheme := schemeOf(c.StoreURL); scheme {
	case "postgres", "postgresql", "postgresql+asyncpg":
		settings := postgresConfig(c, log)
		s, err := postgres.Open(ctx, settings)
		if err != nil {
			return nil, fmt.Errorf("open the store: %w", err)
		}
		return &store{
			placements: s.Placements, events: s.Events, cursors: s.Cursors, settlements: s.Settlements,
			bets: s.Bets, users: s.Users, loginFailures: s.LoginFailures,
			migrate: func(ctx context.Context) error { return postgres.Migrate(ctx, settings) },
			ping:    s.Ping,
			close:   s.Close,
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
	Redrive(ctx context.Context, limit int) (int, error)
}

// watchConnection is the connection that brings every replica all changes.
const watchConnection = "changes-watch"

// openBus returns the bus that the configuration names. It need not be there yet.
func openBus(c Config, m *meters, losses *usecase.LostPushes, log *slog.Logger) (bus, error) {
	switch scheme := schemeOf(c.BusURL); scheme {
	case "amqp", "amqps":
		s, err := rabbitmq.NewSubscriber(rabbitmq.Options{
			URL: c.BusURL.Reveal(), Name: "bet-maker", Exchange: c.Exchange, Queue: c.Queue,
			FeedTimeout: c.FeedTimeout, Logger: log,
			Hooks: rabbitmq.Hooks{
				Connected: func(connection string, up bool) {
					m.connected.WithLabelValues(connection).Set(map[bool]float64{true: 1}[up])
					if connection == watchConnection {
						losses.Connected(up)
					}
				},
				DeadLettered: m.deadLettered.Inc,
				Redelivered:  m.redelivered.Inc,
				Paused:       func(deliveries int) { m.paused.Set(float64(deliveries)) },
			},
		})
		if err != nil {
			return nil, fmt.Errorf("open the bus: %w", err)
		}
		return s, nil
	default:
		return nil, fmt.Errorf("open the bus: no adapter for URLs of the scheme %q", scheme)
	}
}

// schemeOf returns what a URL starts with. Its text may hold a password, so that is all
// that is ever shown of one.
func schemeOf(address config.Secret) string {
	u, err := url.Parse(address.Reveal())
	if err != nil {
		return ""
	}
	return u.Scheme
}
