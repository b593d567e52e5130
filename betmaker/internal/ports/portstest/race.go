package portstest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

const (
	racePlacers = 64
	raceUsers   = 32
	raceOpen    = 10 // events that take bets at any time
	// mayOvertake is how many bets on an event may be accepted after its close was requested, at the
	// 99th percentile. It is more than a fair lock lets pass, and unlike a time it does not
	// depend on the machine.
	mayOvertake = racePlacers
)

// Race tests the order of bets and the close of their events. While bets are placed on a few events, the
// events are closed one after the other, by results or by deadlines that pass first. It checks that
//   - no bet is accepted at or after its event's close or deadline;
//   - no bet stays pending;
//   - the stored bets are the acknowledged ones;
//   - closes do not wait too long.
func Race(t *testing.T, open Open) {
	r := &race{Stores: open(t), events: make(map[domain.EventID]*raceEvent)}
	closes := scaled(t, 300)
	users := addUsers(t, r.Stores, raceUsers)
	for range raceOpen {
		r.open(t, false)
	}

	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	t.Cleanup(func() {
		stop()
		working.Wait()
	})
	for range racePlacers {
		working.Go(func() {
			if err := r.placeUntil(ctx, users); err != nil {
				t.Errorf("place: %v", err)
			}
		})
	}
	closed := make(chan domain.EventID, closes)
	working.Go(func() {
		for event := range closed {
			if _, err := settle(t.Context(), r.Stores, event, 100); err != nil {
				t.Errorf("settle: %v", err)
			}
		}
	})
	durations := make([]time.Duration, closes)
	requested := make(map[domain.EventID]time.Time, closes) // closes, by the clock of the store
	for i := range durations {
		event := r.oldest()
		r.waitForBets(t, event)
		requested[event.id] = clock(t, r.Stores)
		started := time.Now()
		finish(t, r.Stores, event.id, domain.StateFinishedWin+domain.State(i%3))
		durations[i] = time.Since(started)
		r.remove(event.id)
		closed <- event.id
		r.open(t, i%2 == 0)
	}
	stop()
	close(closed)
	working.Wait()

	slices.Sort(durations)
	overtook := r.overtook(requested)
	p99 := len(durations) * 99 / 100
	t.Logf("%d closes, %d bets; a close took %s at the median, %s at p99; bets overtook it: %d at the median, %d at p99",
		closes, len(r.accepted), durations[len(durations)/2], durations[p99], overtook[len(overtook)/2], overtook[p99])
	isTrue(t, overtook[p99] <= mayOvertake, "closes come through: at p99 %d bets overtook one", overtook[p99])
	r.check(t)
}

// overtook returns how many bets were accepted on each event after its close was requested, in
// ascending order.
func (r *race) overtook(requested map[domain.EventID]time.Time) []int {
	bets := make(map[domain.EventID]int, len(requested))
	for event := range requested {
		bets[event] = 0
	}
	for _, bet := range r.accepted {
		if at, closed := requested[bet.EventID]; closed && bet.AcceptedAt.After(at) {
			bets[bet.EventID]++
		}
	}
	return slices.Sorted(maps.Values(bets))
}

type race struct {
	Stores
	mu       sync.Mutex
	lastID   domain.EventID
	events   map[domain.EventID]*raceEvent // open events
	accepted []domain.Bet                  // as acknowledged
}

type raceEvent struct {
	id       domain.EventID
	deadline time.Time
	bets     atomic.Int64
}

// open adds an event with a deadline that is near or never reached.
func (r *race) open(t *testing.T, soon bool) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastID++
	event := openEvent(r.lastID)
	if soon {
		event.Deadline = clock(t, r.Stores).Add(30 * time.Millisecond)
	}
	write(t, r.Stores, event)
	r.events[event.ID] = &raceEvent{id: event.ID, deadline: event.Deadline}
}

func (r *race) oldest() *raceEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	var oldest *raceEvent
	for _, event := range r.events {
		if oldest == nil || event.id < oldest.id {
			oldest = event
		}
	}
	return oldest
}

func (r *race) any() *raceEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := rand.IntN(len(r.events))
	for _, event := range r.events {
		if n--; n < 0 {
			return event
		}
	}
	return nil
}

func (r *race) remove(id domain.EventID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.events, id)
}

// waitForBets waits until the event has bets or its deadline has passed.
func (r *race) waitForBets(t *testing.T, event *raceEvent) {
	t.Helper()
	for giveUp := time.Now().Add(time.Minute); event.bets.Load() < 5 && clock(t, r.Stores).Before(event.deadline); {
		isTrue(t, time.Now().Before(giveUp), "event %d gets bets", event.id)
	}
}

func (r *race) placeUntil(ctx context.Context, users []domain.UserID) error {
	for ctx.Err() == nil {
		event := r.any()
		batch := make([]domain.Placement, 1+rand.IntN(4))
		for i := range batch {
			batch[i] = bet(users[rand.IntN(len(users))], event.id)
		}
		// One bet in a batch is on another event, so that batches have events in common.
		batch[0].EventID = r.any().id
		decisions, err := tryPlace(context.WithoutCancel(ctx), r.Stores, batch...)
		if err != nil {
			return err
		}
		if err := r.take(event, decisions); err != nil {
			return err
		}
	}
	return nil
}

func (r *race) take(event *raceEvent, decisions []domain.Decision) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, decision := range decisions {
		switch {
		case decision.Err != nil:
			return fmt.Errorf("no verdict: %w", decision.Err)
		case decision.Accepted():
			r.accepted = append(r.accepted, decision.Bet)
			event.bets.Add(1)
		case decision.Refusal.Code != domain.RefusedEventClosed:
			return fmt.Errorf("refused for a wrong reason: %+v", decision.Refusal)
		}
	}
	return nil
}

func (r *race) check(t *testing.T) {
	t.Helper()
	open := 0
	events := make(map[domain.EventID]domain.Event, r.lastID)
	for id := domain.EventID(1); id <= r.lastID; id++ {
		event, err := r.Events.Event(t.Context(), id)
		ok(t, err)
		events[id] = event
		if event.ClosedAt.IsZero() {
			open++
		}
	}
	equal(t, open, raceOpen)
	equal(t, unsettled(t, r.Stores), nil)

	stored := make(map[domain.BetID]domain.Bet)
	for _, bet := range allBets(t, r.Stores, ports.BetFilter{}) {
		stored[bet.ID] = bet
		event := events[bet.EventID]
		isTrue(t, bet.AcceptedAt.Before(event.Deadline), "bet %+v is accepted before the deadline, %s", bet, event.Deadline)
		isTrue(t, event.ClosedAt.IsZero() || bet.AcceptedAt.Before(event.ClosedAt), "bet %+v is accepted before the close, %s", bet, event.ClosedAt)
		equal(t, bet.Settlement, event.Settlement(bet))
		equal(t, bet.Revision, event.SettleRevision)
	}
	equal(t, len(stored), len(r.accepted))
	for _, bet := range r.accepted {
		bet.Standing = stored[bet.ID].Standing
		equal(t, stored[bet.ID], bet)
	}
}
