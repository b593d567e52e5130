package redis_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"stavka.local/lineprovider/internal/adapters/redis"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/odds"
)

var rules = domain.Rules{MinimumDuration: time.Hour, MaxCoefficient: odds.MustParse("1000.00")}

func creation(t *testing.T) ports.Creation {
	t.Helper()
	change, err := domain.Open(time.Unix(1_800_000_000, 0).UTC(), domain.Offer{Coefficient: odds.MustParse("1.45")}, rules)
	if err != nil {
		t.Fatal(err)
	}
	return ports.Creation{Change: change}
}

func reprice(t *testing.T, from ports.Snapshot) ports.Update {
	t.Helper()
	price := odds.MustParse("2.00")
	change, err := from.Event.Amend(from.Event.CreatedAt, domain.Amendment{Coefficient: &price}, rules)
	if err != nil {
		t.Fatal(err)
	}
	return ports.Update{Epoch: from.Epoch, Change: change}
}

// load makes the server load the scripts that write. Later tests then lose the replies of the scripts,
// and not the error that a script is unknown.
func load(t *testing.T, s *redis.Store) {
	t.Helper()
	created, err := s.Create(t.Context(), creation(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), reprice(t, created.Snapshot)); err != nil {
		t.Fatal(err)
	}
}

// TestLostAnswer breaks the connection after the server has done a write and before it replies. The
// adapter must send the write again, and the write must have one effect.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	name := hashName(t)
	n := newNetwork(t, "evalsha", nil)
	s := open(t, redis.Options{HashName: name, URL: withHost(t, server(t), n.address)})
	load(t, s)

	n.swallow.Store(2)
	created, err := s.Create(t.Context(), creation(t))
	if err != nil {
		t.Fatal(err)
	}
	if created.Event.ID != 2 || created.Event.Seq != 3 || created.Replayed {
		t.Errorf("created %+v, want event 2 at seq 3, not replayed", created)
	}
	n.swallow.Store(2)
	changed, err := s.Apply(t.Context(), reprice(t, created.Snapshot))
	if err != nil {
		t.Fatal(err)
	}
	if changed.Event.Version != 2 || changed.Event.Seq != 4 {
		t.Errorf("changed to %+v, want version 2 at seq 4", changed)
	}
	head, err := s.Head(t.Context())
	if err != nil || head.LastSeq != 4 || head.Waiting != 2 {
		t.Errorf("head %+v, %v, want two events and last seq 4", head, err)
	}
	history, err := s.History(t.Context(), ports.HistoryQuery{ID: 2, Limit: 10})
	if err != nil || len(history.Entries) != 2 {
		t.Errorf("history %+v, %v, want 2 entries", history, err)
	}
}

// TestAllRepliesLost loses every reply. The error must say that the change may have been made, and not
// that it failed.
func TestAllRepliesLost(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, "evalsha", nil)
	s := open(t, redis.Options{HashName: hashName(t), URL: withHost(t, server(t), n.address)})
	load(t, s)
	n.swallow.Store(100)
	if _, err := s.Create(t.Context(), creation(t)); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, domain.ErrUnavailable)
	}
	n.swallow.Store(0)
	if head, err := s.Head(t.Context()); err != nil || head.LastSeq != 3 {
		t.Errorf("head %+v, %v: three attempts must have one effect", head, err)
	}
}

func TestCallerCancels(t *testing.T) {
	t.Parallel()
	s := open(t, redis.Options{HashName: hashName(t)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Create(ctx, creation(t)); err != nil {
		t.Errorf("Create with a cancelled context: %v", err)
	}
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	s := open(t, redis.Options{HashName: "none", URL: "redis://127.0.0.1:1/0"})
	if _, err := s.Create(t.Context(), creation(t)); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("Create: got %v, want %v", err, domain.ErrUnavailable)
	}
	if _, err := s.Event(t.Context(), 1); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("Event: got %v, want %v", err, domain.ErrUnavailable)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping succeeds without a server")
	}
}

