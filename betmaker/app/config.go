package app

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"stavka.local/betmaker/internal/adapters/jwt"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/config"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/line/inproc"
	"stavka.local/shared/logging"
	"stavka.local/shared/money"
)

// Config is everything that can be set about bet-maker.
type Config struct {
	Addr string // where to listen, "host:port"; port 0 is any free one

	StoreURL config.Secret // its scheme chooses the adapter: postgres, postgresql, postgresql+asyncpg or sqlite

	BusURL   config.Secret // its scheme chooses the adapter: amqp, amqps or inproc
	Bus      *inproc.Bus   // the bus that inproc: stands for
	Exchange string        // where line-provider publishes changes
	Queue    string        // the queue that all replicas share

	LineURL   string        // what precedes /events in line-provider's addresses
	LineToken config.Secret // the service token that line-provider wants

	FirstUser FirstUser
	SecretKey config.Secret // what tokens are signed with
	Algorithm string        // how: one of jwt.Algorithms
	TokenTTL  time.Duration

	CacheSize int           // how many events are cached
	CacheTTL  time.Duration // how old a cached event may get

	FeedHeartbeat     time.Duration // between two heartbeats of line-provider
	FeedTimeout       time.Duration // the silence after which no bets are taken
	ReconcileInterval time.Duration // between two looks for what got lost

	LedgerCheckInterval time.Duration // between two checks of the ledger; 0 for none

	Limits       domain.Limits
	CancelWindow time.Duration // for how long users may take a bet back; 0 for never
	Opening      money.Amount  // what a new user's wallet begins with

	// TrustedProxies are the networks whose word is taken for where a request comes from.
	TrustedProxies []netip.Prefix

	// Drain is how long requests in flight may take when the service stops.
	Drain time.Duration

	Logging    logging.Options
	Production bool     // refuse what is merely warned about otherwise
	Warnings   []string // what works but should not stay so
}

// FirstUser is the admin who is created at the start unless there is a user of that
// name. Somebody who has been deactivated stays so.
type FirstUser struct {
	Username, Email, Name string
	Password              config.Secret
}

// DefaultPassword is the first user's when none is configured. It is public, and refused in
// production.
const DefaultPassword = "string"

// The other defaults are public, too, and refused in production where they are secrets.
const (
	defaultToken    = "f3fb8928bad49887d2089f5ad04c2cb634bb1980db77fc8c3b111edad34f4eb7" //nolint:gosec // see above
	defaultDatabase = "postgres"                                                         // its user, password and name
)

// The least length in bytes of what must not be guessed.
const (
	minPassword  = 8
	minSecretKey = 32
	minToken     = 32
)

// ConfigFromEnv reads the configuration from environment variables, which lookup knows.
// The error joins all problems, each with the name of its variable.
func ConfigFromEnv(lookup func(string) (string, bool)) (Config, error) {
	return read(lookup, func(r *config.Reader, c *Config) {
		c.StoreURL = storeURL(r)
		c.BusURL = busURL(r)
		c.Exchange = r.String("RABBIT_EXCHANGE", "line")
		c.Queue = r.String("RABBIT_QUEUE", "event_status_updates")
		c.LineURL = lineURL(r)
	})
}

// Embedded says where a bet-maker that shares its process with line-provider keeps its
// data and finds the line.
type Embedded struct {
	File    string // the SQLite file
	Bus     *inproc.Bus
	LineURL string // as Config.LineURL
}

// embeddedDrain is short: somebody has pressed Ctrl-C, and two services stop one after the other.
const embeddedDrain = 2 * time.Second

// EmbeddedConfig is ConfigFromEnv for an embedded bet-maker: it reads no variable that
// says where a store, the bus or line-provider is.
func EmbeddedConfig(lookup func(string) (string, bool), e Embedded) (Config, error) {
	return read(lookup, func(_ *config.Reader, c *Config) {
		c.StoreURL = config.NewSecret("sqlite:" + e.File)
		c.BusURL, c.Bus = config.NewSecret("inproc:"), e.Bus
		c.Drain = embeddedDrain
		c.LineURL = e.LineURL
	})
}

