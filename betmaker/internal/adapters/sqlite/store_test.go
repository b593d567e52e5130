package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/adapters/sqlite/sqlitetest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/fault"
	sqlitefile "stavka.local/shared/sqlite"
)

// The wall clock stands still, and is then set back.
func TestClockGoesForward(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	wall := time.Now()
	store.SetWallClock(func() time.Time { return wall })
	user := prepare(t, store)
	last := wall
	for i := range 4 {
		if i == 2 {
			wall = wall.Add(-time.Hour)
		}
		bet := mustPlace(t, store, wish(user, ""))
		if !bet.AcceptedAt.After(last) {
			t.Errorf("bet %d is accepted at %s, after an event at %s", bet.ID, bet.AcceptedAt, last)
		}
		update(t, store, func(now time.Time, event domain.Event) domain.Event {
			if !now.After(bet.AcceptedAt) {
				t.Errorf("the event is changed at %s, after a bet that was accepted at %s", now, bet.AcceptedAt)
			}
			last = now
			return event
		})
	}
}

// The machine's clock is set back by an hour between two processes. The first one ends in good order, or
// is killed: the second opens a copy of its files.
func TestClockOfAReopenedStoreDoesNotGoBack(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"closed": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := newFile(t)
			wall := time.Date(2099, time.December, 31, 22, 0, 0, 0, time.UTC)
			store := open(t, sqlite.Config{File: file})
			store.SetWallClock(func() time.Time { return wall })
			user := prepare(t, store) // whose event closes at midnight
			wall = wall.Add(3 * time.Hour)
			if code := refusal(t, store, wish(user, "")); code != domain.RefusedEventClosed {
				t.Fatalf("after the deadline: refusal %d", code)
			}
			if killed {
				file = copyOf(t, file)
			} else if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			wall = wall.Add(-2 * time.Hour)
			store = open(t, sqlite.Config{File: file})
			store.SetWallClock(func() time.Time { return wall })
			if code := refusal(t, store, wish(user, "")); code != domain.RefusedEventClosed {
				t.Errorf("after the clock was set back: refusal %d", code)
			}
			_, now, err := store.Clock.Clocks(t.Context())
			if ahead := now.At.Sub(wall.Add(2 * time.Hour)); err != nil || ahead <= 0 || ahead > 2*time.Second {
				t.Errorf("the clock is %s ahead of the last reading, %v", ahead, err)
			}
		})
	}
}

// refusal returns the code of a placement's refusal; zero if it is accepted.
func refusal(t *testing.T, store *sqlite.Store, placement domain.Placement) domain.RefusalCode {
	t.Helper()
	batch := []domain.Placement{placement}
	decisions, err := store.Placements.Place(t.Context(), ports.Batch{Placements: batch}, func(set *domain.WorkingSet) []domain.Decision {
		return set.Decide(upTo(placement.Stake), batch)
	})
	if err != nil {
		t.Fatalf("place: %v", err)
	}
	return decisions[0].Refusal.Code
}

// copyOf copies an open file, with its write-ahead log, as a killed process leaves them.
func copyOf(t *testing.T, file string) string {
	t.Helper()
	copied := newFile(t)
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(file + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

func TestReopenedStoreContinues(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	store := open(t, sqlite.Config{File: file})
	user := prepare(t, store)
	first := mustPlace(t, store, wish(user, "key"))
	if err := store.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}

	store = open(t, sqlite.Config{File: file})
	if second := mustPlace(t, store, wish(user, "")); second.ID != first.ID+1 {
		t.Errorf("the bet after %d is %d", first.ID, second.ID)
	}
	if again := mustPlace(t, store, wish(user, "key")); again != first {
		t.Errorf("got  %+v\nwant %+v", again, first)
	}
}

// A command uses the file of a running process.
func TestGuest(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	host := open(t, sqlite.Config{File: file})
	prepare(t, host)
	guest := open(t, sqlite.Config{File: file, Guest: true})
	user := addUser(t, guest, "guest")
	mustPlace(t, host, wish(user, ""))
	if n := countBets(t, guest); n != 1 {
		t.Errorf("the guest sees %d bets, want 1", n)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Config{File: file}); !errors.Is(err, sqlitefile.ErrInUse) {
		t.Errorf("a second host: got the error %v, want %v", err, sqlitefile.ErrInUse)
	}
}

// A caller that waits for a transaction may cancel, and nothing is written.
func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	user := prepare(t, store)
	waits := map[string]func(context.Context) error{
		"place": func(ctx context.Context) error {
			_, err := place(ctx, store, wish(user, ""))
			return err
		},
		"create a user": func(ctx context.Context) error {
			_, err := store.Users.Create(ctx, ports.NewUser{})
			return err
		},
		"move the cursor": func(ctx context.Context) error {
			_, err := store.Cursors.MoveCursor(ctx, ports.Cursor{}, ports.Cursor{After: 1})
			return err
		},
	}
	update(t, store, func(_ time.Time, event domain.Event) domain.Event {
		// One batch waits for the writing transaction, and the next one waits for that batch.
		ahead, cancelAhead := context.WithCancel(t.Context())
		placed := make(chan error)
		go func() { placed <- waits["place"](ahead) }()
		<-time.After(waitTime)
		for name, wait := range waits {
			isCancelled(t, name, cancelSoon(t, wait))
			late, cancel := context.WithTimeout(t.Context(), waitTime)
			if err := wait(late); !errors.Is(err, ports.ErrUnavailable) {
				t.Errorf("%s, late: got the error %v, want %v", name, err, ports.ErrUnavailable)
			}
			cancel()
		}
		cancelAhead()
		isCancelled(t, "the batch ahead", <-placed)
		return event
	})
	if n := countBets(t, store); n != 0 {
		t.Errorf("%d bets of cancelled callers were placed", n)
	}
	if cursor, err := store.Cursors.Cursor(t.Context()); err != nil || cursor != (ports.Cursor{}) {
		t.Errorf("the cursor was moved: %+v, %v", cursor, err)
	}
}

