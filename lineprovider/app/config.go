package app

import (
	"fmt"
	"net"
	"strings"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/config"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/line/inproc"
	"stavka.local/shared/logging"
	"stavka.local/shared/odds"
)

// Config is everything that can be set about line-provider.
type Config struct {
	Addr string // where to listen, "host:port"; port 0 is any free one

	StoreURL      config.Secret // its scheme chooses the adapter: redis, rediss, unix or sqlite
	StorePassword config.Secret // used when StoreURL has none
	HashName      string        // the Redis hash that holds the events
	MaxIDKey      string        // the part of a Redis key for the highest event id
	WaitReplicas  int           // how many Redis replicas must have a change on disk; 0 for none

	BusURL   config.Secret // its scheme chooses the adapter: amqp, amqps or inproc
	Bus      *inproc.Bus   // the bus that inproc: stands for
	Exchange string        // where changes are published
	Queue    string        // the queue that bet-maker reads

	Tokens        []config.Secret // the service tokens that are accepted
	Rules         domain.Rules
	FeedHeartbeat time.Duration // between two heartbeats

	// Drain is how long requests in flight may take when the service stops.
	Drain time.Duration

	Logging    logging.Options
	Production bool     // refuse what is merely warned about otherwise
	Warnings   []string // what works but should not stay so
}

// DefaultToken is the service token when none is configured. It is public, and refused in
// production.
const DefaultToken = "f3fb8928bad49887d2089f5ad04c2cb634bb1980db77fc8c3b111edad34f4eb7" //nolint:gosec // see above

// ConfigFromEnv reads the configuration from environment variables, which lookup
// knows. The error joins all problems, each with the name of its variable.
func ConfigFromEnv(lookup func(string) (string, bool)) (Config, error) {
	return read(lookup, func(r *config.Reader, c *Config) {
		c.StoreURL = r.URL("REDIS_CONNECT_URL", "redis://127.0.0.1:6379/0", "redis", "rediss", "unix")
		c.StorePassword = config.NewSecret(r.String("REDIS_PASSWORD", ""))
		c.HashName = r.String("REDIS_HASH_NAME", "events")
		c.MaxIDKey = r.String("MAX_ID_KEY", "max_id")
		c.WaitReplicas = r.Int("REDIS_WAITAOF_REPLICAS", 0, 0, 16)
		if strings.ContainsAny(c.HashName, "{}") {
			r.Problemf("REDIS_HASH_NAME", "%q holds a brace, which would spread the keys over a cluster", c.HashName)
		}
		c.BusURL = busURL(r)
		c.Exchange = r.String("RABBIT_EXCHANGE", "line")
		c.Queue = r.String("RABBIT_QUEUE", "event_status_updates")
	})
}

// Embedded says where a line-provider that shares its process with bet-maker keeps its
// data, and whom it tells of changes.
type Embedded struct {
	File string // the SQLite file
	Bus  *inproc.Bus
}

// embeddedDrain is short: somebody has pressed Ctrl-C, and two services stop one after the other.
const embeddedDrain = 2 * time.Second

// EmbeddedConfig is ConfigFromEnv for an embedded line-provider: it reads no variable that
// says where a store or the bus is.
func EmbeddedConfig(lookup func(string) (string, bool), e Embedded) (Config, error) {
	return read(lookup, func(_ *config.Reader, c *Config) {
		c.StoreURL = config.NewSecret("sqlite:" + e.File)
		c.BusURL, c.Bus = config.NewSecret("inproc:"), e.Bus
		c.Drain = embeddedDrain
	})
}

// read reads all that does not depend on where a store and the bus are; that is for
// locate.
func read(lookup func(string) (string, bool), locate func(*config.Reader, *Config)) (Config, error) {
	r := config.NewReader(lookup)
	c := Config{
		Addr: r.Address("LINEPROVIDER_ADDR", ":8001"),

		Tokens: r.SecretList("LINE_PROVIDER_TOKEN", DefaultToken, 32),
		Rules: domain.Rules{
			MinimumDuration: r.Duration("MINIMUM_EVENT_DURATION", 5000*time.Second, time.Second, 10*365*24*time.Hour),
			MaxCoefficient: r.Odds("MAX_COEFFICIENT",
				odds.MustParse("1000.00"), odds.MustParse("1.00"), odds.MustParse("99999.99")),
		},
		FeedHeartbeat: r.Duration("FEED_HEARTBEAT", 2*time.Second, 100*time.Millisecond, time.Minute),

		Drain: httpedge.DefaultLimits().Drain,

		Logging:    logging.Read(r),
		Production: r.IsProduction(),
	}
	locate(r, &c)
	c.Warnings = r.Warnings()
	if err := r.Err(); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

// busURL reads RABBITMQ_URL, or without it puts a URL together from RABBIT_HOST and
// RABBIT_PORT and the user that every RabbitMQ is delivered with.
func busURL(r *config.Reader) config.Secret {
	host := r.String("RABBIT_HOST", "127.0.0.1")
	port := r.Int("RABBIT_PORT", 5672, 1, 65535)
	guest := "amqp://guest:guest@" + net.JoinHostPort(host, fmt.Sprint(port)) + "/"
	if r.IsProduction() && !r.IsSet("RABBITMQ_URL") {
		r.Problemf("RABBITMQ_URL", "is not set, and the password of guest is one that everybody knows")
	}
	return r.URL("RABBITMQ_URL", guest, "amqp", "amqps")
}
