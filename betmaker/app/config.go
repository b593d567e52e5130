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
	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/config"
	"stavka.local/shared/fault"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/line/inproc"
	"stavka.local/shared/logging"
	"stavka.local/shared/money"
)

// Config is the configuration of bet-maker. The meaning of a variable is beside its name
// in read.
type Config struct {
	Program string // the program that has the command users, for advice

	Addr        string // "host:port"; port 0 is any free one
	MetricsAddr string // likewise; empty for /metrics at Addr

	StoreURL config.Secret // its scheme chooses the adapter: postgres, postgresql, postgresql+asyncpg or sqlite

	BusURL   config.Secret // its scheme chooses the adapter: amqp, amqps or inproc
	Bus      *inproc.Bus   // used by the scheme inproc
	Exchange string
	Queue    string

	LineURL    string          // the address of line-provider, to which /events is appended
	LineTokens []config.Secret // at least one; the first is sent to line-provider; messages may be signed under any

	FirstUser FirstUser
	SecretKey config.Secret
	Algorithm string // one of jwt.Algorithms
	TokenTTL  time.Duration

	CacheSize int
	CacheTTL  time.Duration

	FeedHeartbeat     time.Duration
	FeedTimeout       time.Duration
	MaxClockSkew      time.Duration
	ReconcileInterval time.Duration

	LedgerCheckInterval time.Duration // 0 for no checks

	Limits       domain.Limits
	CancelWindow time.Duration // 0 for no cancellation
	Opening      money.Amount

	TrustedProxies []netip.Prefix

	// Of one user; the last three are 0 for no bound.
	BetsAtOnce, RequestsPerSecond, BetsPerSecond, KeptRefusals int

	HTTP httpedge.Limits

	Production bool     // refuse weak secrets instead of warning about them
	Warnings   []string // accepted settings that should be changed
}

// FirstUser is the administrator who is created at the start unless a user of that name
// exists. A deactivated user stays deactivated.
type FirstUser struct {
	Username, Email, Name string
	Password              config.Secret
}

// DefaultPassword is the first user's password when none is configured. It is public, and
// refused in production.
const DefaultPassword = domain.DefaultPassword

const defaultDatabase = "postgres" // the default user, password and name; public, too

// The least length in bytes of secrets.
const (
	minPassword  = 8
	minSecretKey = 32
)

// The greatest values of amounts.
var (
	maxStake  = money.MustParse("1000000000.00")
	maxPayout = money.MustParse("99999999999.99")
)

// ConfigFromEnv reads the configuration from environment variables, which lookup finds.
// The error joins all problems, each with the name of its variable.
func ConfigFromEnv(lookup func(string) (string, bool)) (Config, error) {
	c, err := read(config.NewReader(lookup), locate)
	c.Program = "betmaker"
	return c, err
}

// Settings returns the variables that ConfigFromEnv reads.
func Settings() []config.Setting {
	return config.Declared(func(r *config.Reader) { _, _ = read(r, locate) })
}

// locate reads where the store, the bus and line-provider are.
func locate(r *config.Reader, c *Config) {
	r.PrivateFile(".env")
	c.MetricsAddr = r.MetricsAddress("METRICS_ADDR")
	c.StoreURL = storeURL(r)
	c.BusURL, c.Exchange, c.Queue = r.Bus()
	c.LineURL = lineURL(r)
}

// Embedded locates the data and the line of a bet-maker that shares its process with
// line-provider.
type Embedded struct {
	Program string // as Config.Program
	File    string // the SQLite file
	KeyFile string // where SECRET_KEY is kept
	Bus     *inproc.Bus
	LineURL string // as Config.LineURL
}

// embeddedDrain is short, because two services stop one after the other while a user waits.
const embeddedDrain = 2 * time.Second

// EmbeddedConfig is ConfigFromEnv for an embedded bet-maker: it reads no variable that
// locates a store, the bus or line-provider.
func EmbeddedConfig(lookup func(string) (string, bool), e Embedded) (Config, error) {
	return read(config.NewReader(lookup), e.locate)
}

// EmbeddedSettings returns the variables that EmbeddedConfig reads.
func EmbeddedSettings() []config.Setting {
	return config.Declared(func(r *config.Reader) { _, _ = read(r, Embedded{}.locate) })
}

func (e Embedded) locate(r *config.Reader, c *Config) {
	r.PrivateFile(e.File)
	r.PrivateFile(e.KeyFile)
	c.MetricsAddr = r.MetricsAddress("BETMAKER_METRICS_ADDR")
	c.StoreURL = config.NewSecret("sqlite:" + e.File)
	c.BusURL, c.Bus = config.NewSecret("inproc:"), e.Bus
	c.HTTP.Drain = embeddedDrain
	c.LineURL = e.LineURL
	c.Program = e.Program
}