// waitTime is how long callers wait before they cancel.
const waitTime = 20 * time.Millisecond

// cancelSoon calls wait with a context that is cancelled after waitTime.
func cancelSoon(t *testing.T, wait func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(waitTime, cancel)
	return wait(ctx)
}

func isCancelled(t *testing.T, caller string, err error) {
	t.Helper()
	if _, isFault := errors.AsType[*fault.Error](err); !errors.Is(err, context.Canceled) || isFault {
		t.Errorf("%s: got the error %v, want %v and no fault", caller, err, context.Canceled)
	}
}

// Readers see the last commit and do not wait for a writer.
func TestReadersDoNotWait(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	user := prepare(t, store)
	mustPlace(t, store, wish(user, "key"))
	if _, _, err := store.Ledger.Seal(t.Context(), 1000, domain.Seal.Next); err != nil {
		t.Fatalf("seal: %v", err)
	}
	reads := map[string]func(context.Context) error{
		"Verdict": func(ctx context.Context) error {
			_, err := store.Placements.Verdict(ctx, domain.VerdictKey{UserID: user, Key: "key"})
			return err
		},
		"Event": func(ctx context.Context) error {
			_, err := store.Events.Event(ctx, 1)
			return err
		},
		"OpenEvents": func(ctx context.Context) error {
			_, err := store.Events.OpenEvents(ctx, 0, 1)
			return err
		},
		"Cursor": func(ctx context.Context) error {
			_, err := store.Cursors.Cursor(ctx)
			return err
		},
		"SettleChunk when no bet is behind": func(ctx context.Context) error {
			_, err := store.Settlements.SettleChunk(ctx, 1, 0, 1, nil)
			return err
		},
		"Unsettled": func(ctx context.Context) error {
			_, err := store.Settlements.Unsettled(ctx, 1)
			return err
		},
		"List": func(ctx context.Context) error {
			_, err := store.Bets.List(ctx, ports.BetFilter{}, 1)
			return err
		},
		"ByUsername": func(ctx context.Context) error {
			_, err := store.Users.ByUsername(ctx, "bella")
			return err
		},
		"Wallet": func(ctx context.Context) error {
			_, _, err := store.Wallets.Wallet(ctx, user)
			return err
		},
		"Transfers": func(ctx context.Context) error {
			_, err := store.Wallets.Transfers(ctx, ports.TransferFilter{}, 1)
			return err
		},
		"Records": func(ctx context.Context) error {
			_, err := store.AuditLog.Records(ctx, ports.AuditFilter{}, 1)
			return err
		},
		"Read": func(ctx context.Context) error { return store.Ledger.Read(ctx, ignore{}) },
		"Seal when all is sealed": func(ctx context.Context) error {
			_, _, err := store.Ledger.Seal(ctx, 1000, nil)
			return err
		},
		"Failures": func(ctx context.Context) error {
			_, err := store.LoginFailures.Failures(ctx, []string{"bella"}, time.Time{})
			return err
		},
	}
	update(t, store, func(_ time.Time, event domain.Event) domain.Event {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for name, read := range reads {
			if err := read(ctx); err != nil {
				t.Errorf("%s, during a write: %v", name, err)
			}
		}
		return event
	})
}

