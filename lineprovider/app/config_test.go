package app_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"stavka.local/lineprovider/app"
	"stavka.local/shared/odds"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := configure(t, nil)
	if c.Addr != ":8001" || c.MetricsAddr != "" || c.Rules.MinimumDuration != 5000*time.Second || c.Rules.MaxCoefficient != odds.MustParse("1000.00") ||
		c.Queue != "event_status_updates" || c.Exchange != "line" || c.FeedHeartbeat != 2*time.Second ||
		c.HTTP.Connections != 16384 || c.HTTP.ConnectionsPerAddress != 4096 ||
		c.BusURL.Reveal() != "amqp://guest:guest@127.0.0.1:5672/" || c.StoreURL.Reveal() != "redis://127.0.0.1:6379/0" ||
		len(c.Tokens) != 1 || c.Production {
		t.Errorf("defaults: %+v", c)
	}
	if !strings.Contains(strings.Join(c.Warnings, "\n"), "LINE_PROVIDER_TOKEN is the default") {
		t.Errorf("warnings: %q", c.Warnings)
	}
}

// TestGivenVariables reads the variables in the form in which users have them.
func TestGivenVariables(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"REDIS_PASSWORD":         "redis-password",
		"REDIS_CONNECT_URL":      "redis://:redis-password@line_redis:6379/0",
		"REDIS_HASH_NAME":        "events",
		"MAX_ID_KEY":             "max_event_id",
		"MINIMUM_EVENT_DURATION": "60",
		"LINE_PROVIDER_TOKEN":    "f3fb8928bad49887d2089f5ad04c2cb634bb1980db77fc8c3b111edad34f4eb7",
		"RABBIT_HOST":            "bet_rabbitmq",
		"RABBIT_PORT":            "5673",
		"RABBIT_QUEUE":           "event_status_updates",
		"RABBITMQ_URL":           "",
	}
	c := configure(t, env)
	if c.StoreURL.Reveal() != env["REDIS_CONNECT_URL"] || c.StorePassword.Reveal() != "redis-password" ||
		c.MaxIDKey != "max_event_id" || c.Rules.MinimumDuration != time.Minute ||
		c.BusURL.Reveal() != "amqp://guest:guest@bet_rabbitmq:5673/" {
		t.Errorf("got %+v", c)
	}
	env["RABBITMQ_URL"] = "amqp://stavka:secret@bet_rabbitmq:5672/"
	if c := configure(t, env); c.BusURL.Reveal() != env["RABBITMQ_URL"] {
		t.Errorf("RABBITMQ_URL does not come before RABBIT_HOST")
	}
	if shown := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(shown, "redis-password") {
		t.Errorf("the configuration shows a secret: %s", shown)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	wrong := map[string]string{
		"LINEPROVIDER_ADDR":      "8001",
		"REDIS_CONNECT_URL":      "http://:hunter2@redis",
		"REDIS_HASH_NAME":        "{events}",
		"REDIS_WAITAOF_REPLICAS": "-1",
		"RABBITMQ_URL":           "redis://:hunter2@rabbit",
		"MINIMUM_EVENT_DURATION": "soon",
		"MAX_COEFFICIENT":        "0.5",
		"FEED_HEARTBEAT":         "0",
		"LOG_LEVEL":              "loud",
		"LINE_PROVIDER_TOKEN":    ",",
		"STAVKA_ENV":             "staging",
	}
	_, err := app.ConfigFromEnv(lookup(wrong))
	if err == nil {
		t.Fatal("no problem found")
	}
	for name := range wrong {
		if !strings.Contains(err.Error(), name+":") {
			t.Errorf("%s is not named in:\n%v", name, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password is shown in:\n%v", err)
	}
}

// A URL with a password may stand in any variable by mistake.
func TestConfigErrorsShowNoSecret(t *testing.T) {
	t.Parallel()
	for _, s := range app.Settings() {
		for _, text := range []string{"mysql://user:hunter2@db:1/x", "user:hunter2@db", "redis://:hunter2@[", "%zz://u:hunter2@h"} {
			_, err := app.ConfigFromEnv(lookup(map[string]string{s.Name: text}))
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s=%s: the error shows a secret: %q", s.Name, text, err)
			}
		}
	}
}

func TestProductionRefusesDefaults(t *testing.T) {
	t.Parallel()
	safe := map[string]string{
		"STAVKA_ENV":          "production",
		"LINE_PROVIDER_TOKEN": "a-service-token-that-is-long-enough",
		"RABBITMQ_URL":        "amqp://stavka:a-long-password@rabbit/",
	}
	if _, err := app.ConfigFromEnv(lookup(safe)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"LINE_PROVIDER_TOKEN", "RABBITMQ_URL"} {
		without := maps.Clone(safe)
		delete(without, name)
		if _, err := app.ConfigFromEnv(lookup(without)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ variable, value, want string }{
		"an address of another host": {"LINEPROVIDER_ADDR", "192.0.2.1:0", "listen"},
		"a key that is taken":        {"MAX_ID_KEY", "seq", "taken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := configure(t, map[string]string{"LINEPROVIDER_ADDR": "127.0.0.1:0", c.variable: c.value})
			if _, err := app.New(t.Context(), config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// TestPasswordsOfRedisInOtherSpellings judges what the library signs in with. Redis may have no password.
func TestPasswordsOfRedisInOtherSpellings(t *testing.T) {
	t.Parallel()
	const known = "REDIS_CONNECT_URL holds a password that everybody knows"
	for _, tt := range []struct{ url, password, want string }{
		{"redis://:redis@r:6379/0", "", known},
		{"redis://:redi%73@r:6379/0", "", known},
		{"redis://redis:Redis@r", "", known},
		{"rediss://default:password@r", "", known},
		{"unix://:password@/run/redis.sock", "", known},
		{"redis://bets-line:bets-line@r", "", "REDIS_CONNECT_URL holds a password that is the user's name"},
		{"redis://:k3-Vd@r", "", "REDIS_CONNECT_URL holds a password that is shorter than 8 characters"},
		{"redis://:zozozozozozo@r", "", "REDIS_CONNECT_URL holds a password that repeats itself"},
		{"redis://:k3-Vd0qq-71xLm@r", "", ""},
		{"redis://r", "k3-Vd0qq-71xLm", ""},
		{"redis://r", "redis", "REDIS_PASSWORD is one that everybody knows"},
		{"redis://r", "k3-Vd", "REDIS_PASSWORD is shorter than 8 characters"},
		{"unix:///run/redis.sock", "", ""},
	} {
		env := map[string]string{
			"LINE_PROVIDER_TOKEN": "a-service-token-that-is-long-enough", "RABBITMQ_URL": "amqp://stavka:a-long-password@rabbit/",
			"REDIS_CONNECT_URL": tt.url, "REDIS_PASSWORD": tt.password,
		}
		if got := strings.Join(configure(t, env).Warnings, "\n"); got != tt.want {
			t.Errorf("%s %s: warned %q, want %q", tt.url, tt.password, got, tt.want)
		}
		env["STAVKA_ENV"] = "production"
		c, err := app.ConfigFromEnv(lookup(env))
		want := "configuration: " + strings.Replace(tt.want, " ", ": ", 1) + ", which STAVKA_ENV=production refuses"
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != want) || len(c.Warnings) > 0 {
			t.Errorf("%s %s in production: got %v, %q, want %q", tt.url, tt.password, err, c.Warnings, tt.want)
		}
	}
	env := map[string]string{
		"STAVKA_ENV": "production", "LINE_PROVIDER_TOKEN": "a-service-token-that-is-long-enough", "RABBITMQ_URL": "amqp://stavka:a-long-password@rabbit/",
	}
	if got, want := configure(t, env).Warnings, "REDIS_CONNECT_URL holds no password, and REDIS_PASSWORD is not set"; len(got) != 1 || got[0] != want {
		t.Errorf("without a password: warned %q, want %q", got, want)
	}
}
