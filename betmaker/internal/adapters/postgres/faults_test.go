package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// nothingListens is the URL of a server that does not exist.
const nothingListens = "postgres://betmaker:secret@127.0.0.1:1/betmaker?sslmode=disable"

var limits = domain.Limits{Stake: domain.StakeLimits{Min: money.MustParse("0.01"), Max: money.MustParse("100.00")}}

// prepare adds a user and event 1, which is open for bets.
func prepare(t *testing.T, store *postgres.Store) domain.UserID {
	t.Helper()
	user := addUser(t, store, "bella")
	event := domain.Event{LineEvent: domain.LineEvent{
		ID: 1, Dataset: "D", Seq: 1, Version: 1, Coefficient: odds.MustParse("1.45"), Deadline: time.Now().Add(time.Hour), State: domain.StateNew,
	}}
	err := store.Events.Update(t.Context(), []domain.EventID{1}, func(time.Time, map[domain.EventID]domain.Event) []domain.Event {
		return []domain.Event{event}
	})
	if err != nil {
		t.Fatalf("add an event: %v", err)
	}
	return user
}

// addUser adds a user with a balance of 1000.00.
func addUser(t *testing.T, store *postgres.Store, name string) domain.UserID {
	t.Helper()
	user, err := store.Users.Create(t.Context(), ports.NewUser{
		Credentials: ports.Credentials{
			User: domain.User{Username: name, Email: name + "@example.com", Role: domain.RoleUser, Active: true},
		},
		Opening: money.MustParse("1000.00"),
	})
	if err != nil {
		t.Fatalf("create a user: %v", err)
	}
	return user.ID
}

// place places a bet and calls meanwhile while it is being decided.
func place(ctx context.Context, store *postgres.Store, user domain.UserID, key string, meanwhile func()) (domain.Decision, error) {
	batch := []domain.Placement{{
		UserID: user, EventID: 1, Stake: money.MustParse("10.00"), Policy: domain.OddsChangeAny, IdempotencyKey: key,
	}}
	decisions, err := store.Placements.Place(ctx, ports.Batch{Placements: batch}, func(set *domain.WorkingSet) []domain.Decision {
		meanwhile()
		return set.Decide(limits, batch)
	})
	if err != nil {
		return domain.Decision{}, err
	}
	return decisions[0], nil
}

func nothing() {}

func countBets(t *testing.T, url string) (n int) {
	t.Helper()
	if err := connect(t, url).QueryRow(t.Context(), "select count(*) from bets").Scan(&n); err != nil {
		t.Fatalf("count bets: %v", err)
	}
	return n
}

func TestPlaceLosesItsConnection(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		meanwhile func(t *testing.T, url string, p *proxy)
		want      error
		written   int
	}{
		"before the commit arrives": {
			meanwhile: func(_ *testing.T, _ string, p *proxy) { p.set(loseNext) },
			want:      ports.ErrOutcomeUnknown,
		},
		"after the commit": {
			meanwhile: func(_ *testing.T, _ string, p *proxy) { p.set(loseAnswer) },
			want:      ports.ErrOutcomeUnknown,
			written:   1,
		},
		"to an operator": {
			meanwhile: func(t *testing.T, url string, _ *proxy) {
				t.Helper()
				execute(t, url, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'")
			},
			want: ports.ErrUnavailable,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := postgrestest.NewDatabase(t)
			p := newProxy(t, url)
			store := open(t, postgres.Config{URL: p.url, PlacingConnections: 1})
			user := prepare(t, store)
			// From the second bet on, the statements are prepared and sent in one batch.
			if _, err := place(t.Context(), store, user, "warm up", nothing); err != nil {
				t.Fatalf("place: %v", err)
			}

			_, err := place(t.Context(), store, user, "key", func() { test.meanwhile(t, url, p) })

			if !errors.Is(err, test.want) {
				t.Errorf("got the error %v, want %v", err, test.want)
			}
			if got := countBets(t, url) - 1; got != test.written {
				t.Errorf("%d bets are written, want %d", got, test.written)
			}
			p.set(passOn)
			decision, err := place(t.Context(), store, user, "key", nothing)
			if err != nil || !decision.Accepted() || decision.Replayed != (test.written == 1) {
				t.Errorf("the repeated request got %+v, %v", decision, err)
			}
			if got := countBets(t, url) - 1; got != 1 {
				t.Errorf("%d bets for one key, want 1", got)
			}
		})
	}
}

func TestConnectionLostBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	p := newProxy(t, url)
	store := open(t, postgres.Config{URL: p.url, PlacingConnections: 1, Connections: 1})
	user := prepare(t, store)
	if _, err := place(t.Context(), store, user, "", nothing); err != nil {
		t.Fatalf("place: %v", err)
	}
	p.set(loseNext)
	_, err := place(t.Context(), store, user, "", nothing)
	if !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("place: got the error %v, want %v", err, ports.ErrUnavailable)
	}
	_, err = store.Users.User(t.Context(), user)
	if !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("read: got the error %v, want %v", err, ports.ErrUnavailable)
	}
	p.set(passOn)
	if _, err := place(t.Context(), store, user, "", nothing); err != nil {
		t.Errorf("place on a new connection: %v", err)
	}
	if got := countBets(t, url); got != 2 {
		t.Errorf("%d bets, want 2", got)
	}
}

func TestTransactionIsRetried(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		failures int
		want     error
		attempts int
	}{
		{"until it succeeds", 3, nil, 4},
		{"a bounded number of times", 100, ports.ErrUnavailable, 4},
	} {
		for _, code := range []string{"40001", "40P01"} {
			t.Run(test.name+" "+code, func(t *testing.T) {
				t.Parallel()
				url := postgrestest.NewDatabase(t)
				store := open(t, postgres.Config{URL: url})
				user := prepare(t, store)
				execute(t, url, "create sequence attempts")
				execute(t, url, "grant usage on sequence attempts to public")
				execute(t, url, `create function fail() returns trigger language plpgsql as $$ begin
						if nextval('attempts') <= tg_argv[0]::integer then
							raise exception 'on purpose' using errcode = tg_argv[1];
						end if;
						return new;
					end $$`)
				execute(t, url, "create trigger fail before insert on bets for each row execute function fail('"+
					map[int]string{3: "3", 100: "100"}[test.failures]+"', '"+code+"')")
				attempts := 0

				decision, err := place(t.Context(), store, user, "key", func() { attempts++ })

				if !errors.Is(err, test.want) || (test.want == nil) != decision.Accepted() {
					t.Errorf("got %+v, %v, want the error %v", decision, err, test.want)
				}
				if attempts != test.attempts {
					t.Errorf("decided %d times, want %d", attempts, test.attempts)
				}
			})
		}
	}
}

func TestWaitForLockIsBounded(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url, LockTimeout: 100 * time.Millisecond})
	user := prepare(t, store)
	if _, err := place(t.Context(), store, user, "", nothing); err != nil {
		t.Fatalf("place: %v", err)
	}
	connections := store.Connected()
	holder := connect(t, url)
	if _, err := holder.Exec(t.Context(), "select pg_advisory_lock(1)"); err != nil {
		t.Fatalf("lock event 1: %v", err)
	}

	_, err := place(t.Context(), store, user, "", nothing)

	if !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("got the error %v, want %v", err, ports.ErrUnavailable)
	}
	if _, err := holder.Exec(t.Context(), "select pg_advisory_unlock(1)"); err != nil {
		t.Fatalf("unlock event 1: %v", err)
	}
	if _, err := place(t.Context(), store, user, "", nothing); err != nil {
		t.Errorf("place when the lock is free: %v", err)
	}
	if got := store.Connected(); got != connections {
		t.Errorf("%d connections were made for the timeout, want none", got-connections)
	}
}

