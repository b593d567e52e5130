package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"stavka.local/betmaker/internal/ports"
)

// Config is the configuration of a Store. Only URL is required.
type Config struct {
	// URL is postgres://user:password@host:port/database, also with the schemes
	// postgresql and postgresql+asyncpg, or a libpq keyword string.
	URL string
	// PlacingConnections bounds the batches of bets that run at the same time; 4 by default.
	PlacingConnections int
	// FollowingConnections bounds the connections that follow the line and settle bets; 10 by
	// default, which is one for each goroutine that does so.
	FollowingConnections int
	// Connections bounds the connections for everything else; 12 by default.
	Connections int
	// StatementTimeout bounds a statement on the server; 10 s by default.
	StatementTimeout time.Duration
	// LockTimeout bounds a statement's wait for a lock; 5 s by default.
	LockTimeout time.Duration
	// TransactionTimeout closes a connection on which the server does not answer; 30 s by default.
	// It should be longer than the server's timeouts.
	TransactionTimeout time.Duration
	// Logger receives warnings for operators; slog.Default() by default.
	Logger *slog.Logger
}

const (
	applicationName = "betmaker"
	connectTimeout  = 5 * time.Second
)

func (c Config) withDefaults() Config {
	c.PlacingConnections = positiveOr(c.PlacingConnections, 4)
	c.FollowingConnections = positiveOr(c.FollowingConnections, 10)
	c.Connections = positiveOr(c.Connections, 12)
	c.StatementTimeout = positiveOr(c.StatementTimeout, 10*time.Second)
	c.LockTimeout = positiveOr(c.LockTimeout, 5*time.Second)
	c.TransactionTimeout = positiveOr(c.TransactionTimeout, 30*time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func positiveOr[T int | time.Duration](value, otherwise T) T {
	if value > 0 {
		return value
	}
	return otherwise
}

// Store is bet-maker's database.
type Store struct {
	ports.Stores

	placing *pool // separate, so that bets wait only for each other for a connection
	// following is separate, so that many readers cannot delay the close of an event: bets on it
	// would be accepted in the meantime.
	following *pool
	rest      *pool
}

// Open returns a Store. The server need not be reachable yet; until it is, all methods return
// ports.ErrUnavailable. Open fails only if the URL is invalid; the error does not contain the
// password. ctx bounds nothing after Open has returned.
func Open(ctx context.Context, config Config) (*Store, error) {
	config = config.withDefaults()
	durability := &durabilityCheck{logger: config.Logger}
	placing, err := openPool(ctx, config, config.PlacingConnections, durability)
	if err != nil {
		return nil, err
	}
	following, err := openPool(ctx, config, config.FollowingConnections, durability)
	if err != nil {
		placing.Close()
		return nil, err
	}
	rest, err := openPool(ctx, config, config.Connections, durability)
	if err != nil {
		placing.Close()
		following.Close()
		return nil, err
	}
	lookups := newLookups(rest)
	return &Store{
		Stores: ports.Stores{
			Placements:    &Placements{placing: placing, rest: rest},
			Events:        &Events{following: following, rest: rest},
			Clock:         &Clock{following},
			Cursors:       &Cursors{following},
			Settlements:   &Settlements{pool: following, rest: rest},
			Bets:          &Bets{rest, lookups},
			Users:         &Users{rest, lookups},
			LoginFailures: &LoginFailures{rest},
			Wallets:       &Wallets{rest},
			AuditLog:      &AuditLog{rest},
			Ledger:        &Ledger{pool: rest},
		},
		placing:   placing,
		following: following,
		rest:      rest,
	}, nil
}

// SettlementShares returns n Settlements, see Settlements.Shares.
func (s *Store) SettlementShares(n int) []ports.Settlements {
	return (&Settlements{pool: s.following, rest: s.rest}).Shares(n)
}

// Close waits for what is under way and closes all connections.
func (s *Store) Close() {
	s.placing.Close()
	s.following.Close()
	s.rest.Close()
}

// Ping returns nil if the database answers, and ports.ErrUnavailable otherwise.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.rest.Ping(ctx); err != nil {
		return ports.ErrUnavailable.Because(err)
	}
	return nil
}

