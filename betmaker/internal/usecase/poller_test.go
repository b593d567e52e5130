package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/line"
)

func (w *world) cursor(t *testing.T) ports.Cursor {
	t.Helper()
	cursor, err := w.store.Cursors.Cursor(t.Context())
	if err != nil {
		t.Fatalf("cursor: %v", err)
	}
	return cursor
}

func TestPollerReadsTheLineToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for id := range int64(1201) { // more than two pages
		w.line.put(id+1, unchanged)
	}
	w.catchUp(t, w.replica)
	w.event(t, 1)
	w.event(t, 1201)
	if got, want := w.cursor(t), (ports.Cursor{Epoch: w.line.epoch, After: 1201}); got != want {
		t.Errorf("cursor %+v, want %+v", got, want)
	}
	select {
	case <-w.feed.Ready():
	default:
		t.Error("the feed is not ready")
	}
}

// The client of the line leaves out events that it cannot read, which may be all of a page.
func TestPollerContinuesAfterAnUnreadablePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for id := range int64(502) {
		w.line.put(id+1, unchanged)
	}
	r := newReplica(&partlyUnreadableLine{fakeLine: w.line, upTo: 500}, w.store.Events, w.store.Cursors)
	w.catchUp(t, r)
	w.event(t, 502)
	if got := w.cursor(t).After; got != 502 {
		t.Errorf("the feed says that it has caught up with the cursor at %d, want 502", got)
	}
}

// partlyUnreadableLine is a line whose events up to a seq cannot be read.
type partlyUnreadableLine struct {
	*fakeLine
	upTo int64
}

func (l *partlyUnreadableLine) Changes(ctx context.Context, after int64, limit int) (ports.Page, error) {
	page, err := l.fakeLine.Changes(ctx, after, limit)
	page.Events = slices.DeleteFunc(page.Events, func(event line.Event) bool { return event.Seq <= l.upTo })
	return page, err
}

func TestPollerContinuesFromTheSharedCursor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.line.put(1, unchanged)
	w.catchUp(t, w.replica)
	w.line.put(2, unchanged)
	second := w.newReplica()
	w.catchUp(t, second)
	if got := second.updates.transactions(); got != 1 {
		t.Errorf("the second replica changed the projection %d times, want once: the cursor stands behind event 1", got)
	}
	w.event(t, 2)
}

func TestPollersOfManyReplicasLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	replicas := []*replica{w.replica, w.newReplica(), w.newReplica()}
	for _, r := range replicas {
		running.Go(func() { _ = r.poller.Run(ctx) })
	}
	for id := range int64(300) {
		w.line.put(id+1, result(line.StateFinishedWin))
		replicas[id%3].poller.Heartbeat(w.line.heartbeat())
	}
	for _, r := range replicas {
		r.poller.Heartbeat(w.line.heartbeat())
		eventually(t, "every replica has caught up", func() bool { return r.feed.Status().Applied == 300 })
	}
	cancel()
	running.Wait()
	var resulted []domain.EventID
	for _, r := range replicas {
		resulted = append(resulted, r.woken()...)
	}
	slices.Sort(resulted)
	if len(resulted) != 300 || len(slices.Compact(resulted)) != 300 {
		t.Errorf("the settlers were woken %d times, want once for each of 300 events", len(resulted))
	}
	if got := w.cursor(t).After; got != 300 {
		t.Errorf("the cursor is at %d, want 300", got)
	}
}

func TestPollerReadsAnotherGenerationFromItsBeginning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for id := range int64(3) {
		w.line.put(id+1, unchanged)
	}
	w.catchUp(t, w.replica)
	// Redis went back in time: event 2 has lost its last change, event 3 is new, and the numbers
	// continue far above.
	events := maps.Clone(w.line.events)
	delete(events, 3)
	w.line.restart(line.Epoch{Dataset: "a", Generation: 2}, 3+1<<20, events)
	w.line.put(3, reprice)
	w.catchUp(t, w.replica)
	if got := w.event(t, 3); got.Quarantined || got.Seq != 4+1<<20 {
		t.Errorf("got %+v, want the new event 3", got)
	}
	if got, want := w.cursor(t), (ports.Cursor{Epoch: w.line.epoch, After: 4 + 1<<20}); got != want {
		t.Errorf("cursor %+v, want %+v", got, want)
	}
}