func TestTransactionThatHasBegunIsNotCancelled(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	user := prepare(t, store)
	ctx, cancel := context.WithCancel(t.Context())
	batch := []domain.Placement{wish(user, "")}
	_, err := store.Placements.Place(ctx, ports.Batch{Placements: batch}, func(set *domain.WorkingSet) []domain.Decision {
		cancel()
		return set.Decide(upTo(batch[0].Stake), batch)
	})
	if n := countBets(t, store); err != nil || n != 1 {
		t.Errorf("%d bets, want 1: %v", n, err)
	}
}

// Only a defect would give a key a second bet.
func TestAcceptedVerdictIsNeverReplaced(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	user := prepare(t, store)
	first := mustPlace(t, store, wish(user, "key"))
	batch := []domain.Placement{wish(user, "key")}
	_, err := store.Placements.Place(t.Context(), ports.Batch{Placements: batch}, func(set *domain.WorkingSet) []domain.Decision {
		clear(set.Verdicts)
		return set.Decide(upTo(batch[0].Stake), batch)
	})
	if err == nil {
		t.Error("a second bet for the same key was accepted")
	}
	verdict, err := store.Placements.Verdict(t.Context(), domain.VerdictKey{UserID: user, Key: "key"})
	if err != nil || verdict.Bet != first || countBets(t, store) != 1 {
		t.Errorf("got %+v, %v; want bet %+v and no other", verdict, err, first)
	}
}

func TestForgetsManyRefusals(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	const many = 2*sqlite.ForgetAtOnce + 1
	execute(t, store, `with recursive n (i) as (select 1 union all select i + 1 from n where i < ?1)
		insert into verdicts (user_id, operation, key, fingerprint, refusal, request_id, decided_at) select 1, 1, i, zeroblob(32), 1, '', 0 from n`, many)
	forgotten, err := store.Placements.ForgetRefusals(t.Context())
	if err != nil || forgotten != many {
		t.Errorf("forgot %d, want %d: %v", forgotten, many, err)
	}
}

// An error of decide is returned unchanged, even if it resembles an error of the store.
func TestErrorOfDecideIsReturnedUnchanged(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	user := addUser(t, store, "bella")
	for _, want := range []error{
		domain.ErrLastAdmin,
		domain.ErrInvalidUser.Detailf("not that name"),
		fmt.Errorf("call: %w", context.DeadlineExceeded),
		fmt.Errorf("look up: %w", sql.ErrNoRows),
	} {
		_, err := store.Users.Update(t.Context(), user, func(ports.Credentials, int) (ports.UserUpdate, error) {
			return ports.UserUpdate{}, want
		})
		if err != want { //nolint:errorlint // the same error
			t.Errorf("got %#v, want %#v", err, want)
		}
	}
}

func TestErrorsOfTheFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ err, want error }{
		{fmt.Errorf("%w: disk full", sqlitefile.ErrUnavailable), ports.ErrUnavailable},
		{fmt.Errorf("%w: disk on fire", sqlitefile.ErrOutcomeUnknown), ports.ErrOutcomeUnknown},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), ports.ErrUnavailable},
		{sql.ErrNoRows, ports.ErrNotFound},
	} {
		got := sqlite.InterpretError(fmt.Errorf("write: %w", c.err))
		if !errors.Is(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
		if cause := errors.Unwrap(got); c.want != ports.ErrNotFound && !errors.Is(cause, c.err) { //nolint:errorlint // of the table above
			t.Errorf("%v: the cause is missing in %#v", c.err, got)
		}
	}
}

// A write to a full disk returns ErrUnavailable. The store works again when there is space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	user := prepare(t, store)
	execute(t, store, "pragma max_page_count = 1") // no more pages than now
	var err error
	for range 1000 {
		if _, err = place(t.Context(), store, wish(user, "")); err != nil {
			break
		}
	}
	if !errors.Is(err, ports.ErrUnavailable) {
		t.Fatalf("got the error %v, want %v", err, ports.ErrUnavailable)
	}
	before := countBets(t, store)
	execute(t, store, "pragma max_page_count = 1000000")
	mustPlace(t, store, wish(user, ""))
	if after := countBets(t, store); after != before+1 {
		t.Errorf("%d bets, want %d plus one", after, before)
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	store := open(t, sqlite.Config{File: newFile(t)})
	if err := store.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if err := store.Ping(t.Context()); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("closed: got the error %v, want %v", err, ports.ErrUnavailable)
	}
}
