package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"stavka.local/lineprovider/internal/adapters/redis"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/lineprovider/internal/usecase"
	"stavka.local/shared/config"
	"stavka.local/shared/line"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/odds"
)

// wire is a bus that takes every change for which fail returns nil, and records it.
type wire struct {
	fail func(line.Change) error

	mu    sync.Mutex
	taken []line.Change
}

func (w *wire) PublishChange(_ context.Context, c line.Change) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail(c); err != nil {
		return err
	}
	w.taken = append(w.taken, c)
	return nil
}

func (*wire) PublishHeartbeat(context.Context, line.Heartbeat) error { return nil }

// latest returns the highest seq of each event that was taken, and the number of changes taken.
func (w *wire) latest() (map[int64]int64, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seqs := map[int64]int64{}
	for _, c := range w.taken {
		seqs[c.Event.ID] = max(seqs[c.Event.ID], c.Event.Seq)
	}
	return seqs, len(w.taken)
}

func allWell(line.Change) error { return nil }

// openStore opens the store of env, as another process would.
func openStore(t *testing.T, env map[string]string) *redis.Store {
	t.Helper()
	s, err := redis.Open(redis.Options{
		URL: env["REDIS_CONNECT_URL"], HashName: env["REDIS_HASH_NAME"], MaxIDKey: "max_id", Log: slog.Default(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// newLine returns the use case that changes events of a store.
func newLine(s ports.Events, wake func()) *usecase.Line {
	return &usecase.Line{
		Store: s, Now: time.Now, Wake: wake,
		Rules: domain.Rules{MinimumDuration: time.Hour, MaxCoefficient: odds.MustParse("1000.00")},
	}
}

// relay runs a relay until the returned function is called.
func relay(t *testing.T, s *redis.Store, bus line.Publisher) (r *usecase.Relay, stop func()) {
	t.Helper()
	r = usecase.NewRelay(s, s, bus, func() {}, slog.Default())
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("relay: %v", err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

func createEvents(t *testing.T, l *usecase.Line, n int) {
	t.Helper()
	for range n {
		if _, err := l.Create(t.Context(), usecase.Creation{Offer: domain.Offer{Coefficient: odds.MustParse("1.45")}}); err != nil {
			t.Fatal(err)
		}
	}
}

func published(s *redis.Store) error {
	head, err := s.Head(context.Background())
	if err == nil && head.Waiting > 0 {
		err = fmt.Errorf("%d changes wait", head.Waiting)
	}
	return err
}

// TestRelayNeverSkips makes the bus refuse a quarter of all changes while events change.
// In the end the latest state of every event has been published.
func TestRelayNeverSkips(t *testing.T) {
	t.Parallel()
	env := environment(t)
	store := openStore(t, env)
	bus := &wire{fail: func(line.Change) error {
		if rand.N(4) == 0 {
			return errors.New("refused")
		}
		return nil
	}}
	r, _ := relay(t, store, bus)
	l := newLine(store, r.Wake)
	createEvents(t, l, 4)
	for i := range 60 {
		name := fmt.Sprint(i)
		target := usecase.Target{ID: domain.EventID(i%4 + 1)}
		if _, err := l.Amend(t.Context(), target, domain.Amendment{Name: &name}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "everything is published", func() error { return published(store) })
	seqs, _ := bus.latest()
	for id := range int64(4) {
		now, err := store.Event(t.Context(), domain.EventID(id+1))
		if err != nil {
			t.Fatal(err)
		}
		if seqs[id+1] != now.Event.Seq {
			t.Errorf("event %d: published up to seq %d, is at %d", id+1, seqs[id+1], now.Event.Seq)
		}
	}
}

// TestRelayStopsAtAGap makes the bus refuse one change each time. The changes behind it
// are published, but none of them counts as published.
func TestRelayStopsAtAGap(t *testing.T) {
	t.Parallel()
	env := environment(t)
	store := openStore(t, env)
	createEvents(t, newLine(store, func() {}), 5)
	bus := &wire{fail: func(c line.Change) error {
		if c.Event.Seq == 3 {
			return errors.New("refused")
		}
		return nil
	}}
	_, stop := relay(t, store, bus)
	eventually(t, "the others are published again and again", func() error {
		if _, n := bus.latest(); n < 8 {
			return fmt.Errorf("%d publications", n)
		}
		return nil
	})
	stop()
	page, err := store.Unpublished(t.Context(), 10)
	if err != nil || len(page.Events) != 3 || page.Events[0].Seq != 3 {
		t.Errorf("unpublished: %+v, %v, want seqs 3 to 5", page.Events, err)
	}
}

// TestRelaysShareALease runs two relays, of which one works. When it stops, the other
// takes over at once, without waiting for the lease to expire.
func TestRelaysShareALease(t *testing.T) {
	t.Parallel()
	env := environment(t)
	first, second := openStore(t, env), openStore(t, env)
	one, two := &wire{fail: allWell}, &wire{fail: allWell}
	l := newLine(first, func() {})
	createEvents(t, l, 10)
	_, stop := relay(t, first, one)
	eventually(t, "the first relay publishes", func() error { return published(first) })
	relay(t, second, two)
	createEvents(t, l, 10)
	eventually(t, "the first relay publishes", func() error { return published(first) })
	_, n1 := one.latest()
	_, n2 := two.latest()
	if n1 != 20 || n2 != 0 {
		t.Errorf("published %d and %d, want all by the first", n1, n2)
	}
	stop()
	createEvents(t, l, 10)
	eventually(t, "the second relay publishes", func() error { return published(first) })
	if _, n := two.latest(); n != 10 {
		t.Errorf("the second published %d, want 10", n)
	}
}

// TestOverRabbitMQ follows changes and heartbeats to where bet-maker reads them.
func TestOverRabbitMQ(t *testing.T) {
	t.Parallel()
	env := environmentWithBus(t)
	s := start(t, env)
	s.awaitBus()
	subscriber, err := rabbitmq.NewSubscriber(rabbitmq.Options{
		URL: env["RABBITMQ_URL"], Tokens: []config.Secret{config.NewSecret(env["LINE_PROVIDER_TOKEN"])}, Exchange: env["RABBIT_EXCHANGE"], Queue: env["RABBIT_QUEUE"],
	})
	if err != nil {
		t.Fatal(err)
	}
	changes, heartbeats := make(chan line.Change, 100), make(chan line.Heartbeat, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(cancel)
	wg.Go(func() {
		err := subscriber.ConsumeChanges(ctx, func(_ context.Context, c line.Change) error {
			changes <- c
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := subscriber.WatchHeartbeats(ctx, func(h line.Heartbeat) { heartbeats <- h }); err != nil {
			t.Error(err)
		}
	})

	created := s.do(http.MethodPost, "/event", `{"coefficient":1.45,"name":"derby"}`)
	got := receive(t, changes)
	if got.Epoch.String() != created.header.Get("Line-Epoch") || got.Event.ID != 1 || got.Event.Seq != 1 ||
		got.Event.Coefficient != odds.MustParse("1.45") || got.Event.Name != "derby" || got.Event.State != line.StateNew {
		t.Errorf("created %s, published %+v", created.body, got)
	}
	s.do(http.MethodPatch, "/event/1/status", `{"state":2}`)
	if got := receive(t, changes); got.Event.State != line.StateFinishedWin || got.Event.Seq != 2 || got.Event.ResultRevision != 1 {
		t.Errorf("finished, published %+v", got)
	}
	for h := receive(t, heartbeats); ; h = receive(t, heartbeats) {
		if h.LastSeq == 2 {
			if h.Epoch != got.Epoch || time.Since(h.SentAt).Abs() > patience {
				t.Errorf("heartbeat %+v", h)
			}
			return
		}
	}
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case v := <-from:
		return v
	case <-ctx.Done():
		t.Fatal("no message came")
		panic("unreachable")
	}
}

// TestRabbitMQComesLater changes and serves the line without RabbitMQ. The changes are
// published when RabbitMQ comes.
func TestRabbitMQComesLater(t *testing.T) {
	t.Parallel()
	env := environmentWithBus(t)
	rabbitURL := env["RABBITMQ_URL"]
	unreachable, outage := newOutage(t, rabbitURL)
	env["RABBITMQ_URL"] = unreachable
	s := start(t, env)
	for range 3 {
		s.do(http.MethodPost, "/event", `{"coefficient":1.45}`)
	}
	eventually(t, "readiness tells what waits", func() error {
		got := s.ask(request{method: http.MethodGet, path: "/readyz"})
		if got.status != http.StatusOK || !strings.Contains(got.body, "unreachable; 3 changes wait to be published") {
			return fmt.Errorf("%d %s", got.status, got.body)
		}
		return nil
	})
	outage.end()
	s.awaitBus()
	store := openStore(t, env)
	eventually(t, "everything is published", func() error { return published(store) })
}

// TestRedisComesLater starts the service without Redis. It shows what is wrong, and
// serves as soon as Redis is there.
func TestRedisComesLater(t *testing.T) {
	t.Parallel()
	env := environment(t)
	unreachable, outage := newOutage(t, env["REDIS_CONNECT_URL"])
	env["REDIS_CONNECT_URL"] = unreachable
	s := start(t, env)
	for _, r := range []request{
		{method: http.MethodGet, path: "/event/1"},
		{method: http.MethodGet, path: "/events"},
		{method: http.MethodGet, path: "/events/changes"},
		{method: http.MethodGet, path: "/event/1/history"},
		{method: http.MethodPost, path: "/event", body: `{"coefficient":1.45}`},
		{method: http.MethodPatch, path: "/event/1", body: `{"suspended":true}`},
		{method: http.MethodPatch, path: "/event/1/status", body: `{"state":2}`},
		{method: http.MethodDelete, path: "/event/1"},
	} {
		got := s.ask(r)
		if got.status != http.StatusServiceUnavailable || got.member["code"] != "unavailable" || got.header.Get("Retry-After") == "" {
			t.Errorf("%s %s without Redis: %d %s", r.method, r.path, got.status, got.body)
		}
	}
	if got := s.ask(request{method: http.MethodGet, path: "/readyz"}); got.status != http.StatusServiceUnavailable ||
		!strings.Contains(got.body, `"redis":{"status":"down","detail":"connection refused"}`) {
		t.Errorf("readiness without Redis: %d %s", got.status, got.body)
	}
	if got := s.do(http.MethodGet, "/healthz", ""); got.status != http.StatusOK {
		t.Errorf("alive without Redis: %d", got.status)
	}
	outage.end()
	eventually(t, "the service is ready", func() error {
		if got := s.ask(request{method: http.MethodGet, path: "/readyz"}); got.status != http.StatusOK {
			return errors.New(got.body)
		}
		return nil
	})
	s.do(http.MethodPost, "/event", `{"coefficient":1.45}`)
}
