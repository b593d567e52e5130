package usecase_test

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/adapters/sqlite/sqlitetest"
	"stavka.local/betmaker/internal/adapters/ttlcache"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/line"
	"stavka.local/shared/odds"
)

var quiet = slog.New(slog.DiscardHandler)

// fakeLine is a line in memory.
type fakeLine struct {
	mu       sync.Mutex
	epoch    line.Epoch
	seq      int64
	events   map[int64]line.Event
	err      error         // the answer to every request, if set
	requests int           // the number of requests
	ahead    time.Duration // of its clock, of ours
}

func newFakeLine() *fakeLine {
	return &fakeLine{epoch: line.Epoch{Dataset: "a", Generation: 1}, events: make(map[int64]line.Event)}
}

// put makes a change and returns it. edit gets the present event, or a new one.
func (l *fakeLine) put(id int64, edit func(*line.Event)) line.Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	event, ok := l.events[id]
	if !ok {
		event = line.Event{ID: id, Coefficient: odds.MustParse("1.45"), State: line.StateNew, Deadline: time.Now().Add(time.Hour).Truncate(time.Second).UTC()}
	}
	l.seq++
	event.Seq, event.Version = l.seq, event.Version+1
	edit(&event)
	l.events[id] = event
	return line.Change{Epoch: l.epoch, Event: event}
}

// restart makes it another line or another epoch of the same one.
func (l *fakeLine) restart(epoch line.Epoch, seq int64, events map[int64]line.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch, l.seq, l.events = epoch, seq, events
}

func (l *fakeLine) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *fakeLine) shift(ahead time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ahead = ahead
}

func (l *fakeLine) requestCount() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests
}

func (l *fakeLine) heartbeat() line.Heartbeat {
	l.mu.Lock()
	defer l.mu.Unlock()
	return line.Heartbeat{Epoch: l.epoch, LastSeq: l.seq, SentAt: time.Now()}
}

func (l *fakeLine) Changes(_ context.Context, after int64, limit int) (ports.Page, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	events := slices.SortedFunc(maps.Values(l.events), func(a, b line.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	events = slices.DeleteFunc(events, func(event line.Event) bool { return event.Seq <= after })
	page := ports.Page{Epoch: l.epoch, LastSeq: l.seq, NextAfter: max(after, l.seq), Events: events}
	now := time.Now()
	page.Clock = domain.ClockReading{At: now.Add(l.ahead), Before: now, After: now}
	if len(events) > limit {
		page.Events, page.NextAfter = events[:limit], events[limit-1].Seq
	}
	return page, l.err
}

func (l *fakeLine) Event(_ context.Context, id domain.EventID) (line.Change, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	event, ok := l.events[int64(id)]
	if l.err == nil && !ok {
		return line.Change{}, ports.ErrNotFound
	}
	return line.Change{Epoch: l.epoch, Event: event}, l.err
}

// updates is the projection. It counts transactions, and the test chooses their result.
type updates struct {
	ports.Events
	mu    sync.Mutex
	count int
	err   error // returned after the transaction, once
}

func (u *updates) Update(ctx context.Context, ids []domain.EventID, decide func(time.Time, map[domain.EventID]domain.Event) []domain.Event) error {
	err := u.Events.Update(ctx, ids, decide)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.count++
	if err == nil {
		err, u.err = u.err, nil
	}
	return err
}

func (u *updates) failOnce(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.err = err
}

func (u *updates) transactions() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.count
}

// replica is the part of a bet-maker that follows the line.
type replica struct {
	feed      *usecase.Feed
	apply     *usecase.ApplyEventChange
	poller    *usecase.Poller
	cache     *ttlcache.Events
	catalogue *usecase.Catalogue
	updates   *updates
	clock     shiftedClock

	mu         sync.Mutex
	resulted   []domain.EventID
	impossible int
	strays     int // changes of another data set
	polled     int
}

// world is a line, a database and a replica.
type world struct {
	*replica
	line  *fakeLine
	store *sqlite.Store
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store := sqlitetest.New(t)
	w := &world{line: newFakeLine(), store: store}
	w.replica = w.newReplica()
	return w
}

// newReplica returns another replica on the same line and database.
func (w *world) newReplica() *replica {
	return newReplica(w.line, w.store.Events, w.store.Cursors)
}

func newReplica(lines ports.Line, events ports.Events, cursors ports.Cursors) *replica {
	r := &replica{
		feed:    usecase.NewFeed(10*time.Second, 5*time.Second, quiet),
		cache:   ttlcache.NewEvents(100, time.Minute),
		updates: &updates{Events: events},
	}
	r.apply = usecase.NewApplyEventChange(usecase.ApplyConfig{
		Events:  r.updates,
		Dataset: r.feed.Dataset, RecordedBy: r.feed.RecordedBy,
		Logger: quiet,
		Impossible: func(usecase.Source) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.impossible++
		},
	})
	r.apply.Follow(usecase.Followers{
		Offer: r.cache.Offer,
		Resulted: func(id domain.EventID) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.resulted = append(r.resulted, id)
		},
		OtherDataset: func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.strays++
			r.poller.Wake()
		},
	})
	r.poller = usecase.NewPoller(usecase.PollerConfig{
		Line: lines, Cursors: cursors, Clock: &r.clock, Events: r.updates, Apply: r.apply, Feed: r.feed,
		Interval: 15 * time.Second, HeartbeatInterval: 2 * time.Second, Logger: quiet,
		Polled: func(_ time.Duration, err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if err == nil {
				r.polled++
			}
		},
	})
	r.catalogue = usecase.NewCatalogue(usecase.CatalogueConfig{
		Cache: r.cache, Unknown: ttlcache.NewUnknown(100, time.Second), Events: r.updates, Line: lines, Apply: r.apply.Lookup,
	})
	return r
}

// shiftedClock implements ports.Clock: the server's clock is ahead of ours by wall, the store's by store.
type shiftedClock struct {
	mu          sync.Mutex
	wall, store time.Duration
}

func (c *shiftedClock) shift(wall, store time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.store = wall, store
}

func (c *shiftedClock) Clocks(context.Context) (wall, store domain.ClockReading, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return domain.ClockReading{At: now.Add(c.wall), Before: now, After: now}, domain.ClockReading{At: now.Add(c.store), Before: now, After: now}, nil
}

// woken returns the events for which the settler was woken.
func (r *replica) woken() []domain.EventID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.resulted)
}

// catchUp runs the poller until it has read the line to its end once.
func (w *world) catchUp(t *testing.T, r *replica) {
	t.Helper()
	before := r.polls()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- r.poller.Run(ctx) }()
	eventually(t, "the replica has caught up", func() bool { return r.polls() > before })
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("the poller ended with %v", err)
	}
}

// polls returns how often the line has been read to its end.
func (r *replica) polls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.polled
}

// event returns an event of the projection.
func (w *world) event(t *testing.T, id domain.EventID) domain.Event {
	t.Helper()
	event, err := w.store.Events.Event(t.Context(), id)
	if err != nil {
		t.Fatalf("event %d: %v", id, err)
	}
	return event
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func reprice(event *line.Event) { event.Coefficient = odds.MustParse("2.00") }

func result(state line.State) func(*line.Event) {
	return func(event *line.Event) {
		event.State = state
		event.ResultRevision++
		event.UpdatedAt = time.Now().UTC().Truncate(time.Second)
	}
}

func unchanged(*line.Event) {}
