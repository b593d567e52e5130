package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
	"stavka.local/stavka/e2e/contract"
	"stavka.local/stavka/e2e/system"
)

// servers are private servers, which a test may take down.
type servers struct{ postgres, redis, rabbitmq *system.PrivateServer }

func (private servers) urls() system.Servers {
	return system.Servers{Postgres: private.postgres.URL, Redis: private.redis.URL, RabbitMQ: private.rabbitmq.URL}
}

// up starts the servers that are down, so that the parts after a failed one can run.
func (private servers) up() {
	for _, server := range []*system.PrivateServer{private.postgres, private.redis, private.rabbitmq} {
		server.Start()
	}
}

// TestNothingLost breaks the parts of Stavka and its servers one after the other. Each time
// nothing acknowledged is lost, nothing happens twice, and Stavka recovers without help. The
// subtests use the same servers in turn.
func TestNothingLost(t *testing.T) {
	t.Parallel()
	var private servers
	private.postgres, private.redis, private.rabbitmq = system.PrivateServers(t)
	nothingLost(t, private)
}

func nothingLost(t *testing.T, private servers) {
	t.Helper()
	t.Run("while RabbitMQ is stopped", private.rabbitMQStopped)
	t.Run("while servers are killed", private.serversKilled)
	t.Run("while services are killed", private.servicesKilled)
	t.Run("at crash points", private.crashPointsHit)
	t.Run("by duplicated and shuffled messages", private.messagesShuffled)
	t.Run("by poison", private.messagesPoisoned)
	t.Run("while the feed is silent", private.feedSilent)
	t.Run("while bet-maker lags behind", private.betMakerLags)
	t.Run("while servers come late", private.serversLate)
	t.Run("when the data set is reset", private.dataSetReset)
	t.Run("when an older copy is restored", private.copyRestored)
}

// quick makes background work run more often, to save time, and leaves the many requests out
// of the log.
var quick = map[string]string{"FEED_HEARTBEAT": "500ms", "RECONCILE_INTERVAL": "2s", "LOG_LEVEL": "warn"}

// rabbitMQStopped changes 50 events while RabbitMQ is stopped.
func (private servers) rabbitMQStopped(t *testing.T) {
	s := start(t, system.Options{Servers: private.urls(), Env: map[string]string{
		"FEED_HEARTBEAT": "1s", "LOG_LEVEL": "warn", "RECONCILE_INTERVAL": "10m", // so that only the silence makes it poll
	}})
	t.Cleanup(private.up)
	w := newWitness(t, s, 2)
	broker := s.Broker()
	captured := broker.Capture(t)
	var events []int64
	for i := range 25 {
		events = append(events, w.create(fmt.Sprintf("before-%d", i), "1.45", time.Now().Add(time.Hour)))
		w.place(i%2, fmt.Sprintf("before-%d", i), events[i], "10")
	}
	unready := watchReadiness(t, s)

	private.rabbitmq.Stop()
	stopped := time.Now()
	for i := range 25 {
		events = append(events, w.create(fmt.Sprintf("during-%d", i), "1.85", time.Now().Add(time.Hour)))
		w.place(i%2, fmt.Sprintf("during-%d", i), events[25+i], "10")
	}
	for i, event := range events {
		w.amend(event, lineprovider.EventPatch{Coefficient: new(odds.MustParse("2.05"))})
		if i%3 > 0 {
			w.finish(event, lineprovider.NewState{State: lineprovider.EventState(2 + i%3)})
		}
		if i%6 == 5 {
			w.finish(event, lineprovider.NewState{State: lineprovider.EventStateFinishedWin, Reason: new("the video")})
		}
	}
	w.follow()
	if state := readiness(t, s, s.BetMakers[0]); state.Checks["rabbitmq"].Status != "down" || !state.Feed.Alive {
		t.Errorf("without RabbitMQ the readiness of bet-maker is %+v", state)
	}
	w.place(0, "meanwhile", events[0], "10")
	system.Eventually(t, aftermath, "line-provider gives up a publication", func() error {
		if !strings.Contains(s.LineProviders[0].Log(), "changes are not being published") {
			return errors.New("it has not")
		}
		return nil
	})
	waiting := metric(t, s.LineProviders[0], "stavka_relay_lag_events")
	t.Logf("after %s without RabbitMQ %g events wait to be published", time.Since(stopped).Round(time.Second), waiting)
	if waiting != 50 {
		t.Errorf("%g events wait to be published, want 50", waiting)
	}

	private.rabbitmq.Start()
	started := time.Now()
	awaitMessagesFlow(t, s)
	t.Logf("everything was published %s after RabbitMQ answered", time.Since(started).Round(time.Millisecond))
	newest := make(map[int64]int64)
	for _, message := range broker.Take(t, captured) {
		var event lineprovider.Event
		if err := json.Unmarshal(message.Body, &event); err != nil {
			t.Fatal(err)
		}
		newest[event.EventID] = max(newest[event.EventID], event.Seq)
	}
	for id, event := range w.readLine() {
		if newest[id] != event.Seq {
			t.Errorf("the newest message about event %d has seq %d, the line has %d", id, newest[id], event.Seq)
		}
	}
	w.finish(events[0], lineprovider.NewState{State: lineprovider.EventStateFinishedWin})
	w.check()
	if failures := unready(); len(failures) > 0 {
		t.Errorf("a service was not ready %d times, at first because: %v", len(failures), failures[0])
	}
}

