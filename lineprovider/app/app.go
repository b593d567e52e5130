// Package app puts line-provider together and runs it: the only package of the
// module that others may import. A store and a bus are chosen by the schemes of
// their URLs.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"stavka.local/api"
	"stavka.local/lineprovider/internal/adapters/httpapi"
	"stavka.local/lineprovider/internal/adapters/redis"
	"stavka.local/lineprovider/internal/adapters/sqlite"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/lineprovider/internal/usecase"
	"stavka.local/shared/config"
	"stavka.local/shared/health"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/lifecycle"
	"stavka.local/shared/line"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/metrics"
)

// grace bounds the stop as a whole. It is below the 30 s that containers get.
const grace = 25 * time.Second

// App is line-provider.
type App struct {
	parts  *lifecycle.Group
	health *health.Registry
	server *httpedge.Server
}

// store is all that a store stands behind, and what its owner does with it.
type store interface {
	ports.Store

	Ping(ctx context.Context) error
	Close() error
}

// bus is a line.Publisher that can be asked how it is.
type bus interface {
	line.Publisher

	Check(ctx context.Context) error
}

// New returns a line-provider that listens already and answers nothing yet. Whoever
// does not start it stops it. It connects to nothing: the servers it depends on may
// come later.
func New(ctx context.Context, c Config) (_ *App, err error) {
	log := slog.Default()
	for _, warning := range c.Warnings {
		log.WarnContext(ctx, "INSECURE CONFIGURATION", "problem", warning)
	}
	a := &App{parts: lifecycle.New(log, lifecycle.DefaultStopTimeout), health: health.New()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.parts.Stop(context.WithoutCancel(ctx)))
		}
	}()
	registry := metrics.New("lineprovider")

	store, storeName, err := openStore(ctx, c, log)
	if err != nil {
		return nil, err
	}
	a.parts.OnStop("store", func(context.Context) error { return store.Close() })
	a.parts.Add("first look at the store", func(ctx context.Context) error { return look(ctx, store, log) }, nil)

	bus, busName, err := a.openBus(c, registry, log)
	if err != nil {
		return nil, err
	}

	published := registry.Counter("relay_published_total", "Changes that the bus has taken over.")
	relay := usecase.NewRelay(store, store, bus, published.Inc, log)
	a.parts.Go("relay", relay.Run)

	progress := newProgress(registry)
	beats := registry.Counter("feed_heartbeats_total", "Heartbeats sent.")
	heartbeat := &usecase.Heartbeat{
		Outbox: store, Bus: bus, Every: c.FeedHeartbeat, Now: time.Now, Sent: beats.Inc,
		Observe: progress.observe, Log: log,
	}
	a.parts.Go("heartbeat", heartbeat.Run)

	a.health.Require(storeName, checkStore(store))
	a.health.Watch(busName, checkBus(bus, progress))

	api := &httpapi.Server{
		Line:  &usecase.Line{Store: store, Rules: c.Rules, Now: time.Now, Wake: relay.Wake},
		Store: store, Catalogue: store, Log: store,
	}
	handler, err := newHandler(c, api, a.health, registry)
	if err != nil {
		return nil, err
	}
	limits := httpedge.DefaultLimits()
	limits.Drain = c.Drain
	a.server, err = httpedge.NewServer(ctx, c.Addr, handler, limits)
	if err != nil {
		return nil, err
	}
	a.parts.OnStop("listener", func(context.Context) error { return a.server.Close() })
	a.parts.Go("http", a.server.Run)
	return a, nil
}

// Start returns when the service answers. It fails when the store is there and may
// not be used; it does not wait for one that is not there yet.
func (a *App) Start(ctx context.Context) error {
	if err := a.parts.Start(ctx); err != nil {
		return err
	}
	a.health.Ready()
	slog.InfoContext(ctx, "line-provider serves", "address", a.Addr())
	return nil
}

// Wait returns nil when ctx ends, or an error when the service cannot go on.
func (a *App) Wait(ctx context.Context) error { return a.parts.Wait(ctx) }

// Stop answers the requests in flight and ends everything. It is idempotent.
func (a *App) Stop(ctx context.Context) error {
	a.health.Stopping()
	return a.parts.Stop(ctx)
}

