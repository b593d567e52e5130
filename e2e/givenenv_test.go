package e2e

import (
	"maps"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"stavka.local/stavka/e2e/system"
)

// TestGivenEnv runs the story with the .env file of the system's first users: these
// names, in these forms. Only hosts, ports and the names that isolate tests are different.
func TestGivenEnv(t *testing.T) {
	t.Parallel()
	servers := system.Shared(t)
	servers.Redis = withPassword(t, system.NewPrivateServer(t, "redis").URL, "redis")
	common := map[string]string{
		"FIRST_USER_USERNAME": "string", "FIRST_USER_EMAIL": "example@example.com",
		"FIRST_USER_PASSWORD": "string", "FIRST_USER_NAME": "string",
		"SECRET_KEY": "a3b1f7c2d9e84f56a0b7c8d9e1f2a3b4", "ALGORITHM": "HS256", "TOKEN_EXPIRED_MINUTES": "60",
		"CACHE_MAX_SIZE": "100", "CACHE_TTL": "60",
		"REDIS_PASSWORD": "redis", "MAX_ID_KEY": "max_id",
		"MINIMUM_EVENT_DURATION": "5000",
		"LOG_LEVEL":              "",
	}
	t.Run("with DATABASE_URL, REDIS_CONNECT_URL and RABBITMQ_URL", func(t *testing.T) {
		t.Parallel()
		tellStoryByDotEnv(t, system.Options{Servers: servers, Env: common, BetMakerEnv: func(env map[string]string) {
			database := parse(t, env["DATABASE_URL"])
			env["DATABASE_URL"] = "postgresql+asyncpg://" + database.User.String() + "@" + database.Host + database.Path
		}})
	})
	t.Run("in parts", func(t *testing.T) {
		t.Parallel()
		tellStoryByDotEnv(t, system.Options{Servers: servers, Env: common, BetMakerEnv: func(env map[string]string) {
			database, broker := parse(t, env["DATABASE_URL"]), parse(t, env["RABBITMQ_URL"])
			delete(env, "DATABASE_URL")
			delete(env, "RABBITMQ_URL")
			maps.Copy(env, map[string]string{
				"DB_ENGINE": "postgresql+asyncpg", "DB_NAME": strings.TrimPrefix(database.Path, "/"),
				"DB_HOST": database.Hostname(), "DB_PORT": database.Port(),
				"POSTGRES_USER": database.User.Username(), "POSTGRES_PASSWORD": password(database),
				"RABBIT_HOST": broker.Hostname(), "RABBIT_PORT": broker.Port(),
			})
		}})
	})
}

func tellStoryByDotEnv(t *testing.T, options system.Options) {
	t.Helper()
	options.Stopped = true
	s := start(t, options)
	for _, p := range s.Processes() {
		p.WriteDotEnv()
		p.Start()
	}
	s.AwaitReady()
	tellStory(t, s)
}

// withPassword sets a password in a Redis, and returns its URL with the password.
func withPassword(t *testing.T, redisURL, password string) string {
	t.Helper()
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	if err := client.ConfigSet(t.Context(), "requirepass", password).Err(); err != nil {
		t.Fatal(err)
	}
	u := parse(t, redisURL)
	u.User = url.UserPassword("", password)
	return u.String()
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := net.SplitHostPort(u.Host); err != nil {
		t.Fatalf("the URL of a server needs a port in this test: %v", err)
	}
	return u
}

func password(u *url.URL) string {
	if password, ok := u.User.Password(); ok {
		return password
	}
	return "postgres" // the server trusts this machine and accepts any password
}