func TestPollerReadsAgainAfterASeqDecreased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for id := range int64(5) {
		w.line.put(id+1, unchanged)
	}
	w.catchUp(t, w.replica)
	events := maps.Clone(w.line.events)
	delete(events, 5)
	w.line.restart(w.line.epoch, 3, events)
	w.catchUp(t, w.replica)
	if got, want := w.cursor(t), (ports.Cursor{Epoch: w.line.epoch, After: 3}); got != want {
		t.Errorf("cursor %+v, want %+v", got, want)
	}
}

func TestPollerQuarantinesEventsOfAFormerDataSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for id := range int64(4) {
		w.line.put(id+1, unchanged)
	}
	w.line.put(4, result(line.StateFinishedLose))
	w.line.put(5, result(line.StateFinishedLose))
	w.catchUp(t, w.replica)
	w.line.restart(line.Epoch{Dataset: "b", Generation: 1}, 0, map[int64]line.Event{})
	w.line.put(1, unchanged)
	w.line.put(5, unchanged)
	w.line.put(9, unchanged)
	w.catchUp(t, w.replica)

	for id, quarantined := range map[domain.EventID]bool{
		1: true,  // another event now
		2: true,  // open, and no longer on the line
		3: true,  // likewise
		4: false, // decided long ago
		5: true,  // decided, and another event now
		9: false, // new
	} {
		if got := w.event(t, id); got.Quarantined != quarantined {
			t.Errorf("event %d: quarantined %t, want %t", id, got.Quarantined, quarantined)
		}
	}
	if cached, ok := w.cache.Get(1); !ok || !cached.Quarantined {
		t.Errorf("cached event 1: %+v, want it in quarantine", cached)
	}
	second := w.newReplica()
	w.catchUp(t, second)
	if got := w.event(t, 9); got.Quarantined {
		t.Errorf("after a restart event 9 is %+v", got)
	}
}

