package portstest

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/fieldtest"
	"stavka.local/shared/odds"
)

// Events is the suite of ports.Events.
func Events(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"keeps all of an event":                          keepsEvent,
		"replaces an event":                              replacesEvent,
		"returns known events only":                      knowsOnlyWhatIsThere,
		"writes nothing without a decision":              writesNothing,
		"writes nothing and holds nothing after a panic": updatePanics,
		"takes a page of 500":                            takesPage,
		"keeps every update":                             landsEveryUpdate,
		"does not find an unknown event":                 eventNotFound,
		"lists events that take bets":                    listsOpenEvents,
		"lists events in pages":                          pagesOpenEvents,
		"lists undecided events of other data sets":      listsUndecidedEvents,
		"lists events above a seq":                       listsEventsAbove,
		"closes events by its own clock":                 closesByItsClock,
		"amends an event, with a record of it":           amendsEvent,
		"amends nothing without an amendment":            amendsNothing,
	})
}

// fullEvent returns event 1 with every field set.
func fullEvent(t *testing.T) domain.Event {
	t.Helper()
	return domain.Event{
		LineEvent: fieldtest.Completed(t, domain.LineEvent{
			ID: 1, Dataset: "Data-Set_1", Seq: 1 << 40, Version: 12, Name: "Ajax – PSV", Coefficient: odds.MustParse("99999.99"),
			Deadline: distant, State: domain.StateFinishedLose, Suspended: true, ResultRevision: 5, EffectiveAt: past.Add(1 * time.Hour), RecordedBy: past.Add(90 * time.Minute),
			CreatedAt: past.Add(2 * time.Hour), UpdatedAt: past.Add(3 * time.Hour),
		}),
		Quarantined: true, VoidBefore: past.Add(4 * time.Hour), ClosedAt: past.Add(5 * time.Hour), ResultedAt: past.Add(6 * time.Hour),
		VoidWindows: []domain.VoidWindow{
			{
				ID: 1, From: past, To: past.Add(time.Minute), Reason: "a \"goal\" – at 14:03", By: 5, At: past.Add(7 * time.Hour),
				UndoneAt: past.Add(8 * time.Hour), UndoneBy: 6, UndoReason: "there was none",
			},
			{ID: 2, From: past, To: past.Add(time.Hour), Reason: "a wrong price", By: 5, At: past.Add(9 * time.Hour)},
		},
		SettleRevision: 7,
	}
}

func keepsEvent(t *testing.T, s Stores) {
	everyFieldSet(t, fullEvent(t))
	for _, event := range []domain.Event{fullEvent(t), openEvent(2)} {
		write(t, s, event)
		read, err := s.Events.Event(t.Context(), event.ID)
		ok(t, err)
		equal(t, read, event)
		err = s.Events.Update(t.Context(), []domain.EventID{event.ID}, func(_ time.Time, known map[domain.EventID]domain.Event) []domain.Event {
			equal(t, known, map[domain.EventID]domain.Event{event.ID: event})
			return nil
		})
		ok(t, err)
	}
}

func replacesEvent(t *testing.T, s Stores) {
	write(t, s, openEvent(1))
	write(t, s, fullEvent(t))
	read, err := s.Events.Event(t.Context(), 1)
	ok(t, err)
	equal(t, read, fullEvent(t))
	write(t, s, openEvent(1))
	read, err = s.Events.Event(t.Context(), 1)
	ok(t, err)
	equal(t, read, openEvent(1))
}

func knowsOnlyWhatIsThere(t *testing.T, s Stores) {
	write(t, s, openEvent(3), openEvent(1), openEvent(9))
	calls := 0
	err := s.Events.Update(t.Context(), []domain.EventID{3, 2, 1, 3}, func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event {
		calls++
		equal(t, known, map[domain.EventID]domain.Event{1: openEvent(1), 3: openEvent(3)})
		equal(t, now, now.UTC().Truncate(time.Microsecond))
		return []domain.Event{openEvent(2)}
	})
	ok(t, err)
	isTrue(t, calls > 0, "decide is called")
	_, err = s.Events.Event(t.Context(), 2)
	ok(t, err)
	ok(t, s.Events.Update(t.Context(), nil, func(time.Time, map[domain.EventID]domain.Event) []domain.Event { return nil }))
}

