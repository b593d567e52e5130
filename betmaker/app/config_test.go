package app

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/config"
	"stavka.local/shared/money"
)

// lookup returns the environment of a test. Nothing else is in it.
func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

const goodKey = "0123456789abcdef0123456789abcdef"

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	c, err := ConfigFromEnv(lookup(map[string]string{"SECRET_KEY": goodKey}))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(c.Addr, c.MetricsAddr, c.StoreURL.Reveal(), c.BusURL.Reveal(), c.Exchange, c.Queue, c.LineURL, c.LineTokens[0].Reveal(),
		c.FirstUser.Username, c.FirstUser.Password.Reveal(), c.FirstUser.Email, c.FirstUser.Name, c.Algorithm, c.TokenTTL,
		c.CacheSize, c.CacheTTL, c.FeedHeartbeat, c.FeedTimeout, c.MaxClockSkew, c.ReconcileInterval, c.Limits, c.CancelWindow, c.Opening, c.LedgerCheckInterval)
	want := fmt.Sprint(":8000", "", "postgres://postgres:postgres@127.0.0.1:5432/postgres", "amqp://guest:guest@127.0.0.1:5672/",
		"line", "event_status_updates", "http://127.0.0.1:8001", config.DefaultServiceToken, "string", "string", "example@example.com", "string",
		"HS256", 3600*time.Minute, 100, time.Minute, 2*time.Second, 5*time.Second, 5*time.Second, 15*time.Second,
		domain.Limits{
			Stake:  domain.StakeLimits{Min: money.MustParse("0.01"), Max: money.MustParse("1000000.00")},
			Payout: money.MustParse("1000000000.00"),
		}, time.Duration(0), money.MustParse("1000.00"), time.Hour)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, name := range []string{"POSTGRES_PASSWORD", "RABBITMQ_URL", "LINE_PROVIDER_TOKEN", "FIRST_USER_PASSWORD"} {
		if !slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.HasPrefix(w, name+" ") }) {
			t.Errorf("no warning about %s in %q", name, c.Warnings)
		}
	}
}