// A thief of the service token can send what the line has not said, with a number that no change of
// the line wins against.
func TestPollerQuarantinesEventsAheadOfTheLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.newUser(t)
	open := w.line.put(7, unchanged)
	w.line.put(8, unchanged)
	w.catchUp(t, w.replica)
	other := w.newReplica()
	w.catchUp(t, other)
	bet := w.place(t, user, 7).Bet.ID

	forged := open
	result(line.StateFinishedWin)(&forged.Event)
	forged.Event.Seq, forged.Event.Version = 1<<60, 1<<60
	invented := forged
	invented.Event.ID, invented.Event.Seq = 99, 1<<61
	for _, r := range []*replica{w.replica, other} {
		for _, change := range []line.Change{forged, invented} {
			if err := r.apply.Push(t.Context(), change); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.settle(t)
	w.wantBet(t, bet, domain.StatusWon) // which the story needs

	// An honest change comes between the answer to the poll and the look for events ahead.
	w.catchUp(t, newReplica(&overtakenLine{fakeLine: w.line, meanwhile: func() {
		if err := other.apply.Push(t.Context(), w.line.put(8, reprice)); err != nil {
			t.Error(err)
		}
	}}, w.store.Events, w.store.Cursors))
	for id, quarantined := range map[domain.EventID]bool{7: true, 8: false, 99: true} {
		if got := w.event(t, id); got.Quarantined != quarantined {
			t.Errorf("event %d: quarantined %t, want %t", id, got.Quarantined, quarantined)
		}
	}
	// Until an operator decides, neither side gets through.
	forged.Event.Seq++
	forged.Event.ResultRevision++
	forged.Event.State = line.StateCancelled
	for _, change := range []line.Change{forged, w.line.put(7, reprice)} {
		if err := other.apply.Push(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.event(t, 7); !got.Quarantined || got.Seq != 1<<60 {
		t.Errorf("in quarantine the event has become %+v", got)
	}

	for id, how := range map[domain.EventID]domain.Resolution{7: domain.ResolveAdopt, 99: domain.ResolveVoid} {
		if _, err := w.resolve(t, id, how); err != nil {
			t.Fatal(err)
		}
	}
	w.settle(t)
	w.wantBet(t, bet, domain.StatusPending)
	w.catchUp(t, w.replica)
	w.catchUp(t, other)
	for _, id := range []domain.EventID{7, 99} {
		if got := w.event(t, id); got.Quarantined || got.Seq > w.line.seq {
			t.Errorf("after its resolution event %d is %+v, and the line is at %d", id, got, w.line.seq)
		}
	}
	// The line's changes count again, on replicas that remember the forged ones, too.
	if err := w.apply.Push(t.Context(), w.line.put(7, result(line.StateFinishedLose))); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	w.wantBet(t, bet, domain.StatusLost)
	w.line.put(7, result(line.StateFinishedWin))
	w.catchUp(t, other)
	w.settle(t)
	w.wantBet(t, bet, domain.StatusWon)
}

func TestPollerDropsAPageOfAFormerDataSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.line.put(1, unchanged)
	w.catchUp(t, w.replica)
	w.line.put(7, unchanged)
	other := w.newReplica()
	slow := newReplica(&overtakenLine{fakeLine: w.line, meanwhile: func() {
		w.line.restart(line.Epoch{Dataset: "b", Generation: 1}, 0, map[int64]line.Event{})
		w.line.put(7, reprice)
		w.catchUp(t, other)
	}}, w.store.Events, w.store.Cursors)
	w.catchUp(t, slow)
	if got := w.event(t, 7); got.Quarantined || got.Dataset != "b" {
		t.Errorf("got %+v, want event 7 of data set b", got)
	}
}

// overtakenLine answers late: a change happens between its first answer and its arrival.
type overtakenLine struct {
	*fakeLine
	meanwhile func()
}

func (l *overtakenLine) Changes(ctx context.Context, after int64, limit int) (ports.Page, error) {
	page, err := l.fakeLine.Changes(ctx, after, limit)
	if l.meanwhile != nil {
		l.meanwhile()
		l.meanwhile = nil
	}
	return page, err
}

// memory is a cursor and a projection for tests with fake time, which cannot wait for a database.
type memory struct {
	ports.Events // for the methods that the poller does not use
	mu           sync.Mutex
	cursor       ports.Cursor
	events       map[domain.EventID]domain.Event
}

func (m *memory) Cursor(context.Context) (ports.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursor, nil
}

func (m *memory) MoveCursor(_ context.Context, from, next ports.Cursor) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cursor != from {
		return false, nil
	}
	m.cursor = next
	return true, nil
}

func (m *memory) Update(_ context.Context, _ []domain.EventID, decide func(time.Time, map[domain.EventID]domain.Event) []domain.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, event := range decide(time.Now(), m.events) {
		m.events[event.ID] = event
	}
	return nil
}

func (m *memory) Event(_ context.Context, id domain.EventID) (domain.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	event, ok := m.events[id]
	if !ok {
		return event, ports.ErrNotFound
	}
	return event, nil
}

func (m *memory) UndecidedEvents(context.Context, string, domain.EventID, int) ([]domain.Event, error) {
	return nil, nil
}

func (m *memory) EventsAbove(context.Context, string, int64, int) ([]domain.Event, error) {
	return nil, nil
}

func (m *memory) OpenEvents(context.Context, domain.EventID, int) ([]domain.Event, error) {
	return nil, nil
}

// inBubble runs a test of a poller with fake time.
func inBubble(t *testing.T, story func(ctx context.Context, lines *fakeLine, r *replica)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{events: make(map[domain.EventID]domain.Event)}
		lines := newFakeLine()
		r := newReplica(lines, m, m)
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- r.poller.Run(ctx) }()
		synctest.Wait()
		story(ctx, lines, r)
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("the poller ended with %v", err)
		}
	})
}

// beat sends heartbeats for a while, as line-provider does.
func beat(lines *fakeLine, r *replica, seconds int) {
	for range seconds / 2 {
		r.poller.Heartbeat(lines.heartbeat())
		time.Sleep(2 * time.Second)
	}
}

func TestPollerPollsAtItsIntervalWhileHeartbeatsCome(t *testing.T) {
	t.Parallel()
	inBubble(t, func(_ context.Context, lines *fakeLine, r *replica) {
		beat(lines, r, 2)
		before := lines.requestCount()
		beat(lines, r, 120)
		if got := lines.requestCount() - before; got < 7 || got > 9 {
			t.Errorf("%d polls in two minutes, want one every 15 s", got)
		}
		if err := r.feed.Check(); err != nil {
			t.Errorf("the feed is dead: %v", err)
		}
	})
}

func TestPollerPollsEverySecondWhileHeartbeatsAreMissing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(_ context.Context, lines *fakeLine, r *replica) {
		beat(lines, r, 20)
		before := lines.requestCount()
		time.Sleep(1900 * time.Millisecond) // the last heartbeat came 2 s ago
		if got := lines.requestCount() - before; got > 1 {
			t.Errorf("%d polls before two heartbeats were missing", got)
		}
		before = lines.requestCount()
		time.Sleep(30 * time.Second)
		if got := lines.requestCount() - before; got < 29 || got > 31 {
			t.Errorf("%d polls in 30 s of silence, want one every second", got)
		}
		if err := r.feed.Check(); err != nil {
			t.Errorf("the feed is dead although the line can be read: %v", err)
		}
	})
}