// Run starts the service, runs it until a signal or the end of ctx, and stops it.
func (a *App) Run(ctx context.Context) error { return lifecycle.Run(ctx, a, grace) }

// Addr returns the address the service listens at, "host:port".
func (a *App) Addr() string { return a.server.Addr() }

// openStore returns the store that the configuration names, and what /readyz calls it.
func openStore(ctx context.Context, c Config, log *slog.Logger) (store, string, error) {
	switch scheme := schemeOf(c.StoreURL); scheme {
	case "redis", "rediss", "unix":
		s, err := redis.Open(redis.Options{
			URL: c.StoreURL.Reveal(), Password: c.StorePassword.Reveal(), HashName: c.HashName, MaxIDKey: c.MaxIDKey,
			WaitReplicas: c.WaitReplicas, RequireDurable: c.Production, Log: log,
		})
		if err != nil {
			return nil, "", fmt.Errorf("open the store: %w", err)
		}
		return s, "redis", nil
	case "sqlite":
		s, err := sqlite.Open(ctx, sqlite.Options{File: fileOf(c.StoreURL), Log: log})
		if err != nil {
			return nil, "", fmt.Errorf("open the store: %w", err)
		}
		return s, "sqlite", nil
	default:
		return nil, "", fmt.Errorf("open the store: no adapter for URLs of the scheme %q", scheme)
	}
}

// openBus returns the bus that the configuration names, and what /readyz calls it.
func (a *App) openBus(c Config, registry *metrics.Registry, log *slog.Logger) (bus, string, error) {
	switch scheme := schemeOf(c.BusURL); scheme {
	case "amqp", "amqps":
		connected := registry.Gauge("rabbitmq_connected", "1 while connected to RabbitMQ.")
		p, err := rabbitmq.NewPublisher(rabbitmq.Options{
			URL: c.BusURL.Reveal(), Name: "line-provider", Exchange: c.Exchange, Queue: c.Queue, Logger: log,
			RetryMax: 2 * time.Second, // bet-maker is told that late at most when RabbitMQ is back
			Hooks: rabbitmq.Hooks{Connected: func(_ string, up bool) {
				metrics.SetBool(connected, up)
			}},
		})
		if err != nil {
			return nil, "", fmt.Errorf("open the bus: %w", err)
		}
		a.parts.OnStop("bus", p.Close)
		return p, "rabbitmq", nil
	case "inproc":
		if c.Bus == nil {
			return nil, "", errors.New("open the bus: inproc: is for a process that runs both services")
		}
		return c.Bus, "bus", nil // it ends with those who share it
	default:
		return nil, "", fmt.Errorf("open the bus: no adapter for URLs of the scheme %q", scheme)
	}
}

// schemeOf returns what a URL starts with. Its text may hold a password, so that
// is all that is ever shown of one.
func schemeOf(address config.Secret) string {
	scheme, _, _ := strings.Cut(address.Reveal(), ":")
	return scheme
}

// fileOf returns the path of a URL of the form sqlite:PATH, which is not escaped.
func fileOf(address config.Secret) string {
	_, file, _ := strings.Cut(address.Reveal(), ":")
	return file
}

// look refuses a store that must not be used. One that cannot be reached yet is
// waited for behind readiness.
func look(ctx context.Context, s store, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := s.Ping(ctx)
	if errors.Is(err, redis.ErrNotDurable) {
		return err
	}
	if err != nil {
		log.WarnContext(ctx, "the store cannot be reached yet", "error", err)
	}
	return nil
}

func newHandler(
	c Config, server *httpapi.Server, checks *health.Registry, registry *metrics.Registry,
) (http.Handler, error) {
	tokens := make([]string, 0, len(c.Tokens))
	for _, token := range c.Tokens {
		tokens = append(tokens, token.Reveal())
	}
	h, err := httpedge.New(httpedge.Options{
		Title: "line-provider", Spec: api.LineProvider, Mount: server.Mount,
		Authenticate: httpapi.NewTokens(tokens...).Authenticate, Health: checks, Metrics: registry,
	})
	if err != nil {
		return nil, fmt.Errorf("set up HTTP: %w", err)
	}
	return h, nil
}