func TestCancelledRequestClosesNoConnection(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url, PlacingConnections: 1, Connections: 1})
	user := prepare(t, store)
	if _, err := place(t.Context(), store, user, "", nothing); err != nil {
		t.Fatalf("place: %v", err)
	}
	connections := store.Connected()

	ctx, leave := context.WithCancel(t.Context())
	decision, err := place(ctx, store, user, "", leave)
	if err != nil || !decision.Accepted() {
		t.Errorf("cancelled while it runs: got %+v, %v; want the transaction to finish", decision, err)
	}
	if _, err := place(ctx, store, user, "", nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("place after the cancellation: got the error %v", err)
	}
	if _, err := store.Users.User(ctx, user); !errors.Is(err, context.Canceled) {
		t.Errorf("read after the cancellation: got the error %v", err)
	}
	if got := countBets(t, url); got != 2 {
		t.Errorf("%d bets, want 2", got)
	}
	if got := store.Connected(); got != connections {
		t.Errorf("%d connections were lost, want none", got-connections)
	}
}

// Placing bets and following the line do not wait for connections of others. Otherwise slow readers
// could delay the close of an event, and bets would be accepted after it.
func TestPlacingAndFollowingHaveSeparateConnections(t *testing.T) {
	t.Parallel()
	store := open(t, postgres.Config{URL: postgrestest.NewDatabase(t), Connections: 1, FollowingConnections: 1})
	user := prepare(t, store)
	_, err := store.Users.Update(t.Context(), user, func(user ports.Credentials, _ int) (ports.UserUpdate, error) {
		// The only connection for the rest is in use.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := store.Events.Update(ctx, []domain.EventID{1}, func(time.Time, map[domain.EventID]domain.Event) []domain.Event {
			return nil
		}); err != nil {
			t.Errorf("apply a change: %v", err)
		}
		if _, err := store.Cursors.Cursor(ctx); err != nil {
			t.Errorf("read the cursor: %v", err)
		}
		if _, err := store.Settlements.Unsettled(ctx, 1); err != nil {
			t.Errorf("look for unsettled events: %v", err)
		}
		return ports.UserUpdate{Credentials: user}, nil
	})
	if err != nil {
		t.Errorf("update the user: %v", err)
	}
	err = store.Events.Update(t.Context(), []domain.EventID{2}, func(time.Time, map[domain.EventID]domain.Event) []domain.Event {
		// The only connection for following is in use.
		if _, err := place(t.Context(), store, user, "", nothing); err != nil {
			t.Errorf("place: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("update: %v", err)
	}
}

func TestUnreachableServer(t *testing.T) {
	t.Parallel()
	config := postgres.Config{URL: nothingListens}
	store := open(t, config)
	ctx := t.Context()
	_, placeErr := place(ctx, store, 1, "key", nothing)
	_, verdictErr := store.Placements.Verdict(ctx, domain.VerdictKey{UserID: 1, Key: "key"})
	_, userErr := store.Users.User(ctx, 1)
	_, createErr := store.Users.Create(ctx, ports.NewUser{})
	_, finishErr := store.Settlements.FinishSettling(ctx, 1)
	_, statusErr := postgres.Migrations(ctx, config)
	for name, err := range map[string]error{
		"ping":    store.Ping(ctx),
		"place":   placeErr,
		"verdict": verdictErr,
		"user":    userErr,
		"create":  createErr,
		"finish":  finishErr,
		"migrate": postgres.Migrate(ctx, config),
		"status":  statusErr,
	} {
		if !errors.Is(err, ports.ErrUnavailable) {
			t.Errorf("%s: got the error %v, want %v", name, err, ports.ErrUnavailable)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
}

func TestOpenUnderstandsURLs(t *testing.T) {
	t.Parallel()
	database := postgrestest.NewDatabase(t)
	_, rest, ok := strings.Cut(database, "://")
	if !ok {
		t.Fatalf("%q is no URL", database)
	}
	parsed, err := url.Parse(database)
	if err != nil {
		t.Fatalf("parse the database's url: %v", err)
	}
	plain, _, _ := strings.Cut(rest, "?")
	for _, given := range []string{
		"postgres://" + rest,
		"postgresql://" + rest,
		"postgresql+asyncpg://" + rest,
		"postgresql+asyncpg://" + plain + "?ssl=disable",
		"postgresql+asyncpg://" + plain + "?application_name=x&ssl=disable",
		"host=" + parsed.Hostname() + " port=" + parsed.Port() + " user=" + parsed.User.Username() + " dbname=" + parsed.Path[1:] + " sslmode=disable",
	} {
		if err := open(t, postgres.Config{URL: given}).Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", given, err)
		}
	}
	for _, given := range []string{"postgres://u:secret@host:port/db", "mysql://u:secret@host/db", "postgres://u:secret@host/db?sslmode=sometimes"} {
		_, err := postgres.Open(t.Context(), postgres.Config{URL: given})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got the error %v, want one without the password", given, err)
		}
	}
}

func TestSessionSettings(t *testing.T) {
	t.Parallel()
	store := open(t, postgres.Config{URL: postgrestest.NewDatabase(t), StatementTimeout: 3 * time.Second, LockTimeout: 2 * time.Second})
	for name, want := range map[string]string{
		"application_name":                    "betmaker",
		"TimeZone":                            "UTC",
		"statement_timeout":                   "3s",
		"lock_timeout":                        "2s",
		"idle_in_transaction_session_timeout": "3s",
		"synchronous_commit":                  "on",
	} {
		if got, err := store.PlacingSetting(t.Context(), name); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestWarnsOnceOfServerThatMayLoseCommits(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	execute(t, url, "do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$")
	var log bytes.Buffer
	store, err := postgres.Open(t.Context(), postgres.Config{URL: url, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	user := prepare(t, store)
	if _, err := place(t.Context(), store, user, "", nothing); err != nil {
		t.Fatalf("place: %v", err)
	}
	store.Close()
	if got := strings.Count(log.String(), "level=WARN"); got != 1 || !strings.Contains(log.String(), "synchronous_commit") {
		t.Errorf("want one warning of synchronous_commit, got:\n%s", log.String())
	}
}

func TestFinishSettlingCountsBetsBeingSettled(t *testing.T) {
	t.Parallel()
	store := open(t, postgres.Config{URL: postgrestest.NewDatabase(t)})
	user := prepare(t, store)
	if _, err := place(t.Context(), store, user, "", nothing); err != nil {
		t.Fatalf("place: %v", err)
	}
	finish(t, store)
	chunk, err := store.Settlements.SettleChunk(t.Context(), 1, 0, 10, func(set *domain.Settling) []domain.Settled {
		if done, err := store.Settlements.FinishSettling(t.Context(), 1); done || err != nil {
			t.Errorf("finished while a bet is being settled: %t, %v", done, err)
		}
		// Another settler does not wait for the bet, either.
		other, err := store.Settlements.SettleChunk(t.Context(), 1, 0, 10, nil)
		if err != nil || other != (ports.Chunk{}) {
			t.Errorf("another settler found %+v, %v", other, err)
		}
		return set.Settle()
	})
	if err != nil || chunk.Settled != 1 {
		t.Errorf("settled %+v, %v", chunk, err)
	}
}

// finish gives event 1 the result won.
func finish(t *testing.T, store *postgres.Store) {
	t.Helper()
	err := store.Events.Update(t.Context(), []domain.EventID{1}, func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event {
		change := known[1].LineEvent
		change.Seq, change.State, change.ResultRevision = 2, domain.StateFinishedWin, 1
		event, _ := known[1].Apply(change, now)
		return []domain.Event{event}
	})
	if err != nil {
		t.Fatalf("finish the event: %v", err)
	}
}
