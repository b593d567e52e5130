package system

import (
	"bytes"
	"context"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"stavka.local/shared/hangtest"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/line/rabbitmq/rabbitmqtest"
)

// Servers are the URLs of PostgreSQL, Redis and RabbitMQ.
type Servers struct{ Postgres, Redis, RabbitMQ string }

// Shared returns the servers that `make test` has started for all tests.
func Shared(t testing.TB) Servers {
	t.Helper()
	servers := Servers{os.Getenv("TEST_POSTGRES_URL"), os.Getenv("TEST_REDIS_URL"), os.Getenv("TEST_RABBITMQ_URL")}
	if servers.Postgres == "" || servers.Redis == "" || servers.RabbitMQ == "" {
		t.Fatal("TEST_POSTGRES_URL, TEST_REDIS_URL and TEST_RABBITMQ_URL must be set: run the tests by `make test` or `tools/services run go test ./...`")
	}
	return servers
}

// PrivateServer is a server of one test, which the test may stop, kill and start again. It
// keeps its data and its URL.
type PrivateServer struct {
	URL string

	t         testing.TB
	name, dir string
}

// NewPrivateServer starts a private postgres, redis or rabbitmq.
func NewPrivateServer(t testing.TB, name string) *PrivateServer {
	t.Helper()
	// Not t.TempDir: the user of the server may not enter its parents.
	dir, err := os.MkdirTemp("", "stavka-"+name+"-") //nolint:usetesting // see above
	if err != nil {
		t.Fatalf("make a directory for %s: %v", name, err)
	}
	server := &PrivateServer{t: t, name: name, dir: filepath.Join(dir, name)}
	t.Cleanup(func() {
		server.run("remove")
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the directory of %s: %v", name, err)
		}
	})
	server.Start()
	return server
}

// PrivateServers starts one of each concurrently.
func PrivateServers(t testing.TB) (postgres, redis, rabbitmq *PrivateServer) {
	t.Helper()
	servers := make([]*PrivateServer, 3)
	var starting sync.WaitGroup
	for i, name := range []string{"postgres", "redis", "rabbitmq"} {
		starting.Go(func() { servers[i] = NewPrivateServer(t, name) })
	}
	hangtest.Exempt(starting.Wait)
	if t.Failed() {
		t.FailNow()
	}
	return servers[0], servers[1], servers[2]
}

// Start starts the server on its data and waits until it answers.
func (s *PrivateServer) Start() { s.URL = s.run("start") }

// Stop stops the server in good order.
func (s *PrivateServer) Stop() { s.run("stop") }

// Kill ends the server as a crash would.
func (s *PrivateServer) Kill() { s.run("kill") }

func (s *PrivateServer) run(verb string) string {
	s.t.Helper()
	// The script gives a server three minutes to start and one to stop.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(Root(), "tools", "services"), verb, s.name, s.dir)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	var out []byte
	var err error
	hangtest.Exempt(func() { out, err = cmd.Output() })
	if err != nil {
		s.t.Errorf("tools/services %s %s: %v\n%s", verb, s.name, err, errors.String())
	}
	return strings.TrimSpace(string(out))
}

// isolate creates a database, keys and queues for one test on shared servers. A cleanup
// deletes them.
func (s Servers) isolate(t testing.TB, name string) map[string]string {
	t.Helper()
	return map[string]string{
		"DATABASE_URL":      s.newDatabase(t, name),
		"REDIS_CONNECT_URL": s.Redis,
		"REDIS_HASH_NAME":   s.newKeys(t, name),
		"RABBITMQ_URL":      s.RabbitMQ,
		"RABBIT_QUEUE":      s.newQueue(t, name),
		"RABBIT_EXCHANGE":   name,
	}
}

func (s Servers) newDatabase(t testing.TB, name string) string {
	t.Helper()
	s.administer(t, "create database "+pgx.Identifier{name}.Sanitize())
	t.Cleanup(func() { s.administer(t, "drop database if exists "+pgx.Identifier{name}.Sanitize()+" with (force)") })
	database, err := url.Parse(s.Postgres)
	if err != nil {
		t.Fatalf("the URL of PostgreSQL: %v", err)
	}
	database.Path = "/" + name
	return database.String()
}

func (s Servers) administer(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.Postgres)
	if err != nil {
		t.Errorf("connect to PostgreSQL: %v", err)
		return
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

func (s Servers) newKeys(t testing.TB, name string) string {
	t.Helper()
	t.Cleanup(func() {
		options, err := redis.ParseURL(s.Redis)
		if err != nil {
			t.Errorf("the URL of Redis: %v", err)
			return
		}
		client := redis.NewClient(options)
		defer func() { _ = client.Close() }()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		for _, pattern := range []string{name, "{" + name + "}*"} {
			for keys := client.Scan(ctx, 0, pattern, 1000).Iterator(); keys.Next(ctx); {
				client.Del(ctx, keys.Val())
			}
		}
	})
	return name
}

func (s Servers) newQueue(t testing.TB, name string) string {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := rabbitmqtest.Remove(ctx, rabbitmq.Options{URL: s.RabbitMQ, Exchange: name, Queue: name}); err != nil {
			t.Errorf("delete the queues of %s: %v", name, err)
		}
	})
	return name
}

func merged(parts ...map[string]string) map[string]string {
	all := make(map[string]string)
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

// Database connects to the database of the system.
func (s *System) Database(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), strings.Replace(s.Env["DATABASE_URL"], "+asyncpg", "", 1))
	if err != nil {
		t.Fatalf("connect to the database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}
