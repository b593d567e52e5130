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

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
	"stavka.local/stavka/e2e/system"
)

const (
	placers = 64
	// closePromised is the 99th percentile of the time until a close is committed in
	// bet-maker's database under full load. The test allows five times as much.
	closePromised = 250 * time.Millisecond
)

// scaled returns a tenth of a full count times STAVKA_TEST_SCALE. The default scale is 1;
// `make test-long` uses 10, the full count.
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

// fastSweep makes the reconciler run often, so that anything it heals shows.
var fastSweep = map[string]string{"RECONCILE_INTERVAL": "5s"}

// race lets 64 placers bet on ten open events at a time while events are closed one after the
// other, most by a result, some by their deadline. It measures, so it does not run in
// parallel with other tests.
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
		t.Error("no bet raced with a close")
	}

	records := s.Records(t)
	var now system.Snapshot
	system.Eventually(t, 10*allowed, "no bet on a finished event is pending", func() error {
		now = records.Read()
		for event := range results {
			if now.Events[event].State <= 1 {
				return fmt.Errorf("event %d is not finished", event)
			}
		}
		for _, bet := range now.Bets {
			if bet.Status == 1 && now.Events[bet.EventID].State > 1 {
				return fmt.Errorf("bet %d is", bet.ID)
			}
		}
		return nil
	})
	checkSettled(t, now, results)
	checkMoney(t, s)
	if n := int64(len(now.Bets)); n != accepted.Load() {
		t.Errorf("the database has %d bets, %d were acknowledged", n, accepted.Load())
	}
	checkCloses(t, now, answered)
	for _, service := range s.BetMakers {
		if healed := metric(t, service, "stavka_betmaker_reconciler_healed_total"); healed != 0 {
			t.Errorf("the reconciler of %s has healed %g losses, want none", service.Name, healed)
		}
	}
}

// createFor creates an event that takes bets for an hour; every fifth takes them for two seconds.
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
		// The request is not cancelled: an answer that is not read cannot be counted.
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

// checkSettled compares every bet with the result of its event. A bet that was accepted after the record of
// the result is void.
func checkSettled(t *testing.T, now system.Snapshot, results map[int64]lineprovider.EventState) {
	t.Helper()
	status := map[lineprovider.EventState]int{
		lineprovider.EventStateFinishedWin: 2, lineprovider.EventStateFinishedLose: 3, lineprovider.EventStateCancelled: 4,
	}
	for _, bet := range now.Bets {
		state := results[bet.EventID]
		want, reason := status[state], 0
		// Between the record of the result and the close.
		if recorded := now.Events[bet.EventID].RecordedBy; state != lineprovider.EventStateCancelled && recorded != nil && bet.AcceptedAt.After(*recorded) {
			want, reason = 4, 2
		}
		if bet.Status != want || reason != 0 && bet.VoidReason != reason || bet.SettleRevision != 1 {
			t.Errorf("bet %d on event %d does not follow its state %d, once: %+v", bet.ID, bet.EventID, state, bet)
		}
	}
}

// checkCloses checks that no bet was accepted at or after the close or deadline of its event,
// and that the closes were prompt.
func checkCloses(t *testing.T, now system.Snapshot, answered map[int64]time.Time) {
	t.Helper()
	checkInTime(t, now)
	var delays []time.Duration
	for event, at := range answered {
		closed := now.Events[event].ClosedAt
		if closed == nil {
			t.Fatalf("event %d was never closed", event)
		}
		delays = append(delays, closed.Sub(at))
	}
	slices.Sort(delays)
	p99 := delays[len(delays)*99/100]
	t.Logf("from line-provider's answer to the close in bet-maker: median %s, p99 %s, highest %s (promised p99 %s)",
		delays[len(delays)/2].Round(time.Millisecond), p99.Round(time.Millisecond), delays[len(delays)-1].Round(time.Millisecond), closePromised)
	if p99 > 5*closePromised {
		t.Errorf("the p99 of a close is %s, far above the promised %s", p99, closePromised)
	}
}

// checkInTime checks that no bet was accepted at or after the close or deadline of its event.
func checkInTime(t *testing.T, now system.Snapshot) {
	t.Helper()
	for _, bet := range now.Bets {
		event := now.Events[bet.EventID]
		end := event.Deadline
		if event.ClosedAt != nil && event.ClosedAt.Before(end) {
			end = *event.ClosedAt
		}
		if !bet.AcceptedAt.Before(end) {
			t.Errorf("bet %d was accepted at %s, event %d ended at %s", bet.ID, bet.AcceptedAt, event.ID, end)
		}
	}
}

// openEvents is the events that placers bet on.
type openEvents struct {
	mu  sync.Mutex
	ids []int64
}

func (o *openEvents) add(id int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ids = append(o.ids, id)
}

// replace adds an event and returns the one to close. That one stays for ten more rounds, so
// that placers bet on it during and after its close.
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

// metric returns the sum of the series of a metric of a service. It fails the test when the
// service does not have the metric.
func metric(t *testing.T, service *system.Service, name string) float64 {
	t.Helper()
	body, err := service.Get("/metrics")
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
		t.Fatalf("%s has no metric %s", service.Name, name)
	}
	return sum
}
