package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"stavka.local/lineprovider/internal/adapters/redis"
	"stavka.local/shared/health"
)

// checkStore says what is wrong with the store, in words that tell nothing internal.
func checkStore(s store) health.Check {
	return func(ctx context.Context) error {
		err := s.Ping(ctx)
		if errors.Is(err, redis.ErrNotDurable) {
			return health.Down(redis.ErrNotDurable.Error())
		}
		return err
	}
}

// checkBus says what is wrong with the bus, and what waits for it.
func checkBus(b bus, p *progress) health.Check {
	return func(ctx context.Context) error {
		err := b.Check(ctx)
		if err == nil {
			return nil
		}
		detail := strings.TrimPrefix(err.Error(), "rabbitmq: ") // a class of failure, nothing internal
		if waiting := p.waiting(); waiting > 0 {
			detail = fmt.Sprintf("%s; %d changes wait to be published", detail, waiting)
		}
		return health.Down(detail)
	}
}

// Healthcheck asks the service that c describes, on this machine, whether it is
// ready. It returns nil if so, and otherwise what the service said.
func Healthcheck(ctx context.Context, c Config) error {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	target := "http://" + net.JoinHostPort(host, port) + "/readyz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	said, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	return errors.Join(fmt.Errorf("health check: not ready: %s", strings.TrimSpace(string(said))), err)
}
