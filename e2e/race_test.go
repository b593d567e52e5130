package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
	"stavka.local/stavka/e2e/system"
)

const (
	placers = 64
	// closePromised is how soon, at the 99th percentile, a close is committed in
	// bet-maker's database under full load; a test allows five times as much.
	closePromised = 250 * time.Millisecond
)

// scaled returns a tenth of a full count, times STAVKA_TEST_SCALE (default 1; 10 is the
// full size, as `make test-long` runs it).
func scaled(t testing.TB, full int) int {
	t.Helper()
	scale := 1
	if text := os.Getenv("STAVKA_TEST_SCALE"); text != "" {
		var err error
		if scale, err = strconv.Atoi(text); err != nil || scale < 1 {
			t.Fatalf("STAVKA_TEST_SCALE is %q, want a number from 1", text)
		}
	}
	return max(1, full*scale/10)
}

func TestRace(t *testing.T) {
	race(t, start(t, system.Options{Env: fastSweep}), scaled(t, 300))
}

func TestRaceOverTwoReplicas(t *testing.T) {
	race(t, start(t, system.Options{BetMakers: 2, LineProviders: 2, Env: fastSweep}), scaled(t, 300))
}

// fastSweep makes the reconciler look often, so that what it heals would show.
var fastSweep = map[string]string{"RECONCILE_INTERVAL": "5s"}

// race has 64 placers bet on ten open events at a time while events are closed, one
// after the other: most by their result, some by their deadline. It is not parallel to
// other tests, because it measures.
func race(t *testing.T, s *system.System, closes int) {
	t.Helper()
	lines := make([]*system.Line, len(s.LineProviders))
	for i := range lines {
		lines[i] = s.Line(t, i)
	}
	users := make([]*system.User, 8)
	for i := range users {
		users[i] = s.NewUser(t, i%len(s.BetMakers))
	}
	open := &openEvents{}
	for i := range 10 {
		open.add(createFor(t, lines[i%len(lines)], i))
	}

	ctx, stop := context.WithCancel(t.Context())
	var accepted, refused atomic.Int64
	var placing sync.WaitGroup
	for i := range placers {
		placing.Go(func() {
			placeUntil(ctx, t, s.BetMaker(t, i%len(s.BetMakers), users[i%len(users)].Token), open, &accepted, &refused)
		})
	}
	results := make(map[int64]lineprovider.EventState)
	answered := make(map[int64]time.Time)
	for i := range closes {
		event := open.replace(createFor(t, lines[i%len(lines)], i))
		state := lineprovider.EventState(2 + rand.IntN(3))
		lines[i%len(lines)].Finish(event, state)
		results[event], answered[event] = state, time.Now()
	}
	stop()
	placing.Wait()
	for _, event := range open.all() {
		lines[0].Finish(event, lineprovider.EventStateFinishedLose)
		results[event], answered[event] = lineprovider.EventStateFinishedLose, time.Now()
	}
	t.Logf("%d placers on %d closes: %d bets accepted, %d refused", placers, closes, accepted.Load(), refused.Load())
	if accepted.Load() == 0 || refused.Load() == 0 {
		t.Error("the placers raced with nothing")
	}

	db := s.Database(t)
	system.Eventually(t, 10*allowed, "no bet on a finished event is pending", func() error {
		if n := count(t, db, `select count(*) from bets join events on events.id = event_id where state > 1 and status = 1`); n > 0 {
			return fmt.Errorf("%d are", n)
		}
		if n := count(t, db, `select count(*) from events where state = 1 and id = any($1)`, keys(results)); n > 0 {
			return fmt.Errorf("%d finished events are open", n)
		}
		return nil
	})
	checkSettled(t, db, results)
	if n := count(t, db, `select count(*) from bets`); n != accepted.Load() {
		t.Errorf("the database has %d bets, %d were acknowledged", n, accepted.Load())
	}
	checkCloses(t, db, answered)
	for _, p := range s.BetMakers {
		if healed := metric(t, p, "stavka_betmaker_reconciler_healed_total"); healed != 0 {
			t.Errorf("%s has healed %g: the main path lost something", p.Name, healed)
		}
	}
}

// createFor creates an event that takes bets for an hour, or, every fifth, for two seconds.
func createFor(t *testing.T, line *system.Line, i int) int64 {
	t.Helper()
	deadline := time.Now().Add(time.Hour)
	if i%5 == 4 {
		deadline = time.Now().Add(2 * time.Second)
	}
	created, err := line.API.CreateEventWithResponse(t.Context(), nil, lineprovider.NewEvent{
		Coefficient: odds.MustParse("1.45"), Deadline: new(deadline.Unix()),
	})
	if err != nil || created.JSON201 == nil {
		t.Fatalf("create an event: %+v %v", created, err)
	}
	return created.JSON201.EventID
}