// watchReadiness polls the readiness of all services until stop is called. stop returns the
// failures.
func watchReadiness(t *testing.T, s *system.System) (stop func() []error) {
	t.Helper()
	done := make(chan struct{})
	var failures []error
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			for _, service := range s.Services() {
				if err := service.Ready(); err != nil {
					failures = append(failures, err)
				}
			}
			select {
			case <-done:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	return func() []error {
		close(done)
		watching.Wait()
		return failures
	}
}

// awaitMessagesFlow waits until both services are connected to RabbitMQ and no message waits
// to be published or consumed.
func awaitMessagesFlow(t *testing.T, s *system.System) {
	t.Helper()
	system.Eventually(t, time.Minute, "messages flow", func() error {
		for _, service := range s.LineProviders {
			if metric(t, service, "stavka_rabbitmq_connected") != 1 || metric(t, service, "stavka_relay_lag_events") != 0 {
				return fmt.Errorf("%s has not published everything", service.Name)
			}
		}
		for _, service := range s.BetMakers {
			if metric(t, service, "stavka_rabbitmq_connected") != 3 {
				return fmt.Errorf("%s is not connected", service.Name)
			}
		}
		if n := s.Broker().Waiting(t, s.Broker().Queue()); n > 0 {
			return fmt.Errorf("%d messages wait", n)
		}
		return nil
	})
}

// ready is the answer of /readyz.
type ready struct {
	Checks map[string]struct {
		Status string `json:"status"`
	} `json:"checks"`
	Feed struct {
		Alive   bool  `json:"alive"`
		Cursor  int64 `json:"cursor"`
		LastSeq int64 `json:"last_seq"`
	} `json:"feed"`
	code int
}

func readiness(t *testing.T, s *system.System, service *system.Service) ready {
	t.Helper()
	got, err := s.Do(service, system.Request{Method: http.MethodGet, Path: "/readyz"})
	if err != nil {
		t.Fatal(err)
	}
	state := ready{code: got.Status}
	if err := json.Unmarshal(got.Body, &state); err != nil {
		t.Fatalf("%s: %v", got.Body, err)
	}
	return state
}

// serversKilled kills Redis, PostgreSQL and RabbitMQ under load.
func (private servers) serversKilled(t *testing.T) {
	s := start(t, system.Options{Servers: private.urls(), Env: quick})
	t.Cleanup(private.up)
	w := newWitness(t, s, 8)
	stop := w.load(16, 4)
	w.awaitProgress("the start")
	for range scaled(t, 10) {
		for name, server := range map[string]*system.PrivateServer{"Redis": private.redis, "PostgreSQL": private.postgres} {
			repeats := w.repeats.Load()
			server.Kill()
			system.Eventually(t, time.Minute, "requests fail without "+name, func() error {
				if w.repeats.Load() < repeats+20 {
					return errors.New("they do not")
				}
				return nil
			})
			server.Start()
			w.awaitProgress(name + " was killed and started")
		}
		private.rabbitmq.Kill()
		w.awaitProgress("RabbitMQ was killed")
		private.rabbitmq.Start()
		w.awaitProgress("RabbitMQ was started")
	}
	stop()
	awaitMessagesFlow(t, s)
	w.check()
}

// servicesKilled kills both services at random instants under load.
func (private servers) servicesKilled(t *testing.T) {
	s := start(t, system.Options{Servers: private.urls(), Env: quick})
	w := newWitness(t, s, 8)
	stop := w.load(16, 4)
	kills := scaled(t, 20)
	for range kills {
		for _, p := range s.Processes() {
			wait(t, rand.N(time.Second))
			p.Kill()
			p.Start()
			w.awaitProgress(p.Name + " was killed")
		}
	}
	stop()
	t.Logf("each service was killed %d times", kills)
	w.check()
}

// feedSilent suspends line-provider.
func (private servers) feedSilent(t *testing.T) {
	const timeout = 3 * time.Second
	s := start(t, system.Options{Servers: private.urls(), Env: map[string]string{"FEED_TIMEOUT": timeout.String(), "FEED_HEARTBEAT": "500ms", "LOG_LEVEL": "warn"}})
	w := newWitness(t, s, 1)
	user := w.users[0]
	event := w.create("silent", "1.45", time.Now().Add(time.Hour))
	accepted := w.place(0, "accepted", event, "10")
	refused, err := w.tryPlace(t.Context(), 0, "refused", betmaker.NewBet{EventID: event, Amount: accepted.sent.Amount, Coefficient: new(odds.MustParse("1.46"))})
	if err != nil || refused.bet != nil {
		t.Fatalf("a bet at another price: %+v %v", refused, err)
	}
	place := func(n int) system.Response {
		got, err := s.Do(s.BetMakers[0], system.Request{
			Method: http.MethodPost, Path: "/api/bets", Token: user.Token, Body: fmt.Sprintf(`{"event_id":%d,"amount":1}`, event),
			Header: http.Header{"Idempotency-Key": {"silence-" + strconv.Itoa(n)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}

	s.LineProviders[0].Pause()
	paused := time.Now()
	silence := 0
	system.Eventually(t, timeout+allowed, "bets are refused", func() error {
		silence++
		if got := place(silence); got.Status != http.StatusServiceUnavailable || got.Code() != "feed_unavailable" {
			return fmt.Errorf("a bet is answered %d %s", got.Status, got.Body)
		} else if after, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || after < 1 {
			t.Errorf("Retry-After is %q", got.Header.Get("Retry-After"))
		}
		return nil
	})
	t.Logf("bets were refused %s after line-provider stopped; FEED_TIMEOUT is %s", time.Since(paused).Round(time.Millisecond), timeout)

	for _, path := range []string{
		"/api/bets", fmt.Sprintf("/api/bets/%d", accepted.bet.ID), "/api/events", fmt.Sprintf("/api/events/%d", event), "/api/users/me", "/healthz", "/metrics",
	} {
		requestedAt := time.Now()
		got, err := s.Do(s.BetMakers[0], system.Request{Method: http.MethodGet, Path: path, Token: user.Token})
		if err != nil || got.Status != http.StatusOK {
			t.Errorf("%s is answered %d %.200s %v while the feed is silent", path, got.Status, got.Body, err)
		}
		if took := time.Since(requestedAt); took > allowed {
			t.Errorf("%s took %s while the feed is silent", path, took)
		}
	}
	if state := readiness(t, s, s.BetMakers[0]); state.code != http.StatusOK || state.Feed.Alive {
		t.Errorf("while the feed is silent the readiness of bet-maker is %+v", state)
	}
	if alive := metric(t, s.BetMakers[0], "stavka_feed_alive"); alive != 0 {
		t.Errorf("stavka_feed_alive is %g", alive)
	}
	w.replay(2)

	s.LineProviders[0].Resume()
	resumed := time.Now()
	system.Eventually(t, allowed, "bets are taken again", func() error {
		if got := place(silence); got.Status != http.StatusCreated {
			return fmt.Errorf("a bet is answered %d %s", got.Status, got.Body)
		}
		return nil
	})
	t.Logf("bets were taken %s after line-provider went on", time.Since(resumed).Round(time.Millisecond))
}

// betMakerLags lets heartbeats of line-provider through but keeps bet-maker from applying the
// changes that they announce. bet-maker must refuse bets as it does during silence.
func (private servers) betMakerLags(t *testing.T) {
	const timeout = 3 * time.Second
	s := start(t, system.Options{Servers: private.urls(), Env: map[string]string{"FEED_TIMEOUT": timeout.String(), "FEED_HEARTBEAT": "500ms", "LOG_LEVEL": "warn"}})
	w := newWitness(t, s, 1)
	changing := w.create("changing", "1.45", time.Now().Add(time.Hour))
	other := w.create("other", "1.45", time.Now().Add(time.Hour))
	w.place(0, "before", changing, "10")
	w.place(0, "before, too", other, "10")

	lock, err := s.Database(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), `lock table events in share mode`); err != nil { // reads are not blocked
		t.Fatal(err)
	}
	w.amend(changing, lineprovider.EventPatch{Coefficient: new(odds.MustParse("2.05"))})
	changed, bets := time.Now(), 0
	try := func() error {
		bets++
		_, err := w.tryPlace(t.Context(), 0, fmt.Sprintf("lag-%d", bets), betmaker.NewBet{EventID: other, Amount: money.MustParse("1")})
		return err
	}
	system.Eventually(t, timeout+allowed, "bets are refused", func() error {
		if err := try(); err == nil || !strings.Contains(err.Error(), "feed_unavailable") {
			return fmt.Errorf("the answer to a bet is: %v", err) //nolint:errorlint // err may be nil
		}
		return nil
	})
	t.Logf("bets were refused %s after a change that could not be applied; FEED_TIMEOUT is %s", time.Since(changed).Round(time.Millisecond), timeout)
	if state := readiness(t, s, s.BetMakers[0]); state.code != http.StatusOK || state.Feed.Alive || state.Feed.LastSeq <= state.Feed.Cursor {
		t.Errorf("while bet-maker lags behind its readiness is %+v", state)
	}
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	released := time.Now()
	system.Eventually(t, 2*allowed, "bets are taken again", try)
	t.Logf("bets were taken %s after changes could be applied", time.Since(released).Round(time.Millisecond))
	w.check()
}

// serversLate starts both services without any server, and then one server after the other.
func (private servers) serversLate(t *testing.T) {
	s := start(t, system.Options{Servers: private.urls(), Env: quick, Stopped: true})
	t.Cleanup(private.up)
	line, maker := s.LineProviders[0], s.BetMakers[0]
	var stopping sync.WaitGroup
	for _, server := range []*system.PrivateServer{private.postgres, private.redis, private.rabbitmq} {
		stopping.Go(server.Stop)
	}
	stopping.Wait()

	maker.Start()
	awaitAlive(t, s, maker)
	expect(t, s, maker, system.Request{Method: http.MethodPost, Path: "/token", Body: `{"username":"admin","password":"admin-password"}`}, http.StatusServiceUnavailable)
	if state := readiness(t, s, maker); state.code != http.StatusServiceUnavailable || state.Checks["postgres"].Status != "down" {
		t.Errorf("without any server the readiness of bet-maker is %+v", state)
	}
	private.postgres.Start()
	system.Eventually(t, allowed, "bet-maker signs users in", func() error {
		got, err := s.Do(maker, system.Request{Method: http.MethodPost, Path: "/token", Body: `{"username":"admin","password":"admin-password"}`})
		switch {
		case errors.Is(err, contract.ErrBroken):
			t.Fatal(err)
		case err != nil:
			return err
		case got.Status == http.StatusServiceUnavailable:
			return errors.New(string(got.Body))
		case got.Status != http.StatusOK:
			t.Fatalf("the first user signs in: %d %s", got.Status, got.Body)
		}
		return nil
	})
	admin := s.Admin(t, 0)
	expect(t, s, maker, system.Request{Method: http.MethodPost, Path: "/api/bets", Token: admin.Token, Body: `{"event_id":1,"amount":1}`}, http.StatusServiceUnavailable)
	expect(t, s, maker, system.Request{Method: http.MethodGet, Path: "/api/bets", Token: admin.Token}, http.StatusOK)
	if state := readiness(t, s, maker); state.code != http.StatusServiceUnavailable || state.Checks["postgres"].Status != "ok" || state.Checks["line_provider"].Status != "down" {
		t.Errorf("without line-provider the readiness of bet-maker is %+v", state)
	}

	line.Start()
	awaitAlive(t, s, line)
	create := system.Request{Method: http.MethodPost, Path: "/event", Token: system.ServiceToken, Body: `{"coefficient":1.45}`}
	expect(t, s, line, create, http.StatusServiceUnavailable)
	if state := readiness(t, s, line); state.code != http.StatusServiceUnavailable || state.Checks["redis"].Status != "down" {
		t.Errorf("without Redis the readiness of line-provider is %+v", state)
	}
	private.redis.Start()
	started := time.Now()
	s.AwaitReady()
	t.Logf("both services were ready %s after Redis answered", time.Since(started).Round(time.Millisecond))
	expect(t, s, line, create, http.StatusCreated)
	event := s.Line(t, 0).Create("1.45").EventID
	bet := admin.Place(t, event, "10")
	s.Line(t, 0).Finish(event, lineprovider.EventStateFinishedWin)
	admin.AwaitStatus(t, bet.ID, betmaker.BetStatusWon, allowed)
	for _, service := range s.Services() {
		if state := readiness(t, s, service); state.code != http.StatusOK || state.Checks["rabbitmq"].Status != "down" {
			t.Errorf("without RabbitMQ the readiness of %s is %+v", service.Name, state)
		}
	}

	private.rabbitmq.Start()
	started = time.Now()
	awaitMessagesFlow(t, s)
	t.Logf("messages flowed %s after RabbitMQ answered", time.Since(started).Round(time.Millisecond))
}

func awaitAlive(t *testing.T, s *system.System, service *system.Service) {
	t.Helper()
	system.Eventually(t, allowed, service.Name+" is alive", func() error {
		_, err := s.Do(service, system.Request{Method: http.MethodGet, Path: "/healthz"})
		return err
	})
}

// expect sends one request and expects a status.
func expect(t *testing.T, s *system.System, service *system.Service, r system.Request, status int) system.Response {
	t.Helper()
	got, err := s.Do(service, r)
	if err != nil || got.Status != status {
		t.Errorf("%s %s at %s: got %d %s %v, want %d", r.Method, r.Path, service.Name, got.Status, got.Body, err, status)
	}
	return got
}

// dataSetReset empties Redis, so that line-provider starts again with event 1.
func (private servers) dataSetReset(t *testing.T) {
	s := start(t, system.Options{Servers: private.urls(), Env: quick})
	line, user, maker := s.Line(t, 0), s.NewUser(t, 0), s.BetMakers[0]
	bets := make(map[int64]betmaker.Bet)
	for id := int64(1); id <= 4; id++ {
		if got := line.Create("1.45").EventID; got != id {
			t.Fatalf("event %d is the first; want %d", got, id)
		}
		bets[id] = user.Place(t, id, "10")
	}
	line.Finish(2, lineprovider.EventStateFinishedWin)
	user.AwaitStatus(t, bets[2].ID, betmaker.BetStatusWon, allowed)

	empty(t, private.redis.URL)
	for id := int64(1); id <= 2; id++ {
		if got := line.Create("3.00").EventID; got != id {
			t.Fatalf("event %d is the first of the new data set; want %d", got, id)
		}
	}
	system.Eventually(t, allowed, "all four events are in quarantine", func() error {
		if n := metric(t, maker, "stavka_events_quarantined_total"); n != 4 {
			return fmt.Errorf("there are %g", n)
		}
		return nil
	})
	refuse := func(id int64, code string) {
		t.Helper()
		got := expect(t, s, maker, system.Request{
			Method: http.MethodPost, Path: "/api/bets", Token: user.Token, Body: fmt.Sprintf(`{"event_id":%d,"amount":1}`, id),
		}, http.StatusConflict)
		if got.Code() != code {
			t.Errorf("a bet on event %d is refused as %s, want %s", id, got.Code(), code)
		}
	}
	refuse(1, "event_suspended")
	refuse(3, "event_suspended")
	refuse(4, "event_suspended")

	line.Finish(1, lineprovider.EventStateFinishedWin)
	caughtUp(t, s)
	if bet := user.Bet(t, bets[1].ID); bet.Status != betmaker.BetStatusPending {
		t.Errorf("a bet on an event in quarantine was settled: %+v", bet)
	}
	resolve(t, maker, 1, "--adopt", "")
	if won := user.AwaitStatus(t, bets[1].ID, betmaker.BetStatusWon, allowed); won.Payout == nil || won.Payout.String() != "14.50" {
		t.Errorf("the bet on the adopted event: %+v", won)
	}
	resolve(t, maker, 1, "--adopt", "not in quarantine")
	resolve(t, maker, 2, "--void", "")
	if void := user.AwaitStatus(t, bets[2].ID, betmaker.BetStatusVoid, allowed); deref(void.VoidReason) != "line_reset" {
		t.Errorf("the bet on the voided event: %+v", void)
	}
	resolve(t, maker, 3, "--void", "")
	user.AwaitStatus(t, bets[3].ID, betmaker.BetStatusVoid, allowed)
	resolve(t, maker, 4, "--adopt", "no such event")

	for id := int64(3); id <= 5; id++ {
		if got := line.Create("3.00").EventID; got != id {
			t.Fatalf("event %d is the next of the new data set; want %d", got, id)
		}
	}
	resolve(t, maker, 4, "--adopt", "")
	for _, id := range []int64{2, 4, 5} {
		if bet := user.Place(t, id, "1"); bet.Coefficient != odds.MustParse("3.00") {
			t.Errorf("a new bet on event %d: %+v", id, bet)
		}
	}
	if bet := user.Bet(t, bets[4].ID); bet.Status != betmaker.BetStatusPending {
		t.Errorf("the bet on the adopted open event: %+v", bet)
	}
	line.Finish(4, lineprovider.EventStateFinishedLose)
	user.AwaitStatus(t, bets[4].ID, betmaker.BetStatusLost, allowed)
}

// empty deletes all data of a private Redis.
func empty(t *testing.T, address string) {
	t.Helper()
	if err := dialRedis(t, address).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// copyRestored restores Redis to a state before some changes that bet-maker knows. The changes
// are lost, but no number is used twice, and a later change of an event that differs from
// bet-maker's projection is not taken for an old message.
func (private servers) copyRestored(t *testing.T) {
	s := start(t, system.Options{Servers: private.urls(), Env: quick})
	line, user, maker := s.Line(t, 0), s.NewUser(t, 0), s.BetMakers[0]
	won, repriced := line.Create("1.45").EventID, line.Create("1.45").EventID
	bet := user.Place(t, won, "10")
	reprice := func(event int64, price string) {
		t.Helper()
		got, err := line.API.ChangeEventWithResponse(t.Context(), event, nil, lineprovider.EventPatch{Coefficient: new(odds.MustParse(price))})
		if err != nil || got.JSON200 == nil {
			t.Fatalf("reprice event %d: %+v %v", event, got, err)
		}
	}
	copied := copyOf(t, private.redis.URL)
	line.Finish(won, lineprovider.EventStateFinishedWin)
	user.AwaitStatus(t, bet.ID, betmaker.BetStatusWon, allowed)
	reprice(repriced, "2.05")
	lost := line.Create("1.45")
	forlorn := user.Place(t, lost.EventID, "10")
	caughtUp(t, s)

	s.LineProviders[0].Pause() // it must not read the copy before the server restarts
	restore(t, private.redis.URL, copied)
	private.redis.Kill()
	private.redis.Start()
	s.LineProviders[0].Resume()
	s.AwaitReady()
	fresh := line.Create("1.45")
	if fresh.EventID <= lost.EventID || fresh.Seq <= lost.Seq {
		t.Errorf("after the restore event %d with seq %d was created; before it there was event %d with seq %d", fresh.EventID, fresh.Seq, lost.EventID, lost.Seq)
	}
	caughtUp(t, s)
	user.Place(t, fresh.EventID, "10")
	reprice(repriced, "1.95")
	awaitEvent(t, user, repriced, "at 1.95", func(e betmaker.Event) bool { return e.Coefficient == odds.MustParse("1.95") })
	if bet := user.Bet(t, bet.ID); bet.Status != betmaker.BetStatusWon {
		t.Errorf("a settled bet is now %+v", bet)
	}

	resolve(t, maker, lost.EventID, "--void", "")
	user.AwaitStatus(t, forlorn.ID, betmaker.BetStatusVoid, allowed)

	reprice(won, "1.95") // the event is open again, which the line must not publish after a result
	system.Eventually(t, allowed, "the event is in quarantine", func() error {
		if n := metric(t, maker, "stavka_events_quarantined_total"); n != 1 {
			return fmt.Errorf("there are %g", n)
		}
		return nil
	})
	resolve(t, maker, won, "--adopt", "")
	user.AwaitStatus(t, bet.ID, betmaker.BetStatusPending, allowed)
	line.Finish(won, lineprovider.EventStateFinishedLose)
	user.AwaitStatus(t, bet.ID, betmaker.BetStatusLost, allowed)
}

// copyOf returns all data of a private Redis.
func copyOf(t *testing.T, address string) map[string]string {
	t.Helper()
	client := dialRedis(t, address)
	copied := make(map[string]string)
	for keys := client.Scan(t.Context(), 0, "*", 1000).Iterator(); keys.Next(t.Context()); {
		value, err := client.Dump(t.Context(), keys.Val()).Result()
		if err != nil {
			t.Fatal(err)
		}
		copied[keys.Val()] = value
	}
	if len(copied) == 0 {
		t.Fatal("there is nothing to copy")
	}
	return copied
}

// restore replaces the data of a private Redis by a copy.
func restore(t *testing.T, address string, copied map[string]string) {
	t.Helper()
	if _, err := dialRedis(t, address).TxPipelined(t.Context(), func(pipe redis.Pipeliner) error {
		pipe.FlushAll(t.Context())
		for key, value := range copied {
			pipe.Restore(t.Context(), key, 0, value)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func dialRedis(t *testing.T, address string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// caughtUp waits until bet-maker has read the whole line.
func caughtUp(t *testing.T, s *system.System) {
	t.Helper()
	page, err := s.Line(t, 0).API.EventChangesWithResponse(t.Context(), nil)
	if err != nil || page.JSON200 == nil {
		t.Fatalf("read the change log: %+v %v", page, err)
	}
	system.Eventually(t, aftermath, "bet-maker has read the line", func() error {
		if feed := readiness(t, s, s.BetMakers[0]).Feed; feed.Cursor != page.JSON200.LastSeq {
			return fmt.Errorf("it has read up to %d of %d", feed.Cursor, page.JSON200.LastSeq)
		}
		return nil
	})
}

// resolve takes an event out of quarantine, or expects a refusal.
func resolve(t *testing.T, maker *system.Service, event int64, how, refusal string) {
	t.Helper()
	out, err := maker.Command("events", "resolve", strconv.FormatInt(event, 10), how)
	switch {
	case refusal == "" && err != nil:
		t.Errorf("resolve event %d %s: %v", event, how, err)
	case refusal != "" && (err == nil || !strings.Contains(err.Error(), refusal)):
		t.Errorf("resolve event %d %s: got %q %v, want %q", event, how, out, err, refusal)
	}
}