// read reads the variables. Those that locate a store, the bus and line-provider are read
// by locate.
func read(r *config.Reader, locate func(*config.Reader, *Config)) (Config, error) {
	cent := money.MustParse("0.01")
	c := Config{
		Addr: r.Address("BETMAKER_ADDR", ":8000", "Where bet-maker listens."),

		FirstUser: FirstUser{
			Username: r.String("FIRST_USER_USERNAME", "string",
				"The first user, an administrator, is created at the start unless a user of that name exists. A deactivated user stays deactivated."),
			Email:    r.String("FIRST_USER_EMAIL", "example@example.com", "The first user's email address."),
			Password: r.Secret("FIRST_USER_PASSWORD", DefaultPassword, minPassword, "The first user's password."),
			Name:     r.String("FIRST_USER_NAME", "string", "The first user's display name."),
		},
		SecretKey: r.Secret("SECRET_KEY", "", minSecretKey,
			"The key that tokens are signed with, the same for every replica, such as the output of `openssl rand -hex 32`. Required."),
		Algorithm: r.OneOf("ALGORITHM", jwt.Algorithms(), "The algorithm that tokens are signed with."),
		TokenTTL: r.Minutes("TOKEN_EXPIRED_MINUTES", 3600*time.Minute, time.Minute, 365*24*time.Hour,
			"How long a token is valid, in minutes. A found token can bet for as long; where there is money, 60 is a good value."),

		CacheSize: r.Int("CACHE_MAX_SIZE", 100, 1, 1_000_000, "How many events are cached."),
		CacheTTL:  r.Duration("CACHE_TTL", time.Minute, time.Millisecond, 24*time.Hour, "How long an event is cached."),

		FeedHeartbeat: r.FeedHeartbeat(),
		FeedTimeout: r.Duration("FEED_TIMEOUT", 5*time.Second, 200*time.Millisecond, 10*time.Minute,
			"The silence of the line, or the lag behind it, after which no bets are taken (503) until it is back; at least twice FEED_HEARTBEAT."),
		MaxClockSkew: r.Duration("MAX_CLOCK_SKEW", 5*time.Second, 100*time.Millisecond, time.Hour,
			"The difference of the store's clock, which decides deadlines, from bet-maker's or line-provider's beyond which no bets are taken (503)."),
		ReconcileInterval: r.Duration("RECONCILE_INTERVAL", 15*time.Second, 100*time.Millisecond, time.Hour,
			"The time between two searches for what a lost message or a crash has left behind."),

		LedgerCheckInterval: r.Duration("LEDGER_CHECK_INTERVAL", time.Hour, 0, 30*24*time.Hour,
			"The time between two checks of the ledger; 0 for none."),

		Limits: domain.Limits{
			Stake: domain.StakeLimits{
				Min: r.Amount("MIN_STAKE", cent, cent, maxStake, "The least amount of a bet."),
				Max: r.Amount("MAX_STAKE", money.MustParse("1000000.00"), cent, maxStake, "The greatest amount of a bet; at least MIN_STAKE."),
			},
			Payout: r.Amount("MAX_PAYOUT", money.MustParse("1000000000.00"), cent, maxPayout, "The most that one bet may pay."),
			Liability: r.Amount("EVENT_LIABILITY_LIMIT", money.Amount{}, money.Amount{}, maxPayout,
				"The most that the house may lose on the pending bets of one event; 0 for no limit. "+
					"Either all replicas have a limit or none: stop all of them before introducing or removing it."),
		},
		CancelWindow: r.Duration("BET_CANCEL_WINDOW", 0, 0, 24*time.Hour,
			"How long after its acceptance a user may cancel a bet; 0 for never."),
		Opening: r.Amount("OPENING_BALANCE", money.MustParse("1000.00"), money.Amount{}, maxStake, "The balance of a new user's wallet."),

		TrustedProxies: r.TrustedProxies(),

		BetsAtOnce: r.Int("BETS_AT_ONCE_PER_USER", 64, 1, 2048,
			"How many bets of one user a replica places at the same time. Others of the user wait, and are refused (503) after 600 ms."),

		RequestsPerSecond: r.Int("USER_REQUESTS_PER_SECOND", 200, 0, 1_000_000,
			"How many requests of one user, without those that place bets, a replica answers in a second on average; 0 for no bound. "+
				"Five times as many may come at once. Others are refused (429)."),
		BetsPerSecond: r.Int("USER_BETS_PER_SECOND", 200, 0, 1_000_000, "The same for the requests that place bets."),
		KeptRefusals: r.Int("USER_REFUSALS_PER_DAY", 10_000, 0, 100_000_000,
			"How many refusals of bets with an Idempotency-Key a replica keeps for one user in a day on average; 0 for no bound. "+
				"As many may come at once. Further new bets with a key are refused (429) without being decided."),

		HTTP: httpedge.DefaultLimits(),

		Production: r.IsProduction(),
	}
	_ = logging.Read(r) // declares its variables and reports their problems; service.LogTo applies them
	c.HTTP.Connections, c.HTTP.ConnectionsPerAddress = r.Connections()
	c.HTTP.TrustedProxies = c.TrustedProxies
	checkFirstUser(r, c.FirstUser)
	locate(r, &c)
	c.LineTokens = r.ServiceTokens()
	if c.SecretKey.IsZero() {
		r.Problemf("SECRET_KEY", "is not set; every replica needs the same one, such as the output of `openssl rand -hex 32`")
	}
	if stake := c.Limits.Stake; stake.Max.Less(stake.Min) {
		r.Problemf("MAX_STAKE", "%s is less than MIN_STAKE, %s", stake.Max, stake.Min)
	}
	if c.FeedTimeout < 2*c.FeedHeartbeat {
		r.Problemf("FEED_TIMEOUT", "%s is less than twice FEED_HEARTBEAT, %s", c.FeedTimeout, c.FeedHeartbeat)
	}
	c.Warnings = r.Warnings()
	if err := r.Err(); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

// storeURL reads DATABASE_URL, or else builds a URL from its parts.
func storeURL(r *config.Reader) config.Secret {
	address := r.URL("DATABASE_URL", "", []string{"postgres", "postgresql", "postgresql+asyncpg"},
		"The URL of PostgreSQL. It overrides DB_ENGINE, DB_HOST, DB_PORT, DB_NAME, POSTGRES_USER and POSTGRES_PASSWORD, which are its parts.")
	if r.IsSet("DATABASE_URL") {
		if login, err := postgres.Login(address.Reveal()); err != nil { // its text may quote the password
			r.Problemf("DATABASE_URL", "is not a URL of PostgreSQL, such as postgres://user:password@host:5432/name; "+
				"reserved characters in user and password must be percent-encoded, and files that it names must exist")
		} else {
			r.Login("DATABASE_URL", login)
		}
		return address
	}
	engine := r.String("DB_ENGINE", "postgresql", "The kind of the database: postgresql, also with the name of a driver, which is ignored.")
	if !strings.Contains(engine, "postgresql") && !strings.HasPrefix(engine, "postgres") {
		r.Problemf("DB_ENGINE", "%s is not postgresql", config.Quote(engine))
	}
	user := r.String("POSTGRES_USER", defaultDatabase, "The user of the database.")
	password := r.Secret("POSTGRES_PASSWORD", defaultDatabase, minPassword, "The password of the database's user.").Reveal()
	if strings.EqualFold(user, password) {
		r.Weak("POSTGRES_PASSWORD", "is the user's name")
	}
	parts := url.URL{
		Scheme: "postgres",
		User:   url.UserPassword(user, password),
		Host: net.JoinHostPort(
			r.Host("DB_HOST", "127.0.0.1", "The host of the database."),
			strconv.Itoa(r.Int("DB_PORT", 5432, 1, 65535, "The port of the database.")),
		),
		Path: "/" + r.String("DB_NAME", defaultDatabase, "The name of the database."),
	}
	return config.NewSecret(parts.String())
}

// checkFirstUser reports what no user may have. The password may be weak, which is judged elsewhere.
func checkFirstUser(r *config.Reader, first FirstUser) {
	for _, part := range []struct {
		variable string
		change   domain.UserChange
	}{
		{"FIRST_USER_USERNAME", domain.UserChange{Username: &first.Username}},
		{"FIRST_USER_EMAIL", domain.UserChange{Email: &first.Email}},
		{"FIRST_USER_NAME", domain.UserChange{Name: &first.Name}},
	} {
		if err := part.change.Validate(); err != nil {
			r.Problemf(part.variable, "%s", detail(err))
		}
	}
	password := first.Password.Reveal()
	if !domain.MayBePassword(password) {
		r.Problemf("FIRST_USER_PASSWORD", "%s", detail(domain.ValidatePassword(password)))
	}
	if strings.EqualFold(first.Username, password) {
		r.Weak("FIRST_USER_PASSWORD", "is the user's name")
	}
}

// detail returns what a fault says, as a part of a sentence.
func detail(err error) string { return strings.TrimSuffix(fault.Find(err).Detail, ".") }

// lineURL reads EVENT_URL and returns the part before /events.
func lineURL(r *config.Reader) string {
	address := r.URL("EVENT_URL", "http://127.0.0.1:8001/events", []string{"http", "https"},
		"The URL of line-provider's list of events. It ends in /events, after line-provider's address.").Reveal()
	base, ok := strings.CutSuffix(strings.TrimRight(address, "/"), "/events")
	if !ok {
		r.Problemf("EVENT_URL", "does not end in /events")
	}
	return base
}