func writesNothing(t *testing.T, s Stores) {
	write(t, s, openEvent(1))
	nothing := func(time.Time, map[domain.EventID]domain.Event) []domain.Event { return nil }
	ok(t, s.Events.Update(t.Context(), []domain.EventID{1, 2}, nothing))
	event, err := s.Events.Event(t.Context(), 1)
	ok(t, err)
	equal(t, event, openEvent(1))
	_, err = s.Events.Event(t.Context(), 2)
	isError(t, err, ports.ErrNotFound)
}

func updatePanics(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	isTrue(t, panics(func() {
		err := s.Events.Update(t.Context(), []domain.EventID{1}, func(time.Time, map[domain.EventID]domain.Event) []domain.Event {
			panic("a defect in a rule")
		})
		t.Errorf("the panic was swallowed: %v", err)
	}), "the panic goes on")
	placeBet(t, s, bet(user, 1)) // the event is not still locked
}

func takesPage(t *testing.T, s Stores) {
	addOpenEvents(t, s, 500)
	events, err := s.Events.OpenEvents(t.Context(), 0, 1000)
	ok(t, err)
	equal(t, len(events), 500)
}

func landsEveryUpdate(t *testing.T, s Stores) {
	const writers, updates, eventCount = 8, 20, 6
	addOpenEvents(t, s, eventCount)
	together(t, writers, func(int) error {
		for range updates {
			ids := make([]domain.EventID, 3)
			for i, n := range rand.Perm(eventCount)[:len(ids)] {
				ids[i] = domain.EventID(n + 1)
			}
			err := s.Events.Update(t.Context(), ids, func(_ time.Time, known map[domain.EventID]domain.Event) []domain.Event {
				changed := make([]domain.Event, 0, len(known))
				for _, event := range known {
					event.Version++
					changed = append(changed, event)
				}
				return changed
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	landed := int64(0)
	for id := domain.EventID(1); id <= eventCount; id++ {
		event, err := s.Events.Event(t.Context(), id)
		ok(t, err)
		landed += event.Version - 1
	}
	equal(t, landed, writers*updates*3)
}

func eventNotFound(t *testing.T, s Stores) {
	_, err := s.Events.Event(t.Context(), 1)
	isError(t, err, ports.ErrNotFound)
}

func listsOpenEvents(t *testing.T, s Stores) {
	suspended, quarantined, late := openEvent(2), openEvent(3), openEvent(4)
	suspended.Suspended = true
	quarantined.Quarantined = true
	late.Deadline = clock(t, s)
	won, lost, cancelled := openEvent(5), openEvent(6), openEvent(7)
	won.State, lost.State, cancelled.State = domain.StateFinishedWin, domain.StateFinishedLose, domain.StateCancelled
	write(t, s, openEvent(8), cancelled, lost, won, late, quarantined, suspended, openEvent(1))
	events, err := s.Events.OpenEvents(t.Context(), 0, 10)
	ok(t, err)
	equal(t, events, []domain.Event{openEvent(1), suspended, openEvent(8)})
}

func listsUndecidedEvents(t *testing.T, s Stores) {
	events := make([]domain.Event, 6)
	for i := range events {
		events[i] = openEvent(domain.EventID(i + 1))
		events[i].Dataset = "former"
	}
	late, suspended, quarantined, decided, present, last := &events[0], &events[1], &events[2], &events[3], &events[4], &events[5]
	late.Deadline = clock(t, s)
	suspended.Suspended = true
	quarantined.Quarantined = true
	decided.State = domain.StateCancelled
	present.Dataset = "present"
	write(t, s, events...)

	first, err := s.Events.UndecidedEvents(t.Context(), "present", 0, 2)
	ok(t, err)
	equal(t, first, []domain.Event{*late, *suspended})
	rest, err := s.Events.UndecidedEvents(t.Context(), "present", 2, 2)
	ok(t, err)
	equal(t, rest, []domain.Event{*last})
}

func listsEventsAbove(t *testing.T, s Stores) {
	events := make([]domain.Event, 6)
	for i := range events {
		events[i] = openEvent(domain.EventID(i + 1))
		events[i].Dataset, events[i].Seq = "present", int64(10+i)
	}
	at, decided, quarantined, foreign, above, highest := &events[0], &events[1], &events[2], &events[3], &events[4], &events[5]
	decided.State = domain.StateFinishedWin
	quarantined.Quarantined = true
	foreign.Dataset = "former"
	highest.Seq = math.MaxInt64
	write(t, s, events...)

	for limit, want := range map[int][]domain.Event{1: {*highest}, 2: {*highest, *above}, 9: {*highest, *above, *decided}} {
		got, err := s.Events.EventsAbove(t.Context(), "present", at.Seq, limit)
		ok(t, err)
		equal(t, got, want)
	}
	got, err := s.Events.EventsAbove(t.Context(), "present", math.MaxInt64, 9)
	ok(t, err)
	equal(t, len(got), 0)
}

func pagesOpenEvents(t *testing.T, s Stores) {
	addOpenEvents(t, s, 5)
	for _, page := range []struct {
		after domain.EventID
		want  []domain.Event
	}{
		{0, []domain.Event{openEvent(1), openEvent(2)}},
		{2, []domain.Event{openEvent(3), openEvent(4)}},
		{4, []domain.Event{openEvent(5)}},
	} {
		events, err := s.Events.OpenEvents(t.Context(), page.after, 2)
		ok(t, err)
		equal(t, events, page.want)
	}
	events, err := s.Events.OpenEvents(t.Context(), 5, 2)
	ok(t, err)
	equal(t, len(events), 0)
}

func closesByItsClock(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	event := openEvent(1)
	event.Deadline = clock(t, s).Add(300 * time.Millisecond)
	write(t, s, event)
	for {
		before := clock(t, s)
		events, err := s.Events.OpenEvents(t.Context(), 0, 1)
		ok(t, err)
		decision := place(t, s, bet(user, 1))[0]
		after := clock(t, s)
		if after.Before(event.Deadline) {
			isTrue(t, len(events) == 1 && decision.Accepted(), "open at %s, before the deadline", after)
		}
		if !before.Before(event.Deadline) {
			equal(t, len(events), 0)
			equal(t, decision.Refusal.Code, domain.RefusedEventClosed)
			return
		}
	}
}

func amendsEvent(t *testing.T, s Stores) {
	write(t, s, openEvent(1))
	before := clock(t, s)
	var at time.Time
	ok(t, s.Events.Amend(t.Context(), 1, func(now time.Time, event domain.Event) (*ports.Amendment, error) {
		at = now
		equal(t, event, openEvent(1))
		return &ports.Amendment{Event: fullEvent(t), Audit: fullRecord(now)}, nil
	}))
	isTrue(t, !at.Before(before) && !at.After(clock(t, s)), "now is the store's: %s", at)
	event, err := s.Events.Event(t.Context(), 1)
	ok(t, err)
	equal(t, event, fullEvent(t))
	isRecorded(t, s, fullRecord(at))
}

func amendsNothing(t *testing.T, s Stores) {
	write(t, s, openEvent(1))
	refusal := errors.New("no")
	for _, want := range []error{nil, refusal} {
		isError(t, s.Events.Amend(t.Context(), 1, func(time.Time, domain.Event) (*ports.Amendment, error) { return nil, want }), want)
	}
	isError(t, s.Events.Amend(t.Context(), 2, func(_ time.Time, event domain.Event) (*ports.Amendment, error) {
		t.Errorf("decide is called with %+v, which does not exist", event)
		return nil, nil
	}), ports.ErrNotFound)
	event, err := s.Events.Event(t.Context(), 1)
	ok(t, err)
	equal(t, event, openEvent(1))
	equal(t, records(t, s, ports.AuditFilter{}), nil)
}