// TestOtherServer changes the stored run id, as after a restart or a failover.
func TestOtherServer(t *testing.T) {
	t.Parallel()
	name := hashName(t)
	s := open(t, redis.Options{HashName: name})
	created, err := s.Create(t.Context(), creation(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := direct(t).HSet(t.Context(), "{"+name+"}:epoch", "run_id", "another").Err(); err != nil {
		t.Fatal(err)
	}
	changed, err := s.Apply(t.Context(), reprice(t, created.Snapshot))
	if err != nil {
		t.Fatal(err)
	}
	if changed.Epoch.Dataset != created.Epoch.Dataset || changed.Epoch.Generation != created.Epoch.Generation+1 {
		t.Errorf("epoch %v after %v, want the next generation of the data set", changed.Epoch, created.Epoch)
	}
	if want := created.Event.Seq + 1<<20 + 1; changed.Event.Seq != want {
		t.Errorf("seq %d, want %d, so that no number is used twice", changed.Event.Seq, want)
	}
	second, err := s.Create(t.Context(), creation(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := created.Event.ID + 1<<20 + 1; second.Event.ID != want {
		t.Errorf("id %d, want %d, because bets may be on an event that is missing here", second.Event.ID, want)
	}
	list, err := s.Events(t.Context(), ports.EventsQuery{After: 1, Limit: 1})
	if err != nil || len(list.Events) != 1 || list.Events[0].ID != second.Event.ID || list.More {
		t.Errorf("events behind the gap: %+v, %v", list, err)
	}

	if err := s.MarkPublished(t.Context(), created.Epoch, created.Event.Seq); err != nil {
		t.Fatal(err)
	}
	page, err := s.Unpublished(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if page.Epoch != changed.Epoch || page.LastSeq != second.Event.Seq || len(page.Events) != 2 {
		t.Errorf("page %+v, want both events in epoch %v", page, changed.Epoch)
	}
}

// TestLargeNumbers checks numbers of more than 14 digits, which is all that Lua writes by default.
func TestLargeNumbers(t *testing.T) {
	t.Parallel()
	name := hashName(t)
	s := open(t, redis.Options{HashName: name})
	const large = 1<<53 - 100
	for _, key := range []string{"seq", "max_id"} {
		if err := direct(t).Set(t.Context(), "{"+name+"}:"+key, large, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	created, err := s.Create(t.Context(), creation(t))
	if err != nil {
		t.Fatal(err)
	}
	changed, err := s.Apply(t.Context(), reprice(t, created.Snapshot))
	if err != nil {
		t.Fatal(err)
	}
	if changed.Event.ID != large+1 || changed.Event.Seq != large+2 {
		t.Errorf("event %d at seq %d, want %d and %d", changed.Event.ID, changed.Event.Seq, large+1, large+2)
	}
	page, err := s.Changes(t.Context(), large+1, 10)
	if err != nil || len(page.Events) != 1 || page.Events[0] != changed.Event || page.LastSeq != large+2 {
		t.Errorf("changes %+v, %v, want %+v", page, err, changed.Event)
	}
}

// TestDataSetLost checks that every new data set has another name, even within one process. Clients
// that know numbers of a lost data set recognise the new one by that name.
func TestDataSetLost(t *testing.T) {
	t.Parallel()
	name := hashName(t)
	s := open(t, redis.Options{HashName: name})
	seen := map[string]bool{}
	for range 3 {
		created, err := s.Create(t.Context(), creation(t))
		if err != nil {
			t.Fatal(err)
		}
		if seen[created.Epoch.Dataset] || created.Event.ID != 1 {
			t.Errorf("event %d in data set %s after %v", created.Event.ID, created.Epoch.Dataset, seen)
		}
		seen[created.Epoch.Dataset] = true
		remove(t, name)
	}
}

func TestServerThatMayLoseWrites(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"CONFIG": "*4\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n$11\r\nappendfsync\r\n$8\r\neverysec\r\n",
	}
	t.Run("is refused when it must be durable", func(t *testing.T) {
		t.Parallel()
		n := newNetwork(t, "-", answers)
		s := open(t, redis.Options{
			HashName: hashName(t), URL: withHost(t, server(t), n.address), RequireDurable: true,
		})
		if err := s.Ping(t.Context()); !errors.Is(err, redis.ErrNotDurable) {
			t.Errorf("Ping: got %v, want %v", err, redis.ErrNotDurable)
		}
		if _, err := s.Create(t.Context(), creation(t)); !errors.Is(err, domain.ErrUnavailable) {
			t.Errorf("Create: got %v, want %v", err, domain.ErrUnavailable)
		}
	})
	t.Run("is warned about otherwise, once", func(t *testing.T) {
		t.Parallel()
		var log bytes.Buffer
		n := newNetwork(t, "-", answers)
		s := open(t, redis.Options{
			HashName: hashName(t), URL: withHost(t, server(t), n.address), Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		n.swallow.Store(1) // so that there is a second connection
		for range 2 {
			if _, err := s.Create(t.Context(), creation(t)); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Count(log.String(), "REDIS CAN LOSE ACKNOWLEDGED CHANGES"); got != 1 {
			t.Errorf("%d warnings in:\n%s", got, log.String())
		}
	})
}

func TestReplicas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		want   error
	}{
		"enough have the write":        {"*2\r\n:1\r\n:1\r\n", nil},
		"none has the write":           {"*2\r\n:1\r\n:0\r\n", domain.ErrUnavailable},
		"this server does not have it": {"*2\r\n:0\r\n:1\r\n", domain.ErrUnavailable},
		"the server lacks WAITAOF":     {"-ERR unknown command 'WAITAOF'\r\n", domain.ErrUnavailable},
		"the server has its AOF off":   {"-ERR WAITAOF cannot be used when appendonly is disabled\r\n", domain.ErrUnavailable},
		"a malformed reply":            {"*0\r\n", domain.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hash := hashName(t)
			n := newNetwork(t, "-", map[string]string{"WAITAOF": c.answer})
			s := open(t, redis.Options{HashName: hash, URL: withHost(t, server(t), n.address), WaitReplicas: 1})
			if _, err := s.Create(t.Context(), creation(t)); !errors.Is(err, c.want) {
				t.Errorf("Create: got %v, want %v", err, c.want)
			}

			// Data that is already there is not returned before it is durable, either.
			snapshot, err := open(t, redis.Options{HashName: hash}).Event(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			unchanged, err := snapshot.Event.Decide(time.Time{}, domain.Result{State: domain.StateNew})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Apply(t.Context(), ports.Update{Change: unchanged}); !errors.Is(err, c.want) {
				t.Errorf("Apply of nothing: got %v, want %v", err, c.want)
			}
			if _, err := s.Unpublished(t.Context(), 1); !errors.Is(err, c.want) {
				t.Errorf("Unpublished: got %v, want %v", err, c.want)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	_, err := redis.Open(redis.Options{URL: "redis://:" + secret + "@host:port/0"})
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v, want an error without the password", err)
	}
}
