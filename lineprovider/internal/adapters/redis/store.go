// Package redis stores the line in Redis. Every operation is one Lua script, so it is atomic. Every
// script that changes events stores its reply under a request id, so it can be sent again when the
// reply was lost. Go decides what to write; the scripts check that the decision still applies, and
// allot the numbers. The scripts treat stored events as opaque text, because Lua would read the
// numbers of JSON as doubles.
//
// All keys share one slot of a cluster. H is the name of the hash:
//
//	H                     hash: ID the event, ID:version, ID:seq
//	{H}:MAXID             the highest id
//	{H}:seq               the highest seq
//	{H}:epoch             hash: dataset, generation, run_id
//	{H}:changes           sorted set: id by the seq of its last change
//	{H}:published         the seq up to which changes were published
//	{H}:ids               sorted set: all ids
//	{H}:state:N           sorted set: the ids in state N
//	{H}:history:ID        stream: the event after each change, by version
//	{H}:idempotency:HASH  hash: the creation under a key; never expires
//	{H}:request:ID        hash: the reply to a write; expires
//	{H}:lease             the process that relays
//	{H}:barrier           written before waiting for replicas, see Options.WaitReplicas
package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/together"
	"stavka.local/shared/wait"
)

const (
	attempts       = 3                       // of one operation
	attemptTimeout = 2 * time.Second         // for one command of one attempt
	operationTime  = 5 * time.Second         // for all attempts of a write together
	pauseAfterMiss = 50 * time.Millisecond   // doubles with each further failure
	waitForReplica = 1500 * time.Millisecond // less than attemptTimeout, so that the reply still arrives

	// rememberRequests is how long the reply to a write is kept for repeated attempts. An attempt
	// can stay in the network for longer than the caller waits, but not for minutes.
	rememberRequests = 10 * time.Minute
)

// Options configure a Store.
type Options struct {
	URL      string // redis://:password@host:6379/0, also rediss:// and unix://
	Password string // used when the URL has none
	HashName string // the hash of the events; the prefix of every other key
	MaxIDKey string // the name of the key for the highest id, without the prefix

	// WaitReplicas is how many replicas must have a write on disk before it is acknowledged. It
	// needs WAITAOF (Redis 7.2 or later) unless it is 0.
	WaitReplicas int

	// RequireDurable refuses a server that could lose an acknowledged write: one whose append-only
	// file is off, or not synced on every write. Without it there is only a warning.
	RequireDurable bool

	Log *slog.Logger
}

// Store is the line in Redis. It implements ports.Store and is safe for concurrent use.
type Store struct {
	client         *redis.Client
	keys           keys
	log            *slog.Logger
	holder         string // the name of this process, for the lease
	waitReplicas   int
	requireDurable bool
	warned         atomic.Pointer[string] // the last warning about durability
	lookups        *together.Group[*lookup]
}

// Open returns a store. It does not connect: the store connects and reconnects when it is used, so
// the server may start later. An error is about the options.
func Open(o Options) (*Store, error) {
	options, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, errURL
	}
	if options.Password == "" {
		options.Password = o.Password
	}
	if slices.Contains(ownKeys, o.MaxIDKey) {
		return nil, fmt.Errorf("the name %q of the key for the highest id is taken", o.MaxIDKey)
	}
	s := &Store{
		keys:           newKeys(o.HashName, o.MaxIDKey),
		log:            o.Log,
		holder:         randomName(),
		waitReplicas:   o.WaitReplicas,
		requireDurable: o.RequireDurable,
	}
	s.lookups = newLookups(s)
	setLibraryLog()
	options.MaxRetries = -1 // repeat retries
	options.DialerRetries = 1
	options.DialTimeout = attemptTimeout
	options.ReadTimeout = attemptTimeout
	options.WriteTimeout = attemptTimeout
	options.ContextTimeoutEnabled = true
	options.DisableIdentity = true
	options.OnConnect = s.checkDurable
	s.client = redis.NewClient(options)
	return s, nil
}

// Close closes all connections.
func (s *Store) Close() error { return s.client.Close() }

// Ping returns nil when the server answers, and otherwise an error for an operator to read.
func (s *Store) Ping(ctx context.Context) error { return s.client.Ping(ctx).Err() }

// run runs a script that is safe to repeat, retries it a few times if necessary, and returns its
// reply. Only ctx bounds the total time.
func (s *Store) run(ctx context.Context, script *redis.Script, keys []string, args ...any) (*reply, error) {
	return s.repeat(ctx, func(ctx context.Context) (*reply, error) {
		return evaluate(ctx, s.client, script, keys, args...)
	})
}

// write is like run, and returns without an error only when the effect of the script is durable. It
// continues when ctx is cancelled.
func (s *Store) write(ctx context.Context, script *redis.Script, keys []string, args ...any) (*reply, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), operationTime)
	defer cancel()
	return s.repeat(ctx, func(ctx context.Context) (*reply, error) {
		if s.waitReplicas == 0 {
			return evaluate(ctx, s.client, script, keys, args...)
		}
		conn := s.client.Conn() // WAITAOF waits for the writes of its own connection
		defer func() { _ = conn.Close() }()
		r, err := evaluate(ctx, conn, script, keys, args...)
		if err != nil {
			return nil, err
		}
		return r, s.awaitReplicas(ctx, conn)
	})
}

func (s *Store) repeat(ctx context.Context, attempt func(context.Context) (*reply, error)) (*reply, error) {
	pause := pauseAfterMiss
	for tries := 1; ; tries++ {
		r, err := attempt(ctx)
		if err == nil {
			return r, nil
		}
		if !isTransient(err) {
			return nil, fmt.Errorf("redis: %w", err)
		}
		if tries == attempts || wait.For(ctx, pause) != nil {
			return nil, domain.ErrUnavailable.Because(err)
		}
		pause *= 2
	}
}

func evaluate(
	ctx context.Context, on redis.Scripter, script *redis.Script, keys []string, args ...any,
) (*reply, error) {
	values, err := script.Run(ctx, on, keys, args...).StringSlice()
	if err != nil {
		return nil, err
	}
	return &reply{values: values}, nil
}

// randomName returns 16 random hexadecimal digits, which are unique.
func randomName() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%x", random)
}
