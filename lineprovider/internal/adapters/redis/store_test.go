package redis_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"stavka.local/lineprovider/internal/adapters/redis"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/lineprovider/internal/ports/portstest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	portstest.Run(t, func(t *testing.T) portstest.Line {
		t.Helper()
		name := hashName(t)
		return portstest.Line{Open: func() ports.Store { return open(t, redis.Options{HashName: name}) }}
	})
}

// server returns the URL of the Redis for tests.
func server(t *testing.T) string {
	t.Helper()
	address := os.Getenv("TEST_REDIS_URL")
	if address == "" {
		t.Fatal("TEST_REDIS_URL is not set: run the tests through make test, or point it at a Redis with appendonly yes")
	}
	return address
}

// hashName returns a name for this test only, and removes its keys when the test ends.
func hashName(t *testing.T) string {
	t.Helper()
	name := "test-" + rand.Text()
	t.Cleanup(func() { remove(t, name) })
	return name
}

// remove removes all keys of a line.
func remove(t *testing.T, name string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	client := direct(t)
	keys := client.Scan(ctx, 0, "{"+name+"}:*", 1000).Iterator()
	doomed := []string{name}
	for keys.Next(ctx) {
		doomed = append(doomed, keys.Val())
	}
	if err := errors.Join(keys.Err(), client.Unlink(ctx, doomed...).Err()); err != nil {
		t.Errorf("clean up: %v", err)
	}
}

// direct returns a client of the server.
func direct(t *testing.T) *goredis.Client {
	t.Helper()
	options, err := goredis.ParseURL(server(t))
	if err != nil {
		t.Fatal(err)
	}
	client := goredis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// open opens a store. Only o.HashName is required.
func open(t *testing.T, o redis.Options) *redis.Store {
	t.Helper()
	if o.URL == "" {
		o.URL = server(t)
	}
	o.MaxIDKey = "max_id"
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := redis.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// withHost returns address with the given host and port.
func withHost(t *testing.T, address, host string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = host
	return u.String()
}