// read reads all that does not depend on where a store, the bus and line-provider are;
// that is for locate.
func read(lookup func(string) (string, bool), locate func(*config.Reader, *Config)) (Config, error) {
	r := config.NewReader(lookup)
	c := Config{
		Addr: r.Address("BETMAKER_ADDR", ":8000"),

		FirstUser: FirstUser{
			Username: r.String("FIRST_USER_USERNAME", "string"),
			Email:    r.String("FIRST_USER_EMAIL", "example@example.com"),
			Password: r.Secret("FIRST_USER_PASSWORD", DefaultPassword, minPassword),
			Name:     r.String("FIRST_USER_NAME", "string"),
		},
		SecretKey: r.Secret("SECRET_KEY", "", minSecretKey),
		Algorithm: r.OneOf("ALGORITHM", jwt.Algorithms()[0], jwt.Algorithms()...),
		TokenTTL:  r.Minutes("TOKEN_EXPIRED_MINUTES", 3600*time.Minute, time.Minute, 365*24*time.Hour),

		CacheSize: r.Int("CACHE_MAX_SIZE", 100, 1, 1_000_000),
		CacheTTL:  r.Duration("CACHE_TTL", time.Minute, time.Millisecond, 24*time.Hour),

		FeedHeartbeat:     r.Duration("FEED_HEARTBEAT", 2*time.Second, 100*time.Millisecond, time.Minute),
		FeedTimeout:       r.Duration("FEED_TIMEOUT", 10*time.Second, 200*time.Millisecond, 10*time.Minute),
		ReconcileInterval: r.Duration("RECONCILE_INTERVAL", 15*time.Second, 100*time.Millisecond, time.Hour),

		LedgerCheckInterval: r.Duration("LEDGER_CHECK_INTERVAL", time.Hour, 0, 30*24*time.Hour),

		Limits: domain.Limits{
			Stake: domain.StakeLimits{
				Min: r.Amount("MIN_STAKE", money.MustParse("0.01"), money.MustParse("0.01"), money.MustParse("1000000000.00")),
				Max: r.Amount("MAX_STAKE", money.MustParse("1000000.00"), money.MustParse("0.01"), money.MustParse("1000000000.00")),
			},
			Payout:    r.Amount("MAX_PAYOUT", money.MustParse("1000000000.00"), money.MustParse("0.01"), money.MustParse("99999999999.99")),
			Liability: r.Amount("EVENT_LIABILITY_LIMIT", money.Amount{}, money.Amount{}, money.MustParse("99999999999.99")),
		},
		CancelWindow: r.Duration("BET_CANCEL_WINDOW", 0, 0, 24*time.Hour),
		Opening:      r.Amount("OPENING_BALANCE", money.MustParse("1000.00"), money.Amount{}, money.MustParse("1000000000.00")),

		TrustedProxies: networks(r, "TRUSTED_PROXIES"),

		Drain: httpedge.DefaultLimits().Drain,

		Logging:    logging.Read(r),
		Production: r.IsProduction(),
	}
	locate(r, &c)
	if tokens := r.SecretList("LINE_PROVIDER_TOKEN", defaultToken, minToken); len(tokens) > 0 {
		c.LineToken = tokens[0] // the others are former ones, which line-provider takes for a while
	}
	if c.SecretKey.IsZero() {
		r.Problemf("SECRET_KEY", "is not set; every replica needs the same one, such as the output of `openssl rand -hex 32`")
	}
	if stake := c.Limits.Stake; stake.Max.Less(stake.Min) {
		r.Problemf("MAX_STAKE", "%s is less than MIN_STAKE, %s", stake.Max, stake.Min)
	}
	if c.FeedTimeout < 2*c.FeedHeartbeat {
		r.Problemf("FEED_TIMEOUT", "%s is less than two of FEED_HEARTBEAT, %s", c.FeedTimeout, c.FeedHeartbeat)
	}
	c.Warnings = r.Warnings()
	if err := r.Err(); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

// storeURL reads DATABASE_URL, or without it puts a URL together from its parts.
func storeURL(r *config.Reader) config.Secret {
	schemes := []string{"postgres", "postgresql", "postgresql+asyncpg"}
	if r.IsSet("DATABASE_URL") {
		known := url.URL{Scheme: "postgres", User: url.UserPassword(defaultDatabase, defaultDatabase)}
		return r.URL("DATABASE_URL", known.String(), schemes...)
	}
	if engine := r.String("DB_ENGINE", "postgresql"); !strings.Contains(engine, "postgresql") && !strings.HasPrefix(engine, "postgres") {
		r.Problemf("DB_ENGINE", "%q is not postgresql", engine)
	}
	parts := url.URL{
		Scheme: "postgres",
		User: url.UserPassword(
			r.String("POSTGRES_USER", defaultDatabase),
			r.Secret("POSTGRES_PASSWORD", defaultDatabase, minPassword).Reveal(),
		),
		Host: net.JoinHostPort(r.String("DB_HOST", "127.0.0.1"), strconv.Itoa(r.Int("DB_PORT", 5432, 1, 65535))),
		Path: "/" + r.String("DB_NAME", defaultDatabase),
	}
	return config.NewSecret(parts.String())
}

// busURL reads RABBITMQ_URL, or without it puts a URL together from RABBIT_HOST and
// RABBIT_PORT and the user that every RabbitMQ is delivered with.
func busURL(r *config.Reader) config.Secret {
	host := r.String("RABBIT_HOST", "127.0.0.1")
	port := r.Int("RABBIT_PORT", 5672, 1, 65535)
	guest := "amqp://guest:guest@" + net.JoinHostPort(host, strconv.Itoa(port)) + "/"
	if r.IsProduction() && !r.IsSet("RABBITMQ_URL") {
		r.Problemf("RABBITMQ_URL", "is not set, and the password of guest is one that everybody knows")
	}
	return r.URL("RABBITMQ_URL", guest, "amqp", "amqps")
}

// lineURL reads EVENT_URL and returns what precedes /events in it.
func lineURL(r *config.Reader) string {
	address := r.URL("EVENT_URL", "http://127.0.0.1:8001/events", "http", "https").Reveal()
	base, ok := strings.CutSuffix(strings.TrimRight(address, "/"), "/events")
	if !ok {
		r.Problemf("EVENT_URL", "does not end in /events")
	}
	return base
}

// networks reads addresses and networks, separated by commas.
func networks(r *config.Reader, name string) []netip.Prefix {
	var list []netip.Prefix
	for text := range strings.SplitSeq(r.String(name, ""), ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if address, notNetwork := netip.ParseAddr(text); notNetwork == nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			r.Problemf(name, "%.64q is neither an address nor a network such as 10.0.0.0/8", text)
			continue
		}
		list = append(list, network.Masked())
	}
	return list
}