// errDatabaseURL hides the cause, which may show the password.
var errDatabaseURL = errors.New("the URL of the database is not of the form postgres://user:password@host:port/name " +
	"(reserved characters in user, password and name must be percent-encoded)")

func openPool(ctx context.Context, config Config, size int, durability *durabilityCheck) (*pool, error) {
	settings, err := pgxpool.ParseConfig(plainURL(config.URL))
	if err != nil {
		return nil, errDatabaseURL
	}
	settings.MaxConns = int32(min(size, 1000))
	settings.MaxConnLifetimeJitter = settings.MaxConnLifetime / 10
	settings.ConnConfig.ConnectTimeout = connectTimeout
	maps.Copy(settings.ConnConfig.RuntimeParams, sessionSettings(config))
	settings.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		readInstantsAsUTC(conn)
		writeSlicesAtOnce(conn)
		if err := durability.run(ctx, conn); err != nil {
			return err
		}
		return takeRole(ctx, conn)
	}
	settings.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		if !isWithoutSchema(conn) {
			return true, nil
		}
		err := takeRole(ctx, conn)
		return err == nil, err
	}
	connections, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), settings)
	if err != nil {
		return nil, fmt.Errorf("database pool: %w", err)
	}
	return &pool{Pool: connections, timeout: config.TransactionTimeout, logger: config.Logger}, nil
}

// plainURL turns a URL of SQLAlchemy or asyncpg into one of libpq.
func plainURL(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	scheme, _, _ = strings.Cut(scheme, "+")
	rest, query, ok := strings.Cut(rest, "?")
	if !ok {
		return scheme + "://" + rest
	}
	parameters := strings.Split(query, "&")
	for i, parameter := range parameters {
		if mode, ok := strings.CutPrefix(parameter, "ssl="); ok {
			parameters[i] = "sslmode=" + mode
		}
	}
	return scheme + "://" + rest + "?" + strings.Join(parameters, "&")
}

func sessionSettings(config Config) map[string]string {
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	return map[string]string{
		"application_name":                    applicationName,
		"timezone":                            "UTC",
		"statement_timeout":                   milliseconds(config.StatementTimeout),
		"lock_timeout":                        milliseconds(config.LockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(config.StatementTimeout),
		// Every statement reaches its rows by a key, and lists come from an index in its order.
		// The planner does not know the length of arrays and plans once per connection, possibly
		// while a table is still empty. Without these settings it would sometimes read, hash or
		// sort a whole table.
		// Generic plans are forced because the planner would otherwise plan a page of a user's bets
		// each time, to use the value of the limit, and planning takes longer than reading the page.
		"plan_cache_mode":   "force_generic_plan",
		"enable_seqscan":    "off",
		"enable_bitmapscan": "off",
		"enable_hashjoin":   "off",
		"enable_mergejoin":  "off",
		// Two indexes begin with the event. The planner would read all bets of the event by the
		// shorter one and sort them, for each chunk.
		"enable_sort":             "off",
		"enable_incremental_sort": "off",
		"jit":                     "off",
	}
}

// readInstantsAsUTC makes pgx return instants in UTC instead of the local zone.
func readInstantsAsUTC(conn *pgx.Conn) {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name:  "timestamptz",
		OID:   pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
}

// durabilityCheck warns, once, about a server that acknowledges commits before they are on its disk.
type durabilityCheck struct {
	logger *slog.Logger
	once   sync.Once
}

func (d *durabilityCheck) run(ctx context.Context, conn *pgx.Conn) error {
	var lost []string
	const query = "select name from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes') and setting = 'off'"
	rows, err := conn.Query(ctx, query)
	if err == nil {
		lost, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return fmt.Errorf("read the server's settings: %w", err)
	}
	if len(lost) > 0 {
		d.once.Do(func() {
			d.logger.WarnContext(ctx, "the database may lose acknowledged bets when its server crashes", "settings_off", lost)
		})
	}
	return nil
}
