// Package portstest checks a store against the contract in package ports. An adapter's test only
// needs to call Run.
package portstest

import (
	"crypto/sha256"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/fieldtest"
	"stavka.local/shared/odds"
)

// NewLine returns a new, empty line.
type NewLine func(t *testing.T) Line

// Line is a line under test.
type Line struct {
	// Open opens the line, as another process with each call.
	Open func() ports.Store
	// Exclusive means that the line has a single process. Open returns the same store each time,
	// which always holds the lease.
	Exclusive bool
}

// Run runs the suite.
func Run(t *testing.T, newLine NewLine) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, NewLine){
		"an event comes back as it was stored":                testRoundTrip,
		"ids and seqs are allotted without gaps":              testNumbers,
		"an unknown event is not found":                       testUnknown,
		"a key creates one event":                             testKey,
		"concurrent creations under one key create one event": testKeyConcurrently,
		"a change takes the next version and seq":             testApply,
		"a change of another version is refused":              testStale,
		"a change decided on another data set is refused":     testOtherDataset,
		"an empty change writes nothing":                      testEmptyChange,
		"of concurrent changes to a version one wins":         testOneWins,
		"no concurrent change is lost":                        testNoLostChange,
		"events are listed by id":                             testEvents,
		"events are listed by state":                          testEventsByState,
		"history tells every change":                          testHistory,
		"the log holds each event at its last seq":            testChanges,
		"a page is complete up to its next_after":             testChangesUnderWrites,
		"the published seq only grows":                        testPublished,
		"the head counts what waits":                          testHead,
		"the lease has one holder":                            testLease,
		"a lease runs out":                                    testLeaseExpires,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newLine)
		})
	}
}

// now is the time of all changes in the suite.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var (
	rules  = domain.Rules{MinimumDuration: time.Hour, MaxCoefficient: odds.MustParse("1000.00")}
	author = domain.Author{Actor: "anna", Token: "3fa1b2c4"}
)

func creation(t *testing.T, coefficient string) ports.Creation {
	t.Helper()
	change, err := domain.Open(now, domain.Offer{Coefficient: odds.MustParse(coefficient)}, rules)
	if err != nil {
		t.Fatal(err)
	}
	return ports.Creation{Change: change, Author: author}
}

func create(t *testing.T, s ports.Store) ports.Snapshot {
	t.Helper()
	created, err := s.Create(t.Context(), creation(t, "1.45"))
	if err != nil {
		t.Fatal(err)
	}
	return created.Snapshot
}

// reprice returns a decision to raise the price by a hundredth.
func reprice(t *testing.T, from ports.Snapshot) ports.Update {
	t.Helper()
	price, err := odds.FromHundredths(from.Event.Coefficient.Hundredths() + 1)
	if err != nil {
		t.Fatal(err)
	}
	change, err := from.Event.Amend(now.Add(time.Second), domain.Amendment{Coefficient: &price}, rules)
	if err != nil {
		t.Fatal(err)
	}
	return ports.Update{Epoch: from.Epoch, Change: change, Author: author}
}

