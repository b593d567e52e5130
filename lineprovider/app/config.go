package app

import (
	"fmt"
	"strings"
	"time"

	"stavka.local/lineprovider/internal/adapters/redis"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/config"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/line/inproc"
	"stavka.local/shared/logging"
	"stavka.local/shared/odds"
)

// Config is the configuration of line-provider. The meaning of a variable is beside its
// name in read.
type Config struct {
	Addr        string // "host:port"; port 0 is any free one
	MetricsAddr string // likewise; empty for /metrics at Addr

	StoreURL      config.Secret // its scheme chooses the adapter: redis, rediss, unix or sqlite
	StorePassword config.Secret // used when StoreURL has none
	HashName      string
	MaxIDKey      string
	WaitReplicas  int

	BusURL   config.Secret // its scheme chooses the adapter: amqp, amqps or inproc
	Bus      *inproc.Bus   // used by the scheme inproc
	Exchange string
	Queue    string

	Tokens        []config.Secret // the service tokens that are accepted
	Rules         domain.Rules
	FeedHeartbeat time.Duration

	HTTP httpedge.Limits

	Production bool     // refuse weak secrets instead of warning about them
	Warnings   []string // accepted settings that should be changed
}

// DefaultToken is the service token when none is configured. It is public, and refused in
// production.
const DefaultToken = config.DefaultServiceToken

// minPassword is the least length in bytes of Redis' password.
const minPassword = 8

// ConfigFromEnv reads the configuration from environment variables, which lookup finds.
// The error joins all problems, each with the name of its variable.
func ConfigFromEnv(lookup func(string) (string, bool)) (Config, error) {
	return read(config.NewReader(lookup), locate)
}

// Settings returns the variables that ConfigFromEnv reads.
func Settings() []config.Setting {
	return config.Declared(func(r *config.Reader) { _, _ = read(r, locate) })
}

// locate reads where the store and the bus are.
func locate(r *config.Reader, c *Config) {
	r.PrivateFile(".env")
	c.MetricsAddr = r.MetricsAddress("METRICS_ADDR")
	c.StoreURL = r.URL("REDIS_CONNECT_URL", "redis://127.0.0.1:6379/0", []string{"redis", "rediss", "unix"}, "The URL of Redis.")
	c.StorePassword = r.OptionalSecret("REDIS_PASSWORD", minPassword, "The password of Redis, used when REDIS_CONNECT_URL has none.")
	judgeStore(r, c)
	c.HashName = r.String("REDIS_HASH_NAME", "events",
		"The hash of all events. All other keys start with {REDIS_HASH_NAME}, which keeps them together in a cluster.")
	c.MaxIDKey = r.String("MAX_ID_KEY", "max_id", "The name of the key of the highest event id, after the prefix {REDIS_HASH_NAME}.")
	c.WaitReplicas = r.Int("REDIS_WAITAOF_REPLICAS", 0, 0, 16,
		"How many replicas of Redis must have a change on disk before it is acknowledged (Redis 7.2 or newer); 0 for none.")
	if strings.ContainsAny(c.HashName, "{}") {
		r.Problemf("REDIS_HASH_NAME", "%s holds a brace, which would spread the keys over a cluster", config.Quote(c.HashName))
	}
	c.BusURL, c.Exchange, c.Queue = r.Bus()
}

// judgeStore judges the password of Redis. Many run Redis without one on a private network, so its lack is only
// warned of.
func judgeStore(r *config.Reader, c *Config) {
	login, err := redis.Login(c.StoreURL.Reveal())
	switch {
	case err != nil:
		r.Problemf("REDIS_CONNECT_URL", "is not of the form redis://[:password@]host[:port][/db], rediss://... or unix:///path")
	case login.Password != "":
		r.Login("REDIS_CONNECT_URL", login)
	case !login.Otherwise && c.StorePassword.IsZero():
		r.Warn("REDIS_CONNECT_URL", "holds no password, and REDIS_PASSWORD is not set")
	}
}

// Embedded locates the data and the bus of a line-provider that shares its process with
// bet-maker.
type Embedded struct {
	File string // the SQLite file
	Bus  *inproc.Bus
}

// embeddedDrain is short, because two services stop one after the other while a user waits.
const embeddedDrain = 2 * time.Second

// EmbeddedConfig is ConfigFromEnv for an embedded line-provider: it reads no variable that
// locates a store or the bus.
func EmbeddedConfig(lookup func(string) (string, bool), e Embedded) (Config, error) {
	return read(config.NewReader(lookup), e.locate)
}

// EmbeddedSettings returns the variables that EmbeddedConfig reads.
func EmbeddedSettings() []config.Setting {
	return config.Declared(func(r *config.Reader) { _, _ = read(r, Embedded{}.locate) })
}

func (e Embedded) locate(r *config.Reader, c *Config) {
	r.PrivateFile(e.File)
	c.MetricsAddr = r.MetricsAddress("LINEPROVIDER_METRICS_ADDR")
	c.StoreURL = config.NewSecret("sqlite:" + e.File)
	c.BusURL, c.Bus = config.NewSecret("inproc:"), e.Bus
	c.HTTP.Drain = embeddedDrain
}

// read reads the variables. Those that locate a store and the bus are read by locate.
func read(r *config.Reader, locate func(*config.Reader, *Config)) (Config, error) {
	c := Config{
		Addr: r.Address("LINEPROVIDER_ADDR", ":8001", "Where line-provider listens."),

		Tokens: r.ServiceTokens(),
		Rules: domain.Rules{
			MinimumDuration: r.Duration("MINIMUM_EVENT_DURATION", 5000*time.Second, time.Second, 10*365*24*time.Hour,
				"The time from now to the deadline of an event that is created without one."),
			MaxCoefficient: r.Odds("MAX_COEFFICIENT",
				odds.MustParse("1000.00"), odds.MustParse("1.00"), odds.MustParse("99999.99"), "The greatest coefficient of an event."),
		},
		FeedHeartbeat: r.FeedHeartbeat(),

		HTTP: httpedge.DefaultLimits(),

		Production: r.IsProduction(),
	}
	_ = logging.Read(r) // declares its variables and reports their problems; service.LogTo applies them
	c.HTTP.Connections, c.HTTP.ConnectionsPerAddress = r.Connections()
	c.HTTP.TrustedProxies = r.TrustedProxies()
	locate(r, &c)
	c.Warnings = r.Warnings()
	if err := r.Err(); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}