func TestPollerPollsAtOnceWhenAHeartbeatShowsNews(t *testing.T) {
	t.Parallel()
	inBubble(t, func(_ context.Context, lines *fakeLine, r *replica) {
		beat(lines, r, 2)
		lines.put(7, unchanged)
		r.poller.Heartbeat(lines.heartbeat())
		time.Sleep(time.Millisecond)
		if got := r.feed.Status().Applied; got != 1 {
			t.Errorf("applied up to %d, want 1", got)
		}
	})
}

func TestPollsAreBoundedWhenWokenOften(t *testing.T) {
	t.Parallel()
	inBubble(t, func(_ context.Context, lines *fakeLine, r *replica) {
		before := lines.requestCount()
		for range 10_000 {
			r.poller.Wake()
			time.Sleep(100 * time.Microsecond)
		}
		if got := lines.requestCount() - before; got > 12 {
			t.Errorf("%d polls in a second, want at most ten", got)
		}
	})
}

func TestFeedDiesAndRecoversWithTheLine(t *testing.T) {
	t.Parallel()
	inBubble(t, func(_ context.Context, lines *fakeLine, r *replica) {
		lines.fail(errors.New("down"))
		before := lines.requestCount()
		time.Sleep(11 * time.Second)
		if got := lines.requestCount() - before; got < 10 || got > 12 {
			t.Errorf("%d polls in 11 s, want one every second", got)
		}
		if err := r.feed.Check(); !errors.Is(err, domain.ErrFeedUnavailable) {
			t.Errorf("the feed says %v, want that it is unavailable", err)
		}
		lines.fail(nil)
		time.Sleep(1100 * time.Millisecond)
		if err := r.feed.Check(); err != nil {
			t.Errorf("the line is back, and the feed says %v", err)
		}
	})
}

// While the line is down, somebody who has kept its last heartbeats sends them again and again.
func TestOldHeartbeatsDoNotKeepTheFeedAlive(t *testing.T) {
	t.Parallel()
	inBubble(t, func(_ context.Context, lines *fakeLine, r *replica) {
		var kept []line.Heartbeat
		for range 5 {
			kept = append(kept, lines.heartbeat())
			r.poller.Heartbeat(kept[len(kept)-1])
			time.Sleep(2 * time.Second)
		}
		lines.fail(errors.New("down"))
		before := lines.requestCount()
		for range 11 {
			for _, heartbeat := range kept {
				r.poller.Heartbeat(heartbeat)
			}
			time.Sleep(time.Second)
		}
		if err := r.feed.Check(); !errors.Is(err, domain.ErrFeedUnavailable) {
			t.Errorf("after 11 s without the line the feed says %v, want that it is unavailable", err)
		}
		if got := lines.requestCount() - before; got < 7 || got > 12 {
			t.Errorf("%d polls in 11 s, want one every second once two heartbeats are missing", got)
		}
	})
}

func TestPollerBoundsRestartsForNewEpochs(t *testing.T) {
	t.Parallel()
	inBubble(t, func(ctx context.Context, lines *fakeLine, r *replica) {
		restless := &restlessLine{fakeLine: lines}
		other := newReplica(restless, r.updates.Events, &memory{})
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := other.poller.Run(ctx); err != nil {
			t.Errorf("the poller ended with %v", err)
		}
		if restless.generation > 60 {
			t.Errorf("%d requests in 10 s", restless.generation)
		}
		if err := other.feed.Check(); err == nil {
			t.Error("the feed is alive")
		}
	})
}

// restlessLine is in another epoch at every request.
type restlessLine struct {
	*fakeLine
	generation int64
}

func (l *restlessLine) Changes(ctx context.Context, after int64, limit int) (ports.Page, error) {
	l.generation++
	page, err := l.fakeLine.Changes(ctx, after, limit)
	page.Epoch.Generation = l.generation
	return page, err
}

