// Package app puts line-provider together and runs it. It is the only package of the module that
// other modules may import. The schemes of the URLs choose the adapters of store and bus.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"stavka.local/api"
	"stavka.local/lineprovider/internal/adapters/httpapi"
	"stavka.local/lineprovider/internal/adapters/redis"
	"stavka.local/lineprovider/internal/adapters/sqlite"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/lineprovider/internal/usecase"
	"stavka.local/shared/health"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/line"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/metrics"
	"stavka.local/shared/service"
)

// App is line-provider.
type App struct{ *service.Service }

// store has the ports of line-provider and what its start and stop need.
type store interface {
	ports.Store

	Ping(ctx context.Context) error
	Close() error
}

// bus is a line.Publisher with a health check.
type bus interface {
	line.Publisher

	Check(ctx context.Context) error
}

// New returns a line-provider that listens and does not answer yet. A caller that does not start it
// must stop it. New connects to nothing: the servers that line-provider depends on may come later.
//
// Start fails when the store must not be used. It does not wait for a store that cannot be reached yet.
func New(ctx context.Context, c Config) (_ *App, err error) {
	a := service.Assemble(ctx, "line-provider", c.Warnings)
	defer func() {
		if err != nil {
			err = a.Abandon(ctx, err)
		}
	}()
	registry := metrics.New("lineprovider")

	store, storeName, err := openStore(ctx, c, a.Log)
	if err != nil {
		return nil, err
	}
	a.Parts.OnStop("store", func(context.Context) error { return store.Close() })
	if file, ok := store.(*sqlite.Store); ok {
		a.Parts.Go("the store's data", file.Watch)
	}
	a.Parts.Add("first look at the store", func(ctx context.Context) error { return look(ctx, store, a.Log) }, nil)

	bus, busName, err := openBus(a, c, registry)
	if err != nil {
		return nil, err
	}

	published := registry.Counter("relay_published_total", "Changes that the bus has confirmed.")
	relay := usecase.NewRelay(store, store, bus, published.Inc, a.Log)
	a.Parts.Go("relay", relay.Run)

	progress := newProgress(registry)
	beats := registry.Counter("feed_heartbeats_total", "Heartbeats sent.")
	heartbeat := &usecase.Heartbeat{
		Outbox: store, Bus: bus, Every: c.FeedHeartbeat, Now: time.Now, Sent: beats.Inc,
		Observe: progress.observe, Log: a.Log,
	}
	a.Parts.Go("heartbeat", heartbeat.Run)

	a.Health.Require(storeName, checkStore(store))
	a.Health.Watch(busName, checkBus(bus, progress))
	a.Parts.Add("readiness", func(context.Context) error { a.Health.Ready(); return nil }, nil)

	handler, err := newHandler(c, &httpapi.Server{
		Line:  &usecase.Line{Store: store, Rules: c.Rules, Now: time.Now, Wake: relay.Wake},
		Store: store, Catalogue: store, Log: store, Now: time.Now,
	}, a.Health, registry)
	if err != nil {
		return nil, err
	}
	if err := a.ListenForMetrics(ctx, c.MetricsAddr, registry); err != nil {
		return nil, err
	}
	c.HTTP.Metrics = registry
	s, err := a.Listen(ctx, c.Addr, c.HTTP, handler)
	if err != nil {
		return nil, err
	}
	return &App{s}, nil
}

// openStore returns the store that the configuration names, and its name on /readyz.
func openStore(ctx context.Context, c Config, log *slog.Logger) (store, string, error) {
	switch scheme := service.Scheme(c.StoreURL); scheme {
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
		s, err := sqlite.Open(ctx, sqlite.Options{File: service.File(c.StoreURL), Log: log})
		if err != nil {
			return nil, "", fmt.Errorf("open the store: %w", err)
		}
		return s, "sqlite", nil
	default:
		return nil, "", fmt.Errorf("open the store: no adapter for URLs of the scheme %q", scheme)
	}
}

// openBus returns the bus that the configuration names, and its name on /readyz.
func openBus(a *service.Assembly, c Config, registry *metrics.Registry) (bus, string, error) {
	switch scheme := service.Scheme(c.BusURL); scheme {
	case "amqp", "amqps":
		connected := registry.Gauge("rabbitmq_connected", "1 while connected to RabbitMQ.")
		p, err := rabbitmq.NewPublisher(rabbitmq.Options{
			URL: c.BusURL.Reveal(), Tokens: c.Tokens, Name: "line-provider", Exchange: c.Exchange, Queue: c.Queue, Logger: a.Log,
			RetryMax: 2 * time.Second, // the longest delay of changes when RabbitMQ is back
			Hooks: rabbitmq.Hooks{Connected: func(_ string, up bool) {
				metrics.SetBool(connected, up)
			}},
		})
		if err != nil {
			return nil, "", fmt.Errorf("open the bus: %w", err)
		}
		a.Parts.OnStop("bus", p.Close)
		return p, "rabbitmq", nil
	case "inproc":
		if c.Bus == nil {
			return nil, "", errors.New("open the bus: inproc: is for a process that runs both services")
		}
		return c.Bus, "bus", nil // the process owns it
	default:
		return nil, "", fmt.Errorf("open the bus: no adapter for URLs of the scheme %q", scheme)
	}
}

// look returns an error when the store must not be used. A store that cannot be reached yet is no
// error; the service is not ready until then.
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
		MetricsElsewhere: c.MetricsAddr != "", TrustedProxies: c.HTTP.TrustedProxies,
	})
	if err != nil {
		return nil, fmt.Errorf("set up HTTP: %w", err)
	}
	return h, nil
}