func apply(t *testing.T, s ports.Store, u ports.Update) ports.Snapshot {
	t.Helper()
	snapshot, err := s.Apply(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func finish(t *testing.T, s ports.Store, from ports.Snapshot, state domain.State) ports.Snapshot {
	t.Helper()
	change, err := from.Event.Decide(now.Add(time.Minute), domain.Result{State: state})
	if err != nil {
		t.Fatal(err)
	}
	return apply(t, s, ports.Update{Epoch: from.Epoch, Change: change, Author: author})
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func isError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func testRoundTrip(t *testing.T, newLine NewLine) {
	open := newLine(t).Open
	s := open()
	c := creation(t, "2.50")
	c.Change.After.Name = `Lions – "Tigers" \ 1`
	created, err := s.Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	want := c.Change.After
	want.ID, want.Seq = 1, 1
	equal(t, "created", created.Event, want)

	effective := now.Add(30 * time.Second)
	change, err := want.Decide(now.Add(time.Minute), domain.Result{
		State: domain.StateFinishedWin, EffectiveAt: &domain.Instant{At: effective},
	})
	if err != nil {
		t.Fatal(err)
	}
	change.After = fieldtest.Completed(t, change.After) // so that a store that drops a field is found
	finished := apply(t, s, ports.Update{Epoch: created.Epoch, Change: change})
	want = change.After
	want.Seq = 2
	equal(t, "finished", finished.Event, want)

	read, err := open().Event(t.Context(), 1) // another process
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "read", read, finished)
	history, err := open().History(t.Context(), ports.HistoryQuery{ID: 1, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "last in its history", history.Entries[len(history.Entries)-1].Event, finished.Event)
}

func testNumbers(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	for want := int64(1); want <= 3; want++ {
		event := create(t, s).Event
		equal(t, "numbers", []int64{int64(event.ID), event.Seq, event.Version}, []int64{want, want, 1})
	}
}

func testUnknown(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	_, err := s.Event(t.Context(), 1)
	isError(t, "Event", err, domain.ErrEventNotFound)
	_, err = s.History(t.Context(), ports.HistoryQuery{ID: 1, Limit: 1})
	isError(t, "History", err, domain.ErrEventNotFound)
}

func testKey(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	key := &ports.Key{Scope: "3fa1b2c4 create", Text: "k \x7f{}", Fingerprint: sha256.Sum256([]byte("1.45"))}
	unknown, err := s.Recall(t.Context(), *key)
	equal(t, "unknown key", unknown, ports.Created{})
	isError(t, "unknown key", err, nil)

	c := creation(t, "1.45")
	c.Key, c.Change.After.Name = key, "derby"
	first, err := s.Create(t.Context(), c)
	if err != nil || first.Replayed {
		t.Fatal(first, err)
	}
	apply(t, s, reprice(t, first.Snapshot))

	again := creation(t, "1.45")
	again.Key, again.Change.After.Deadline = key, now.Add(3*time.Hour) // a default of a later hour
	want := first
	want.Replayed = true
	replayed, err := s.Create(t.Context(), again)
	isError(t, "same key", err, nil)
	equal(t, "same key: the event as created", replayed, want)
	recalled, err := s.Recall(t.Context(), *key)
	isError(t, "Recall", err, nil)
	equal(t, "Recall", recalled, want)

	other := creation(t, "1.46")
	other.Key = &ports.Key{Scope: key.Scope, Text: key.Text, Fingerprint: sha256.Sum256([]byte("1.46"))}
	_, err = s.Create(t.Context(), other)
	isError(t, "same key, other content", err, domain.ErrKeyReused)
	_, err = s.Recall(t.Context(), *other.Key)
	isError(t, "Recall of other content", err, domain.ErrKeyReused)

	other.Key.Scope = "another scope"
	second, err := s.Create(t.Context(), other)
	isError(t, "other scope", err, nil)
	equal(t, "other scope: a new event", []int64{int64(second.Event.ID), second.Event.Seq}, []int64{2, 3})
}

func testKeyConcurrently(t *testing.T, newLine NewLine) {
	open := newLine(t).Open
	const callers = 16
	var wg sync.WaitGroup
	results := make([]ports.Created, callers)
	for i := range callers {
		s, c := open(), creation(t, "1.45")
		c.Key = &ports.Key{Scope: "s", Text: "k"}
		wg.Go(func() {
			var err error
			if results[i], err = s.Create(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	fresh := 0
	for _, r := range results {
		if !r.Replayed {
			fresh++
		}
		equal(t, "event", r.Event, results[0].Event)
	}
	equal(t, "creations that were no replay", fresh, 1)
	head, err := open().Head(t.Context())
	isError(t, "Head", err, nil)
	equal(t, "last seq", head.LastSeq, 1)
}

func testApply(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	first, second := create(t, s), create(t, s)
	update := reprice(t, first)
	got := apply(t, s, update)
	want := update.Change.After
	want.Version, want.Seq = 2, 3
	equal(t, "applied", got, ports.Snapshot{Epoch: first.Epoch, Event: want})
	read, err := s.Event(t.Context(), second.Event.ID)
	isError(t, "Event", err, nil)
	equal(t, "the other event", read, second)
}

func testStale(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	created := create(t, s)
	update := reprice(t, created)
	changed := apply(t, s, update)

	_, err := s.Apply(t.Context(), update)
	isError(t, "the same decision again", err, domain.ErrVersionMismatch)
	unknown := update
	unknown.Change.Before.ID, unknown.Change.After.ID = 77, 77
	_, err = s.Apply(t.Context(), unknown)
	isError(t, "an event that does not exist", err, domain.ErrVersionMismatch)

	read, err := s.Event(t.Context(), created.Event.ID)
	isError(t, "Event", err, nil)
	equal(t, "the event", read, changed)
	head, err := s.Head(t.Context())
	isError(t, "Head", err, nil)
	equal(t, "last seq", head.LastSeq, changed.Event.Seq)
}

func testOtherDataset(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	created := create(t, s)
	update := reprice(t, created)
	update.Epoch.Dataset += "x"
	_, err := s.Apply(t.Context(), update)
	isError(t, "Apply", err, domain.ErrVersionMismatch)
	read, err := s.Event(t.Context(), created.Event.ID)
	isError(t, "Event", err, nil)
	equal(t, "the event", read, created)
}

func testEmptyChange(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	created := create(t, s)
	change, err := created.Event.Decide(now, domain.Result{State: domain.StateNew})
	if err != nil {
		t.Fatal(err)
	}
	got := apply(t, s, ports.Update{Epoch: created.Epoch, Change: change})
	equal(t, "applied", got, created)
	history, err := s.History(t.Context(), ports.HistoryQuery{ID: created.Event.ID, Limit: 10})
	isError(t, "History", err, nil)
	equal(t, "entries", len(history.Entries), 1)
}

func testOneWins(t *testing.T, newLine NewLine) {
	open := newLine(t).Open
	created := create(t, open())
	const callers = 16
	var wg sync.WaitGroup
	won := make(chan ports.Snapshot, callers)
	for range callers {
		s, update := open(), reprice(t, created)
		wg.Go(func() {
			snapshot, err := s.Apply(t.Context(), update)
			if err == nil {
				won <- snapshot
				return
			}
			isError(t, "a loser", err, domain.ErrVersionMismatch)
		})
	}
	wg.Wait()
	close(won)
	if len(won) != 1 {
		t.Fatalf("%d of %d changes to one version succeeded", len(won), callers)
	}
	equal(t, "version", (<-won).Event.Version, 2)
}

func testNoLostChange(t *testing.T, newLine NewLine) {
	open := newLine(t).Open
	created := create(t, open())
	const writers, changes = 8, 10
	var wg sync.WaitGroup
	var mu sync.Mutex
	seqs := []int64{created.Event.Seq}
	for range writers {
		s := open()
		wg.Go(func() {
			for done := 0; done < changes; {
				current, err := s.Event(t.Context(), created.Event.ID)
				if err != nil {
					t.Error(err)
					return
				}
				changed, err := s.Apply(t.Context(), reprice(t, current))
				if errors.Is(err, domain.ErrVersionMismatch) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				done++
				mu.Lock()
				seqs = append(seqs, changed.Event.Seq)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(seqs)
	for i, seq := range seqs {
		if seq != int64(i)+1 {
			t.Fatalf("seqs have gaps or repeat: %v", seqs)
		}
	}
	last, err := open().Event(t.Context(), created.Event.ID)
	isError(t, "Event", err, nil)
	equal(t, "version", last.Event.Version, 1+writers*changes)
	equal(t, "price", last.Event.Coefficient.Hundredths(), created.Event.Coefficient.Hundredths()+writers*changes)
}

func testEvents(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	empty, err := s.Events(t.Context(), ports.EventsQuery{Limit: 2})
	isError(t, "Events of an empty line", err, nil)
	equal(t, "an empty line", []any{len(empty.Events), empty.More}, []any{0, false})
	for range 5 {
		create(t, s)
	}
	for _, c := range []struct {
		after domain.EventID
		limit int
		want  []domain.EventID
		more  bool
	}{
		{0, 2, []domain.EventID{1, 2}, true},
		{2, 2, []domain.EventID{3, 4}, true},
		{4, 2, []domain.EventID{5}, false},
		{3, 2, []domain.EventID{4, 5}, false},
		{0, 500, []domain.EventID{1, 2, 3, 4, 5}, false},
		{5, 2, nil, false},
		{1<<63 - 1, 2, nil, false},
	} {
		page, err := s.Events(t.Context(), ports.EventsQuery{After: c.after, Limit: c.limit})
		isError(t, "Events", err, nil)
		equal(t, "ids", ids(page.Events), c.want)
		equal(t, "more", page.More, c.more)
	}
}

func testEventsByState(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	for i := range 12 { // ids of one and two digits, which must not sort as texts
		snapshot := create(t, s)
		if i%2 == 0 {
			finish(t, s, snapshot, domain.StateFinishedWin)
		}
	}
	query := func(state domain.State, after domain.EventID) ports.EventsPage {
		page, err := s.Events(t.Context(), ports.EventsQuery{State: state, After: after, Limit: 4})
		isError(t, "Events", err, nil)
		for _, e := range page.Events {
			equal(t, "state", e.State, state)
		}
		return page
	}
	page := query(domain.StateFinishedWin, 0)
	equal(t, "finished", ids(page.Events), []domain.EventID{1, 3, 5, 7})
	equal(t, "more finished", page.More, true)
	page = query(domain.StateFinishedWin, 7)
	equal(t, "finished", ids(page.Events), []domain.EventID{9, 11})
	equal(t, "more finished", page.More, false)
	equal(t, "open", ids(query(domain.StateNew, 6).Events), []domain.EventID{8, 10, 12})
	equal(t, "cancelled", ids(query(domain.StateCancelled, 0).Events), nil)
}

func ids(events []domain.Event) []domain.EventID {
	var list []domain.EventID
	for _, e := range events {
		list = append(list, e.ID)
	}
	return list
}

func testHistory(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	versions := []ports.Snapshot{create(t, s)}
	versions = append(versions, apply(t, s, reprice(t, versions[0])))
	versions = append(versions, finish(t, s, versions[1], domain.StateFinishedWin))
	change, err := versions[2].Event.Decide(now.Add(time.Hour), domain.Result{
		State: domain.StateFinishedLose, Reason: "goal disallowed",
	})
	if err != nil {
		t.Fatal(err)
	}
	versions = append(versions, apply(t, s, ports.Update{
		Epoch: versions[2].Epoch, Change: change, Reason: "goal disallowed", Author: domain.Author{Actor: "boris"},
	}))
	want := []domain.Entry{
		{Action: domain.ActionCreate, At: now, Author: author, Event: versions[0].Event},
		{Action: domain.ActionChange, At: now.Add(time.Second), Author: author, Event: versions[1].Event},
		{Action: domain.ActionFinish, At: now.Add(time.Minute), Author: author, Event: versions[2].Event},
		{Action: domain.ActionCorrect, At: now.Add(time.Hour), Author: domain.Author{Actor: "boris"},
			Reason: "goal disallowed", Event: versions[3].Event},
	}
	for _, c := range []struct {
		after int64
		limit int
		want  []domain.Entry
		more  bool
	}{
		{0, 500, want, false},
		{0, 3, want[:3], true},
		{3, 3, want[3:], false},
		{1, 2, want[1:3], true},
		{4, 1, nil, false},
		{1<<63 - 1, 1, nil, false},
	} {
		page, err := s.History(t.Context(), ports.HistoryQuery{ID: 1, After: c.after, Limit: c.limit})
		isError(t, "History", err, nil)
		equal(t, "page", page, ports.HistoryPage{Epoch: versions[0].Epoch, Entries: c.want, More: c.more})
	}
}

func testChanges(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	empty, err := s.Changes(t.Context(), 0, 10)
	isError(t, "Changes of an empty line", err, nil)
	epoch := empty.Epoch
	equal(t, "an empty line", empty, ports.ChangesPage{Epoch: epoch})
	if epoch.Dataset == "" || epoch.Generation != 1 {
		t.Errorf("epoch of a new line: %v", epoch)
	}

	first, second, third := create(t, s), create(t, s), create(t, s)
	first = apply(t, s, reprice(t, first))
	for _, c := range []struct {
		after int64
		limit int
		want  ports.ChangesPage
	}{
		{0, 10, ports.ChangesPage{NextAfter: 4, Events: []domain.Event{second.Event, third.Event, first.Event}}},
		{0, 2, ports.ChangesPage{NextAfter: 3, Events: []domain.Event{second.Event, third.Event}}},
		{3, 1, ports.ChangesPage{NextAfter: 4, Events: []domain.Event{first.Event}}},
		{4, 1, ports.ChangesPage{NextAfter: 4}},
		{9, 1, ports.ChangesPage{NextAfter: 9}},
		{1<<63 - 1, 1, ports.ChangesPage{NextAfter: 1<<63 - 1}},
	} {
		c.want.Epoch, c.want.LastSeq = epoch, 4
		page, err := s.Changes(t.Context(), c.after, c.limit)
		isError(t, "Changes", err, nil)
		equal(t, "page", page, c.want)
	}
}

// testChangesUnderWrites reads the log while others write to it. In the end it must have seen the
// last state of every event.
func testChangesUnderWrites(t *testing.T, newLine NewLine) {
	open := newLine(t).Open
	const writers, changes = 4, 25
	var wg sync.WaitGroup
	for range writers {
		s := open()
		wg.Go(func() {
			snapshot := create(t, s)
			for range changes {
				snapshot = apply(t, s, reprice(t, snapshot))
			}
		})
	}
	written := make(chan struct{})
	go func() { wg.Wait(); close(written) }()

	s := open()
	seen := map[domain.EventID]domain.Event{}
	var cursor int64
	for ended := false; ; {
		select {
		case <-written:
			ended = true // the next page must be complete
		default:
		}
		page, err := s.Changes(t.Context(), cursor, 3)
		if err != nil {
			t.Fatal(err)
		}
		previous := cursor
		for _, e := range page.Events {
			if e.Seq <= previous || e.Seq > page.LastSeq {
				t.Fatalf("seq %d after %d in a page up to %d", e.Seq, previous, page.LastSeq)
			}
			previous = e.Seq
			seen[e.ID] = e
		}
		cursor = page.NextAfter
		if ended && len(page.Events) == 0 {
			break
		}
	}
	equal(t, "cursor", cursor, writers*(changes+1))
	equal(t, "events seen", len(seen), writers)
	for id, event := range seen {
		current, err := s.Event(t.Context(), id)
		isError(t, "Event", err, nil)
		equal(t, "last seen", event, current.Event)
	}
}

func testPublished(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	var snapshots []ports.Snapshot
	for range 4 {
		snapshots = append(snapshots, create(t, s))
	}
	epoch := snapshots[0].Epoch
	waiting := func() []domain.EventID {
		page, err := s.Unpublished(t.Context(), 10)
		isError(t, "Unpublished", err, nil)
		return ids(page.Events)
	}
	equal(t, "at first", waiting(), []domain.EventID{1, 2, 3, 4})
	for _, c := range []struct {
		name  string
		epoch func() (dataset string, generation int64)
		upTo  int64
		want  []domain.EventID
	}{
		{"forwards", func() (string, int64) { return epoch.Dataset, 1 }, 2, []domain.EventID{3, 4}},
		{"back", func() (string, int64) { return epoch.Dataset, 1 }, 1, []domain.EventID{3, 4}},
		{"of another data set", func() (string, int64) { return epoch.Dataset + "x", 1 }, 4, []domain.EventID{3, 4}},
		{"of another generation", func() (string, int64) { return epoch.Dataset, 2 }, 4, []domain.EventID{3, 4}},
		{"forwards again", func() (string, int64) { return epoch.Dataset, 1 }, 3, []domain.EventID{4}},
	} {
		e := epoch
		e.Dataset, e.Generation = c.epoch()
		isError(t, c.name, s.MarkPublished(t.Context(), e, c.upTo), nil)
		equal(t, c.name, waiting(), c.want)
	}
	apply(t, s, reprice(t, snapshots[0]))
	equal(t, "after a change", waiting(), []domain.EventID{4, 1})
}

func testHead(t *testing.T, newLine NewLine) {
	s := newLine(t).Open()
	head := func() ports.Head {
		h, err := s.Head(t.Context())
		isError(t, "Head", err, nil)
		return h
	}
	epoch := head().Epoch
	equal(t, "an empty line", head(), ports.Head{Epoch: epoch})
	first := create(t, s)
	create(t, s)
	equal(t, "two wait", head(), ports.Head{Epoch: epoch, LastSeq: 2, Waiting: 2, Oldest: now})
	first = apply(t, s, reprice(t, first))
	isError(t, "MarkPublished", s.MarkPublished(t.Context(), epoch, 2), nil)
	equal(t, "one waits", head(), ports.Head{Epoch: epoch, LastSeq: 3, Waiting: 1, Oldest: first.Event.UpdatedAt})
	isError(t, "MarkPublished", s.MarkPublished(t.Context(), epoch, 3), nil)
	equal(t, "none waits", head(), ports.Head{Epoch: epoch, LastSeq: 3})
}

func testLease(t *testing.T, newLine NewLine) {
	line := newLine(t)
	one, two := line.Open(), line.Open()
	hold := func(s ports.Store) bool {
		held, err := s.Hold(t.Context(), time.Minute)
		isError(t, "Hold", err, nil)
		return held
	}
	equal(t, "the first takes it", hold(one), true)
	equal(t, "the second does, when it is the first", hold(two), line.Exclusive)
	equal(t, "the first extends it", hold(one), true)
	isError(t, "Release by the other", two.Release(t.Context()), nil)
	equal(t, "the second does, still only when it is the first", hold(two), line.Exclusive)
	isError(t, "Release", one.Release(t.Context()), nil)
	equal(t, "the second takes it", hold(two), true)
}

func testLeaseExpires(t *testing.T, newLine NewLine) {
	line := newLine(t)
	one, two := line.Open(), line.Open()
	if held, err := one.Hold(t.Context(), 50*time.Millisecond); err != nil || !held {
		t.Fatal(held, err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; {
		held, err := two.Hold(t.Context(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if held {
			return
		}
		if line.Exclusive || time.Now().After(deadline) {
			t.Fatal("the lease did not run out")
		}
	}
}
