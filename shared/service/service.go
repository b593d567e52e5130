package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"stavka.local/shared/health"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/lifecycle"
	"stavka.local/shared/metrics"
)

// grace bounds the stop of a service as a whole. It is below the 30 s that containers get.
const grace = 25 * time.Second

// Assembly is a service that is being put together: its parts and the checks behind /readyz.
type Assembly struct {
	Parts  *lifecycle.Group
	Health *health.Registry
	Log    *slog.Logger

	name    string
	metrics *httpedge.Server // nil if they have no listener of their own
}

// Assemble returns an assembly without parts, and logs the warnings of the configuration.
func Assemble(ctx context.Context, name string, warnings []string) *Assembly {
	log := slog.Default()
	for _, warning := range warnings {
		log.WarnContext(ctx, "INSECURE CONFIGURATION", "problem", warning)
	}
	return &Assembly{Parts: lifecycle.New(log, lifecycle.DefaultStopTimeout), Health: health.New(), Log: log, name: name}
}

// Abandon stops what has been made so far and returns err joined with the errors of stopping.
func (a *Assembly) Abandon(ctx context.Context, err error) error {
	return errors.Join(err, a.Parts.Stop(context.WithoutCancel(ctx)))
}

// ListenForMetrics adds a server that has the metrics alone. An empty address is none. Prometheus may
// scrape until all parts that come later have stopped.
func (a *Assembly) ListenForMetrics(ctx context.Context, address string, registry *metrics.Registry) error {
	if address == "" {
		return nil
	}
	server, err := httpedge.NewServer(ctx, address, httpedge.Metrics(registry), httpedge.DefaultLimits())
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	a.metrics = server
	a.Parts.OnStop("listener of metrics", func(context.Context) error { return server.Close() })
	a.Parts.Go("metrics", server.Run)
	return nil
}

// Listen makes the HTTP server the last part, which starts last and stops first, and returns the
// service. The service listens and does not answer yet. A caller that does not start it must stop
// it. drain bounds the requests in flight when the service stops.
func (a *Assembly) Listen(ctx context.Context, address string, drain time.Duration, handler http.Handler) (*Service, error) {
	limits := httpedge.DefaultLimits()
	limits.Drain = drain
	server, err := httpedge.NewServer(ctx, address, handler, limits)
	if err != nil {
		return nil, err
	}
	a.Parts.OnStop("listener", func(context.Context) error { return server.Close() })
	a.Parts.Go("http", server.Run)
	return &Service{assembly: a, server: server}, nil
}

// Service is a service that has been put together. It implements lifecycle.App.
type Service struct {
	assembly *Assembly
	server   *httpedge.Server
}

// Start returns when the service answers. It may become ready later.
func (s *Service) Start(ctx context.Context) error {
	if err := s.assembly.Parts.Start(ctx); err != nil {
		return err
	}
	serves := []any{"address", s.Addr()}
	if metrics := s.MetricsAddr(); metrics != "" {
		serves = append(serves, "metrics", metrics)
	}
	s.assembly.Log.InfoContext(ctx, s.assembly.name+" serves", serves...)
	return nil
}

// Wait returns nil when ctx ends, or an error when the service cannot go on.
func (s *Service) Wait(ctx context.Context) error { return s.assembly.Parts.Wait(ctx) }

// Stop answers the requests in flight, ends the work that has begun, and stops all parts. It is
// idempotent.
func (s *Service) Stop(ctx context.Context) error {
	s.assembly.Health.Stopping()
	return s.assembly.Parts.Stop(ctx)
}

// Run starts the service, runs it until a signal or the end of ctx, and stops it.
func (s *Service) Run(ctx context.Context) error { return lifecycle.Run(ctx, s, grace) }

// MetricsAddr returns the address of the listener of metrics, "host:port", or "" if there is none.
func (s *Service) MetricsAddr() string {
	if s.assembly.metrics == nil {
		return ""
	}
	return s.assembly.metrics.Addr()
}

// Addr returns the address at which the service listens, "host:port".
func (s *Service) Addr() string { return s.server.Addr() }