func placeUntil(ctx context.Context, t *testing.T, api *betmaker.ClientWithResponses, open *openEvents, accepted, refused *atomic.Int64) {
	t.Helper()
	for ctx.Err() == nil {
		// The request is not cancelled: an answer that nobody hears cannot be counted.
		got, err := api.PlaceBetWithResponse(context.WithoutCancel(ctx), nil, betmaker.NewBet{EventID: open.any(), Amount: money.MustParse("1")})
		switch {
		case err != nil:
			t.Error(err)
			return
		case got.JSON201 != nil:
			accepted.Add(1)
		case got.ApplicationProblemJSONDefault != nil && got.ApplicationProblemJSONDefault.Code == "event_closed":
			refused.Add(1)
		default:
			t.Errorf("neither accepted nor closed: %d %s", got.StatusCode(), got.Body)
			return
		}
	}
}

// checkSettled holds every bet against its event's result.
func checkSettled(t *testing.T, db *pgx.Conn, results map[int64]lineprovider.EventState) {
	t.Helper()
	status := map[lineprovider.EventState]int{
		lineprovider.EventStateFinishedWin: 2, lineprovider.EventStateFinishedLose: 3, lineprovider.EventStateCancelled: 4,
	}
	for event, state := range results {
		if n := count(t, db, `select count(*) from bets where event_id = $1 and (status <> $2 or settle_revision <> 1)`, event, status[state]); n > 0 {
			t.Errorf("%d bets on event %d do not follow its state %d, once", n, event, state)
		}
	}
}

// checkCloses shows that no bet was accepted at or after its event's close or deadline,
// and that the closes were prompt.
func checkCloses(t *testing.T, db *pgx.Conn, answered map[int64]time.Time) {
	t.Helper()
	if n := count(t, db, `select count(*) from bets join events on events.id = event_id where accepted_at >= least(deadline, closed_at)`); n > 0 {
		t.Errorf("%d bets were accepted at or after the close", n)
	}
	var delays []time.Duration
	rows, err := db.Query(t.Context(), `select id, closed_at from events where id = any($1)`, keys(answered))
	if err != nil {
		t.Fatal(err)
	}
	var id int64
	var closed time.Time
	if _, err := pgx.ForEachRow(rows, []any{&id, &closed}, func() error {
		delays = append(delays, closed.Sub(answered[id]))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(delays)
	p99 := delays[len(delays)*99/100]
	t.Logf("from line-provider's answer to the close in bet-maker: median %s, p99 %s, highest %s (promised p99 %s)",
		delays[len(delays)/2].Round(time.Millisecond), p99.Round(time.Millisecond), delays[len(delays)-1].Round(time.Millisecond), closePromised)
	if p99 > 5*closePromised {
		t.Errorf("the p99 of a close is %s, more than five times the promised %s", p99, closePromised)
	}
}

// openEvents is the events that placers bet on at the moment.
type openEvents struct {
	mu  sync.Mutex
	ids []int64
}

func (o *openEvents) add(id int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ids = append(o.ids, id)
}

// replace adds an event and returns the one to close. That one stays for another ten
// rounds, so that placers keep betting on it while it closes and after.
func (o *openEvents) replace(id int64) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ids = append(o.ids, id)
	if len(o.ids) > 20 {
		o.ids = o.ids[1:]
	}
	return o.ids[len(o.ids)-11]
}

func (o *openEvents) any() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ids[rand.IntN(len(o.ids))]
}

// all returns the events that have not been closed.
func (o *openEvents) all() []int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.ids[len(o.ids)-10:])
}

func keys[V any](m map[int64]V) []int64 {
	ids := make([]int64, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	return ids
}

func count(t *testing.T, db *pgx.Conn, query string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := db.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// metric returns the sum of a metric's series at a process; a metric that is not there
// fails the test.
func metric(t *testing.T, p *system.Process, name string) float64 {
	t.Helper()
	body, err := p.Get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	sum, found := 0.0, false
	for line := range strings.Lines(body) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if base, _, _ := strings.Cut(series, "{"); !ok || base != name {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("the metric %s: %v", series, err)
		}
		sum, found = sum+number, true
	}
	if !found {
		t.Fatalf("%s has no metric %s", p.Name, name)
	}
	return sum
}
