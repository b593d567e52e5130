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

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/health"
	"stavka.local/shared/line"
)

// checkBus says what is wrong with the bus, in words that tell nothing internal.
func checkBus(b bus) health.Check {
	return func(ctx context.Context) error {
		if err := b.Check(ctx); err != nil {
			return health.Down(strings.TrimPrefix(err.Error(), "rabbitmq: ")) // a class of failure
		}
		return nil
	}
}

// feedState is the member "feed" of /readyz.
type feedState struct {
	Alive       bool       `json:"alive"`
	Epoch       *string    `json:"epoch"`
	Cursor      int64      `json:"cursor"`
	LastSeq     int64      `json:"last_seq"`
	HeardAt     *time.Time `json:"heard_at"`
	BehindSince *time.Time `json:"behind_since"`
}

func feedMember(status domain.FeedStatus) feedState {
	state := feedState{
		Alive: status.Alive, Cursor: status.Applied, LastSeq: status.Last,
		HeardAt: instant(status.Heard), BehindSince: instant(status.Behind),
	}
	if epoch := line.Epoch(status.Epoch); !epoch.IsZero() {
		text := epoch.String()
		state.Epoch = &text
	}
	return state
}

// instant returns t as JSON shows it; null for none.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC().Truncate(time.Millisecond))
}

// Healthcheck asks the service that c describes, on this machine, whether it is ready.
// It returns nil if so, and otherwise what the service said.
func Healthcheck(ctx context.Context, c Config) error {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	target := "http://" + net.JoinHostPort(host, port) + "/readyz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	response, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
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
