package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stavka.local/shared/health"
)

// CheckBus returns a check that shows what is wrong with the bus: a class of failure, nothing
// internal.
func CheckBus(check health.Check) health.Check {
	return func(ctx context.Context) error {
		if err := check(ctx); err != nil {
			return health.Down(strings.TrimPrefix(err.Error(), "rabbitmq: "))
		}
		return nil
	}
}

// healthcheckTimeout bounds a health check.
const healthcheckTimeout = 5 * time.Second

// Healthcheck returns nil if the service that listens at address on this machine is ready, and
// otherwise an error with the body of /readyz.
func Healthcheck(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, LocalURL(address)+"/readyz", http.NoBody)
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
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	return errors.Join(fmt.Errorf("health check: not ready: %s", strings.TrimSpace(string(body))), err)
}

// HealthcheckCommand returns the command healthcheck for the service that listens at address.
func HealthcheckCommand[C any](configure Configure[C], address func(C) string) *cobra.Command {
	return configure.Command("healthcheck", "Ask the service on this machine whether it is ready",
		func(cmd *cobra.Command, c C) error { return Healthcheck(cmd.Context(), address(c)) })
}
