package redis_test

import (
	"errors"
	"sync"
	"testing"

	"stavka.local/lineprovider/internal/adapters/redis"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
)

// Those who look at the same time are answered together, each with what they looked for:
// an event, that there is none, or that it cannot be read.
func TestLookupsAtTheSameTime(t *testing.T) {
	t.Parallel()
	name := hashName(t)
	s := open(t, redis.Options{HashName: name})
	const events, unreadable, lookers = 20, 5, 500
	for range events {
		if _, err := s.Create(t.Context(), creation(t)); err != nil {
			t.Fatal(err)
		}
	}
	if err := direct(t).HSet(t.Context(), name, domain.EventID(unreadable).String(), "{").Err(); err != nil {
		t.Fatal(err)
	}
	var looking sync.WaitGroup
	for i := range lookers {
		id := domain.EventID(1 + i%(2*events)) // every other one does not exist
		looking.Go(func() {
			found, err := s.Event(t.Context(), id)
			switch {
			case id > events:
				if !errors.Is(err, domain.ErrEventNotFound) {
					t.Errorf("event %d, which does not exist: %v", id, err)
				}
			case id == unreadable:
				if err == nil || errors.Is(err, domain.ErrEventNotFound) {
					t.Errorf("event %d, which cannot be read: %v", id, err)
				}
			case err != nil || found.Event.ID != id || found.Event.Version != 1:
				t.Errorf("event %d: got %+v, %v", id, found, err)
			}
		})
	}
	looking.Wait()
}

// Whoever looks after a change was acknowledged sees it, however many are looking.
func TestLookupSeesWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	s := open(t, redis.Options{HashName: hashName(t)})
	const writers, changes = 16, 20
	var writing sync.WaitGroup
	for range writers {
		created, err := s.Create(t.Context(), creation(t))
		if err != nil {
			t.Fatal(err)
		}
		writing.Go(func() {
			current := created.Snapshot
			for i := range changes {
				change, err := current.Event.Amend(current.Event.CreatedAt, domain.Amendment{Suspended: new(i%2 == 0)}, rules)
				if err != nil {
					t.Error(err)
					return
				}
				changed, err := s.Apply(t.Context(), ports.Update{Epoch: current.Epoch, Change: change})
				if err != nil {
					t.Error(err)
					return
				}
				if current, err = s.Event(t.Context(), created.Event.ID); err != nil || current != changed {
					t.Errorf("got %+v, %v; want %+v", current, err, changed)
					return
				}
			}
		})
	}
	writing.Wait()
}

// What is remembered is never out of date, whatever has happened in between through another
// store: few changes, many of them, a new generation, a new data set.
func TestLookupSeesWhatOthersDid(t *testing.T) {
	t.Parallel()
	name := hashName(t)
	reader, writer := open(t, redis.Options{HashName: name}), open(t, redis.Options{HashName: name})
	const events, changedAtOnce = 200, 150
	for range events {
		if _, err := writer.Create(t.Context(), creation(t)); err != nil {
			t.Fatal(err)
		}
	}
	compare := func(when string) {
		t.Helper()
		var looking sync.WaitGroup
		for id := domain.EventID(1); id <= events+1; id++ {
			page, err := writer.Events(t.Context(), ports.EventsQuery{After: id - 1, Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			looking.Go(func() {
				got, err := reader.Event(t.Context(), id)
				switch {
				case len(page.Events) == 0:
					if !errors.Is(err, domain.ErrEventNotFound) {
						t.Errorf("%s: event %d: got %+v, %v, want none", when, id, got, err)
					}
				case err != nil || got.Event != page.Events[0] || got.Epoch != page.Epoch:
					t.Errorf("%s: event %d: got %+v, %v, want %+v", when, id, got, err, page.Events[0])
				}
			})
		}
		looking.Wait()
	}
	change := func(id domain.EventID) {
		t.Helper()
		current, err := writer.Event(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		change, err := current.Event.Amend(current.Event.CreatedAt, domain.Amendment{Suspended: new(!current.Event.Suspended)}, rules)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Apply(t.Context(), ports.Update{Epoch: current.Epoch, Change: change}); err != nil {
			t.Fatal(err)
		}
	}

	compare("at first")
	compare("without a change")
	change(7)
	change(9)
	change(7)
	compare("after few changes")
	for id := range domain.EventID(changedAtOnce) {
		change(1 + id)
	}
	compare("after many changes")
	if _, err := writer.Create(t.Context(), creation(t)); err != nil {
		t.Fatal(err)
	}
	compare("after one more event")
	older := direct(t).HSet(t.Context(), name, "7:version", "1")
	restarted := direct(t).HSet(t.Context(), "{"+name+"}:epoch", "run_id", "another")
	if err := errors.Join(older.Err(), restarted.Err()); err != nil {
		t.Fatal(err)
	}
	compare("in a new generation, which has lost changes")
	remove(t, name)
	compare("after all is gone")
	if _, err := writer.Create(t.Context(), creation(t)); err != nil {
		t.Fatal(err)
	}
	compare("in a new data set")
}
