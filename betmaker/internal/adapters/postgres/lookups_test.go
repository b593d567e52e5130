package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Concurrent look-ups get their own answers, which are at least as new as the call.
func TestEachLookUpGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	store := open(t, postgres.Config{URL: postgrestest.NewDatabase(t)})
	prepare(t, store)
	const users = 8
	var asking sync.WaitGroup
	for i := range users {
		name := fmt.Sprintf("bettor%d", i)
		user := addUser(t, store, name)
		asking.Go(func() {
			for bets := 1; bets <= 20; bets++ {
				if _, err := place(t.Context(), store, user, fmt.Sprint(bets), nothing); err != nil {
					t.Error(err)
				}
				page, err := store.Bets.List(t.Context(), ports.BetFilter{UserID: user}, 100)
				if err != nil || len(page) != bets {
					t.Errorf("%s has placed %d bets and sees %d: %v", name, bets, len(page), err)
				}
				for _, bet := range page {
					if bet.UserID != user || bet.Stake != money.MustParse("10.00") {
						t.Errorf("%s sees %+v", name, bet)
					}
				}
				if found, err := store.Users.User(t.Context(), user); err != nil || found.ID != user || found.Username != name {
					t.Errorf("looked for %s, got %+v, %v", name, found, err)
				}
				if found, err := store.Users.User(t.Context(), user+1000); !errors.Is(err, ports.ErrNotFound) {
					t.Errorf("looked for a missing user, got %+v, %v", found, err)
				}
			}
		})
	}
	asking.Wait()
}

func TestFailedLookUpDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
	// The limit holds for every statement: it is far above what the quick ones take on a busy machine.
	store := open(t, postgres.Config{URL: postgrestest.NewDatabase(t), StatementTimeout: 500 * time.Millisecond})
	none := func(err error) bool { return err == nil }
	notFound := func(err error) bool { return errors.Is(err, ports.ErrNotFound) }
	unavailable := func(err error) bool { return errors.Is(err, ports.ErrUnavailable) }
	other := func(err error) bool {
		return err != nil && !errors.Is(err, ports.ErrNotFound) && !errors.Is(err, ports.ErrUnavailable)
	}
	cases := map[string]struct {
		query string
		is    func(error) bool
	}{
		"found":                     {"select 7", none},
		"not found":                 {"select 7 where false", notFound},
		"fails in the server":       {"select 1 / (select 0)", other},
		"cannot be prepared":        {"select 7 from nowhere", other},
		"is not what is expected":   {"select 'seven'::text", other},
		"fails after the first row": {"select 7 / (1 - n) from generate_series(0, 1) as n", other},
		"is too many":               {"select 7 union all select 7", other},
		"takes too long":            {"select 7 from pg_sleep(10)", unavailable},
	}
	for name, first := range cases {
		for second, last := range cases {
			numbers, errs := store.SendRound(t.Context(), "select 7", first.query, "select 7", last.query, "select 7")
			for i, is := range []func(error) bool{none, first.is, none, last.is, none} {
				if !is(errs[i]) || errs[i] == nil && numbers[i] != 7 {
					t.Errorf("%s, %s: the answer at %d is %d, %v", name, second, i, numbers[i], errs[i])
				}
			}
		}
	}
	if got := store.Connected(); got != 1 {
		t.Errorf("%d connections were made, want 1", got)
	}
}

// Without a server all look-ups fail with ports.ErrUnavailable, and none waits.
func TestLookUpsWithoutAServer(t *testing.T) {
	t.Parallel()
	unavailable := func(what string, errs []error) {
		for i, err := range errs {
			if !errors.Is(err, ports.ErrUnavailable) {
				t.Errorf("%s: the answer at %d is %v", what, i, err)
			}
		}
	}
	_, errs := open(t, postgres.Config{URL: nothingListens}).SendRound(t.Context(), "select 7", "select 7")
	unavailable("there is none", errs)

	url := postgrestest.NewDatabase(t)
	store, server := open(t, postgres.Config{URL: url}), connect(t, url)
	ended := make(chan []error)
	go func() {
		_, errs := store.SendRound(t.Context(), "select 7 from pg_sleep(3600)", "select 7", "select 7")
		ended <- errs
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for terminated := 0; terminated == 0; {
		const terminate = `select count(*) from (
			select pg_terminate_backend(pid) from pg_stat_activity
			where query like '%pg_sleep(3600)' and state = 'active' and datname = current_database()) as t`
		if err := server.QueryRow(ctx, terminate).Scan(&terminated); err != nil {
			t.Fatal(err)
		}
	}
	unavailable("it ended the connection", <-ended)
}

// A cancelled look-up closes no connection and does not affect concurrent look-ups.
func TestCancelledLookUp(t *testing.T) {
	t.Parallel()
	store := open(t, postgres.Config{URL: postgrestest.NewDatabase(t)})
	user := addUser(t, store, "bella")
	left, leave := context.WithCancel(t.Context())
	leave()
	var asking sync.WaitGroup
	for i := range 64 {
		asking.Go(func() {
			ctx := t.Context()
			if i%2 == 1 {
				ctx = left
			}
			found, err := store.Users.User(ctx, user)
			if i%2 == 0 && (err != nil || found.ID != user) {
				t.Errorf("got %+v, %v", found, err)
			}
			if i%2 == 1 && err == nil && found.ID != user || err != nil && found != (domain.User{}) {
				t.Errorf("the cancelled look-up got %+v, %v", found, err)
			}
		})
	}
	asking.Wait()
	if got := store.Connected(); got > 2 {
		t.Errorf("%d connections were made for two rounds at a time", got)
	}
}

// A look-up that is cancelled while it runs goes on, and its answer is dropped.
func TestLookUpCancelledWhileItRuns(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url})
	holder, err := connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), "select pg_advisory_xact_lock(7)"); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer leave()
	// The answer waits for the holder, however slow the machine is.
	if got, err := store.LookUp(ctx, "select 7 from pg_advisory_xact_lock(7)"); got != 0 || !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("the cancelled look-up got %d, %v", got, err)
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.Close() // waits for the look-up
}
