package redis_test

import (
	"errors"
	"sync"
	"testing"

	"stavka.local/lineprovider/internal/adapters/redis"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
)

// Concurrent look-ups are batched. Each one gets its own answer: an event, that there is none, or that
// it cannot be decoded.
func TestConcurrentLookups(t *testing.T) {
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

// A look-up that begins after a change was acknowledged returns it, with any number of other look-ups.
func TestLookupSeesAcknowledgedChanges(t *testing.T) {
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