func TestConfigReadsTheNamesOfTheFirstManual(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		env   map[string]string
		check func(Config) (got, want any)
	}{
		"DATABASE_URL as SQLAlchemy writes it": {
			map[string]string{"DATABASE_URL": "postgresql+asyncpg://bets:secret-word@manager_db:5432/bets", "DB_HOST": "elsewhere"},
			func(c Config) (any, any) {
				return c.StoreURL.Reveal(), "postgresql+asyncpg://bets:secret-word@manager_db:5432/bets"
			},
		},
		"the parts of a database's address": {
			map[string]string{
				"DB_ENGINE": "postgresql+asyncpg", "DB_NAME": "bets", "POSTGRES_USER": "bets", "POSTGRES_PASSWORD": "p@ss/word",
				"DB_HOST": "manager_db", "DB_PORT": "5433",
			},
			func(c Config) (any, any) {
				return c.StoreURL.Reveal(), "postgres://bets:p%40ss%2Fword@manager_db:5433/bets"
			},
		},
		"EVENT_URL": {
			map[string]string{"EVENT_URL": "http://line_provider:8000/events"},
			func(c Config) (any, any) { return c.LineURL, "http://line_provider:8000" },
		},
		"EVENT_URL behind a path": {
			map[string]string{"EVENT_URL": "https://example.com/line/events/"},
			func(c Config) (any, any) { return c.LineURL, "https://example.com/line" },
		},
		"LINE_PROVIDER_TOKEN, a list": {
			map[string]string{"LINE_PROVIDER_TOKEN": "the-new-token-of-sufficient-length-1, the-old-token-of-sufficient-length-1"},
			func(c Config) (any, any) {
				return c.LineTokens[0].Reveal() + " " + c.LineTokens[1].Reveal(), "the-new-token-of-sufficient-length-1 the-old-token-of-sufficient-length-1"
			},
		},
		"RABBIT_HOST and RABBIT_PORT": {
			map[string]string{"RABBIT_HOST": "bet_rabbitmq", "RABBIT_PORT": "5673"},
			func(c Config) (any, any) { return c.BusURL.Reveal(), "amqp://guest:guest@bet_rabbitmq:5673/" },
		},
		"RABBITMQ_URL": {
			map[string]string{"RABBITMQ_URL": "amqp://u:password-of-u@bet_rabbitmq:5672/vhost", "RABBIT_HOST": "elsewhere"},
			func(c Config) (any, any) { return c.BusURL.Reveal(), "amqp://u:password-of-u@bet_rabbitmq:5672/vhost" },
		},
		"minutes and seconds": {
			map[string]string{"TOKEN_EXPIRED_MINUTES": "30", "CACHE_TTL": "5", "CACHE_MAX_SIZE": "7"},
			func(c Config) (any, any) {
				return fmt.Sprint(c.TokenTTL, c.CacheTTL, c.CacheSize), fmt.Sprint(30*time.Minute, 5*time.Second, 7)
			},
		},
		"TRUSTED_PROXIES": {
			map[string]string{"TRUSTED_PROXIES": "10.1.2.3/8, 192.0.2.1,fd00::/8"},
			func(c Config) (any, any) {
				return fmt.Sprint(c.TrustedProxies), fmt.Sprint([]netip.Prefix{
					netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("fd00::/8"),
				})
			},
		},
		"the bounds of connections and users": {
			map[string]string{"MAX_CONNECTIONS": "100", "MAX_CONNECTIONS_PER_ADDRESS": "10", "TRUSTED_PROXIES": "10.0.0.0/8", "BETS_AT_ONCE_PER_USER": "3", "USER_REQUESTS_PER_SECOND": "4", "USER_BETS_PER_SECOND": "5", "USER_REFUSALS_PER_DAY": "6"},
			func(c Config) (any, any) {
				return fmt.Sprint(c.HTTP.Connections, c.HTTP.ConnectionsPerAddress, c.HTTP.TrustedProxies, c.BetsAtOnce, c.RequestsPerSecond, c.BetsPerSecond, c.KeptRefusals), "100 10 [10.0.0.0/8] 3 4 5 6"
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.env["SECRET_KEY"] = goodKey
			c, err := ConfigFromEnv(lookup(test.env))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := test.check(c); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestConfigReportsAllProblemsAndNoSecret(t *testing.T) {
	t.Parallel()
	_, err := ConfigFromEnv(lookup(map[string]string{
		"DATABASE_URL":       "mysql://bets:hush-hush@db/bets",
		"EVENT_URL":          "http://user:hush-hush@line_provider:8000/",
		"RABBITMQ_URL":       "http://u:hush-hush@rabbit/",
		"ALGORITHM":          "none",
		"FEED_TIMEOUT":       "3s",
		"MIN_STAKE":          "5.00",
		"MAX_STAKE":          "4.00",
		"CACHE_MAX_SIZE":     "many",
		"TRUSTED_PROXIES":    "proxy.example.com",
		"BETMAKER_ADDR":      "8000",
		"RECONCILE_INTERVAL": "-1",
	}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{
		"DATABASE_URL", "EVENT_URL", "RABBITMQ_URL", "ALGORITHM", "FEED_TIMEOUT", "MAX_STAKE", "CACHE_MAX_SIZE",
		"TRUSTED_PROXIES", "BETMAKER_ADDR", "RECONCILE_INTERVAL", "SECRET_KEY",
	} {
		if !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is not reported in %q", name, err)
		}
	}
	if strings.Contains(err.Error(), "hush-hush") {
		t.Errorf("the error shows a secret: %q", err)
	}
}

// A URL with a password may stand in any variable by mistake.
func TestConfigErrorsShowNoSecret(t *testing.T) {
	t.Parallel()
	for _, s := range Settings() {
		for _, text := range []string{"mysql://user:hush-hush@db:1/x", "user:hush-hush@db", "redis://:hush-hush@[", "://hush-hush", "%zz://u:hush-hush@h"} {
			// The minimum of a secret is 8 characters or more.
			_, err := ConfigFromEnv(lookup(map[string]string{"SECRET_KEY": goodKey, "STAVKA_ENV": "production", s.Name: text}))
			if err != nil && strings.Contains(err.Error(), "hush-hush") {
				t.Errorf("%s=%s: the error shows a secret: %q", s.Name, text, err)
			}
		}
	}
}

func TestConfigRefusesDefaultSecretsInProduction(t *testing.T) {
	t.Parallel()
	_, err := ConfigFromEnv(lookup(map[string]string{"STAVKA_ENV": "production", "SECRET_KEY": "short"}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"POSTGRES_PASSWORD", "RABBITMQ_URL", "LINE_PROVIDER_TOKEN", "FIRST_USER_PASSWORD", "SECRET_KEY"} {
		if !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is not refused in %q", name, err)
		}
	}
	_, err = ConfigFromEnv(lookup(map[string]string{
		"STAVKA_ENV": "production", "SECRET_KEY": goodKey, "POSTGRES_PASSWORD": "long-and-secret", "FIRST_USER_PASSWORD": "long-and-secret",
		"RABBITMQ_URL": "amqp://u:long-and-secret@rabbit/", "LINE_PROVIDER_TOKEN": goodKey,
	}))
	if err != nil {
		t.Errorf("good secrets are refused: %v", err)
	}
}

// TestPasswordsOfTheDatabaseInOtherSpellings judges what the driver signs in with, wherever the URL says it.
func TestPasswordsOfTheDatabaseInOtherSpellings(t *testing.T) {
	t.Parallel()
	const known = "holds a password that everybody knows"
	for url, want := range map[string]string{
		"postgres://postgres:postgres@db/bets":                                 known,
		"postgresql+asyncpg://postgres:postgres@db/bets":                       known,
		"postgres://postgres:postgre%73@db/bets":                               known,
		"postgres://db/bets?user=postgres&password=postgres":                   known,
		"postgres://bets:k3-Vd0qq-71xLm@db/bets?password=postgres":             known,
		"postgres://bets:k3-Vd0qq-71xLm@db/bets?pass%77ord=POSTGRES":           known,
		"postgres://bets:12345678@db/bets":                                     known,
		"postgres://bets:@db/bets":                                             "holds no password",
		"postgres://bets@db/bets":                                              "holds no password",
		"postgres://bets-of-all:bets%2Dof%2Dall@db/bets":                       "holds a password that is the user's name",
		"postgres://bets:k3-Vd@db/bets":                                        "holds a password that is shorter than 8 characters",
		"postgres://bets:xyxyxyxyxy@db/bets":                                   "holds a password that repeats itself",
		"postgres://bets:k3-Vd0qq-71xLm@db/bets":                               "",
		"postgres://db/bets?user=bets&password=k3-Vd0qq-71xLm&sslmode=disable": "",
		"postgres://bets@/bets?host=/var/run/postgresql":                       "", // the socket knows its user
	} {
		if got := weaknessOf(t, "DATABASE_URL", url); got != want {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
	}
	for _, broken := range []string{
		"postgres://bets:hush-hush@db:port/bets", "postgres://bets:hush-hush@db/bets?sslmode=perhaps", "postgres://bets:hush-hush@db/bets?pool_max_conns=many",
		"postgres://bets:hush-hush@db/bets?sslmode=verify-full&sslrootcert=/no/such/file", "postgres://bets:hush hush@db/bets", "postgres:hush-hush",
	} {
		_, err := ConfigFromEnv(lookup(map[string]string{"SECRET_KEY": goodKey, "DATABASE_URL": broken}))
		if err == nil || !strings.Contains(err.Error(), "DATABASE_URL: ") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v", broken, err)
		}
	}
}

// TestOtherSecretsThatAreEasyToGuess shows that each secret is judged, not only compared with its default.
func TestOtherSecretsThatAreEasyToGuess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, want string }{
		{"SECRET_KEY", strings.Repeat("s3cret-", 6), "repeats itself"},
		{"SECRET_KEY", config.DefaultServiceToken, "is one that everybody knows"},
		{"LINE_PROVIDER_TOKEN", goodKey + "," + strings.Repeat("z", 40), "repeats itself"},
		{"POSTGRES_PASSWORD", "Password", "is one that everybody knows"},
		{"FIRST_USER_PASSWORD", "iloveyou", "is one that everybody knows"},
		{"FIRST_USER_PASSWORD", "hijklmnopq", "counts up or down"},
		{"EVENT_URL", "http://line:%67uest@line/events", "holds a password that everybody knows"},
		{"RABBITMQ_URL", "amqp://rabbit/", "holds a password that everybody knows"},
		{"TRUSTED_PROXIES", "0.0.0.0/0", "holds so many addresses that strangers are believed, too"},
		{"TRUSTED_PROXIES", "0.0.0.0/1, 128.0.0.0/1", "holds so many addresses that strangers are believed, too"},
		{"TRUSTED_PROXIES", "::/0", "holds so many addresses that strangers are believed, too"},
		{"TRUSTED_PROXIES", "10.0.0.0/8", ""},
	} {
		if got := weaknessOf(t, tt.name, tt.value); got != tt.want {
			t.Errorf("%s=%s: got %q, want %q", tt.name, tt.value, got, tt.want)
		}
	}
	env := safe()
	env["FIRST_USER_USERNAME"], env["FIRST_USER_PASSWORD"] = "Administrator-7", "administrator-7"
	if _, err := ConfigFromEnv(lookup(env)); err == nil || !strings.Contains(err.Error(), "FIRST_USER_PASSWORD: is the user's name") {
		t.Errorf("the user's name as the password: %v", err)
	}
}

// safe returns an environment that production accepts.
func safe() map[string]string {
	return map[string]string{
		"STAVKA_ENV": "production", "SECRET_KEY": goodKey, "POSTGRES_PASSWORD": "long-and-secret", "FIRST_USER_PASSWORD": "long-and-secret",
		"RABBITMQ_URL": "amqp://u:long-and-secret@rabbit/", "LINE_PROVIDER_TOKEN": goodKey,
	}
}

// weaknessOf returns for what production refuses a value in an otherwise safe environment, "" if it accepts
// it. It checks that development accepts it with the same words.
func weaknessOf(t *testing.T, name, value string) string {
	t.Helper()
	env := safe()
	env[name] = value
	_, err := ConfigFromEnv(lookup(env))
	env["STAVKA_ENV"] = "development"
	c, accepted := ConfigFromEnv(lookup(env))
	if accepted != nil {
		t.Errorf("development refuses %s=%s: %v", name, value, accepted)
	}
	if err == nil {
		if len(c.Warnings) > 0 {
			t.Errorf("%s=%s: warnings %q in development alone", name, value, c.Warnings)
		}
		return ""
	}
	why, _ := strings.CutPrefix(err.Error(), "configuration: "+name+": ")
	why, refused := strings.CutSuffix(why, ", which STAVKA_ENV=production refuses")
	if !refused || !slices.Equal(c.Warnings, []string{name + " " + why}) {
		t.Errorf("%s=%s: production says %q, development %q", name, value, err, c.Warnings)
	}
	return why
}
