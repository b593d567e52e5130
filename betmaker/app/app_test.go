package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/shared/config"
	"stavka.local/shared/line/rabbitmq/rabbitmqtest"
	"stavka.local/shared/porttest"
)

// client sends requests to the bet-makers under test.
var client = &http.Client{Timeout: 30 * time.Second}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// gateway is an address at which a server can be reached once the gateway is open.
type gateway struct {
	address string
	server  string

	listener    net.Listener // nil until it is opened
	connections sync.WaitGroup
}

// newGateway returns a closed gateway to a server. Its users must be started after it, so that the
// cleanup of the test ends them before it.
func newGateway(t *testing.T, server string) *gateway {
	t.Helper()
	g := &gateway{address: porttest.Address(t), server: server}
	t.Cleanup(func() {
		if g.listener != nil {
			_ = g.listener.Close()
		}
		g.connections.Wait()
	})
	return g
}

func (g *gateway) open(t *testing.T) {
	t.Helper()
	var err error
	if g.listener, err = net.Listen("tcp", g.address); err != nil {
		t.Fatal(err)
	}
	g.connections.Go(func() {
		for {
			accepted, err := g.listener.Accept()
			if err != nil {
				return
			}
			g.connections.Go(func() { g.forward(accepted) })
		}
	})
}

func (g *gateway) forward(client net.Conn) {
	server, err := net.Dial("tcp", g.server)
	if err != nil {
		_ = client.Close()
		return
	}
	end := func() { _, _ = client.Close(), server.Close() }
	defer end()
	go func() {
		defer end()
		_, _ = io.Copy(server, client)
	}()
	_, _ = io.Copy(client, server)
}

// emptyLine answers like a line-provider that has no events.
func emptyLine(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/events/changes" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"code":"event_not_found"}`)
			return
		}
		_, _ = io.WriteString(w, `{"epoch":"empty.1","last_seq":0,"next_after":0,"events":[]}`)
	}))
	t.Cleanup(server.Close)
	return server
}

// servers are the gateways to the servers that a bet-maker under test depends on.
type servers struct{ postgres, rabbitmq, line *gateway }

// newConfig returns a configuration for one test, and its servers, which cannot be reached yet.
func newConfig(t *testing.T) (Config, servers) {
	t.Helper()
	database, err := url.Parse(postgrestest.NewEmptyDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	bus := rabbitmqtest.Options(t)
	broker, err := url.Parse(bus.URL)
	if err != nil {
		t.Fatal("TEST_RABBITMQ_URL is not a URL")
	}
	lines, err := url.Parse(emptyLine(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	s := servers{postgres: newGateway(t, database.Host), rabbitmq: newGateway(t, broker.Host), line: newGateway(t, lines.Host)}
	database.Host, broker.Host, lines.Host = s.postgres.address, s.rabbitmq.address, s.line.address

	c, err := ConfigFromEnv(lookup(map[string]string{
		"BETMAKER_ADDR": "127.0.0.1:0", "DATABASE_URL": database.String(), "RABBITMQ_URL": broker.String(),
		"RABBIT_QUEUE": bus.Queue, "RABBIT_EXCHANGE": bus.Exchange, "EVENT_URL": lines.String() + "/events", "SECRET_KEY": goodKey,
		"FIRST_USER_PASSWORD": "first-password",
	}))
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// readiness is the body of /readyz.
type readiness struct {
	Status string `json:"status"`
	Checks map[string]struct {
		Status string `json:"status"`
	} `json:"checks"`
	Feed feedState `json:"feed"`
}

func ready(t *testing.T, a *App) (int, readiness) {
	t.Helper()
	response, err := client.Get("http://" + a.Addr() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body readiness
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

func start(t *testing.T, c Config) *App {
	t.Helper()
	a, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return a
}

func awaitReadiness(t *testing.T, a *App, what string, holds func(int, readiness) bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		status, body := ready(t, a)
		if holds(status, body) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out waiting until %s: %d %+v", what, status, body)
		}
	}
}

func TestAppWaitsForItsServers(t *testing.T) {
	t.Parallel()
	c, s := newConfig(t)
	a := start(t, c)

	status, body := ready(t, a)
	if status != http.StatusServiceUnavailable || body.Feed.Alive || body.Checks["postgres"].Status != "down" {
		t.Fatalf("without servers: %d %+v", status, body)
	}
	s.postgres.open(t)
	awaitReadiness(t, a, "PostgreSQL is seen", func(status int, body readiness) bool {
		return body.Checks["postgres"].Status == "ok" && status == http.StatusServiceUnavailable
	})
	s.line.open(t)
	awaitReadiness(t, a, "it is ready: the line can be read without the bus", func(status int, body readiness) bool {
		return status == http.StatusOK && body.Feed.Alive && body.Checks["rabbitmq"].Status == "down"
	})
	s.rabbitmq.open(t)
	awaitReadiness(t, a, "everything is well", func(status int, body readiness) bool {
		return status == http.StatusOK && body.Checks["rabbitmq"].Status == "ok" && body.Checks["line_provider"].Status == "ok"
	})

	form := url.Values{"username": {c.FirstUser.Username}, "password": {c.FirstUser.Password.Reveal()}}
	response, err := client.PostForm("http://"+a.Addr()+"/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the first user gets %d instead of a token", response.StatusCode)
	}
}

func TestAppRefusesANewerSchema(t *testing.T) {
	t.Parallel()
	c, s := newConfig(t)
	s.postgres.open(t)
	settings := postgresConfig(c, slog.Default())
	if err := postgres.Migrate(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), settings.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "insert into goose_db_version (version_id, is_applied) values (99999, true)"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := start(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := a.Wait(ctx); !errors.Is(err, postgres.ErrSchemaNewer) {
		t.Errorf("the service continues with %v, want ErrSchemaNewer", err)
	}
}

func TestAppRefusesUnknownSchemes(t *testing.T) {
	t.Parallel()
	good := Config{
		Addr: porttest.Address(t), StoreURL: config.NewSecret("postgres://u:hush@127.0.0.1:1/db"), BusURL: config.NewSecret("amqp://u:hush@127.0.0.1:1/"),
		LineURL: "http://127.0.0.1:1", LineTokens: []config.Secret{config.NewSecret(goodKey)}, SecretKey: config.NewSecret(goodKey), Algorithm: "HS256", TokenTTL: time.Hour,
		FeedHeartbeat: time.Second, FeedTimeout: 5 * time.Second, ReconcileInterval: time.Second, CacheTTL: time.Second, CacheSize: 1,
	}
	for name, edit := range map[string]func(*Config){
		"store":     func(c *Config) { c.StoreURL = config.NewSecret("mysql://u:hush@127.0.0.1:1/db") },
		"bus":       func(c *Config) { c.BusURL = config.NewSecret("kafka://u:hush@127.0.0.1:1/") },
		"algorithm": func(c *Config) { c.Algorithm = "none" },
		"address":   func(c *Config) { c.Addr = "203.0.113.1:1" },
	} {
		c := good
		edit(&c)
		a, err := New(t.Context(), c)
		if err == nil {
			t.Errorf("%s: no error", name)
			_ = a.Stop(t.Context())
			continue
		}
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
	a, err := New(t.Context(), good)
	if err != nil {
		t.Fatalf("a good configuration is refused: %v", err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Errorf("stop a bet-maker that was never started: %v", err)
	}
	if conn, err := net.Dial("tcp", a.Addr()); err == nil {
		_ = conn.Close()
		t.Error("the address is still taken after a stop")
	}
}