func TestLossDetector(t *testing.T) {
	t.Parallel()
	const grace = 15 * time.Second
	tests := map[string]struct {
		story func(l *losses)
		want  int
	}{
		"a message that never comes": {want: 1, story: func(l *losses) {
			l.Learnt(l.change())
		}},
		"a message that came before the page": {story: func(l *losses) {
			c := l.change()
			l.Pushed(c)
			l.Learnt(c)
		}},
		"a message that comes after the page": {story: func(l *losses) {
			c := l.change()
			l.Learnt(c)
			time.Sleep(grace - time.Second)
			l.Pushed(c)
		}},
		"a result from before the bus was connected": {story: func(l *losses) {
			c := l.change()
			l.Connected(false)
			time.Sleep(time.Second)
			l.Connected(true)
			l.Learnt(c)
		}},
		"the bus was lost meanwhile": {story: func(l *losses) {
			l.Learnt(l.change())
			l.Connected(false)
			l.Connected(true)
		}},
		"heartbeats are missing": {story: func(l *losses) {
			l.Learnt(l.change())
			l.heartbeats.Store(false)
		}},
		"another generation's message": {story: func(l *losses) {
			c := l.change()
			l.Learnt(c)
			c.Epoch.Generation++
			l.Pushed(c)
		}},
		"three of four": {want: 3, story: func(l *losses) {
			for range 4 {
				l.Learnt(l.change())
			}
			l.Pushed(line.Change{Epoch: l.line.epoch, Event: line.Event{Seq: l.line.seq}})
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				healed := 0
				l := &losses{line: newFakeLine()}
				l.heartbeats.Store(true)
				l.LossDetector = &usecase.LossDetector{
					Grace: grace, Logger: quiet,
					Heartbeats: l.heartbeats.Load,
					Healed:     func(results int) { healed += results },
				}
				ctx, cancel := context.WithCancel(t.Context())
				ran := make(chan error, 1)
				go func() { ran <- l.Run(ctx) }()
				l.Connected(true)
				time.Sleep(time.Minute)
				test.story(l)
				time.Sleep(2 * grace)
				cancel()
				if err := <-ran; err != nil {
					t.Fatal(err)
				}
				if healed != test.want {
					t.Errorf("counted %d, want %d", healed, test.want)
				}
			})
		})
	}
}

// losses is the fixture of the tests of lost messages.
type losses struct {
	*usecase.LossDetector
	line       *fakeLine
	heartbeats atomic.Bool
}

// change makes a result.
func (l *losses) change() line.Change {
	return l.line.put(l.line.seq+1, result(line.StateFinishedWin))
}

// Bets are taken only while the store's clock agrees with this process's and the line's. Each poll
// compares them.
func TestBetsAreRefusedWhileTheClocksDiffer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wall, store, line time.Duration
		skew              domain.ClockSkew
		refused           bool
	}{
		"none":                         {},
		"the store, little":            {-5 * time.Second, -5 * time.Second, 0, domain.ClockSkew{Store: -5 * time.Second, Line: 5 * time.Second}, false},
		"the store is behind":          {-time.Hour, -time.Hour, 0, domain.ClockSkew{Store: -time.Hour, Line: time.Hour}, true},
		"the store is ahead":           {6 * time.Second, 6 * time.Second, 0, domain.ClockSkew{Store: 6 * time.Second, Line: -6 * time.Second}, true},
		"the store's server went back": {-time.Hour, 0, 0, domain.ClockSkew{Store: -time.Hour, Line: time.Hour}, true},
		"the store's server was put right": {
			0, time.Hour, 0, domain.ClockSkew{Store: time.Hour, Line: -time.Hour}, true,
		},
		"the line is ahead": {0, 0, 6 * time.Second, domain.ClockSkew{Line: 6 * time.Second}, true},
		"this process":      {time.Minute, time.Minute, time.Minute, domain.ClockSkew{Store: time.Minute}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(_ context.Context, lines *fakeLine, r *replica) {
				time.Sleep(16 * time.Second)
				if err := r.feed.Check(); err != nil {
					t.Fatalf("before the clocks differ: %v", err)
				}
				r.clock.shift(c.wall, c.store)
				lines.shift(c.line)
				time.Sleep(16 * time.Second)
				if got := r.feed.ClockSkew(); got != c.skew {
					t.Errorf("skew %+v, want %+v", got, c.skew)
				}
				err := r.feed.Check()
				if errors.Is(err, domain.ErrFeedUnavailable) != c.refused || r.feed.Status().Alive == c.refused {
					t.Errorf("got %v, %+v, want refused %t", err, r.feed.Status(), c.refused)
				}
				r.clock.shift(0, 0)
				lines.shift(0)
				time.Sleep(16 * time.Second)
				if err := r.feed.Check(); err != nil || r.feed.ClockSkew() != (domain.ClockSkew{}) {
					t.Errorf("after the clocks agree again: %v, %+v", err, r.feed.ClockSkew())
				}
			})
		})
	}
}

func ExampleSource() {
	fmt.Println(usecase.FromPush, usecase.FromPage, usecase.FromLookup)
	// Output: push page lookup
}
