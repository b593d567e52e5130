package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
)

// shelf is a store of which only the list of open events is used.
type shelf struct {
	ports.Events

	mu     sync.Mutex
	events []domain.Event
	err    error
	reads  int
	// reading receives every read, which continues when the test sends; nil for no waiting.
	reading chan chan struct{}
}

func (s *shelf) OpenEvents(_ context.Context, after domain.EventID, limit int) ([]domain.Event, error) {
	s.mu.Lock()
	s.reads++
	var found []domain.Event
	for _, event := range s.events {
		if event.ID > after && event.Deadline.After(time.Now()) && len(found) < limit {
			found = append(found, event)
		}
	}
	err := s.err
	s.mu.Unlock()
	if s.reading != nil {
		goOn := make(chan struct{})
		s.reading <- goOn
		<-goOn
	}
	return found, err
}

func (s *shelf) put(events ...domain.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = events
}

// forgetful is a cache that stores nothing.
type forgetful struct{}

func (forgetful) Get(domain.EventID) (domain.Event, bool) { return domain.Event{}, false }
func (forgetful) Offer(domain.Event)                      {}

func openEvent(id domain.EventID, life time.Duration) domain.Event {
	return domain.Event{LineEvent: domain.LineEvent{ID: id, Deadline: time.Now().Add(life)}}
}

func pagesOf(events ports.Events) *usecase.Catalogue {
	return usecase.NewCatalogue(usecase.CatalogueConfig{Cache: forgetful{}, Events: events})
}

// render writes the ids.
func render(events []domain.Event) ([]byte, error) {
	ids := []domain.EventID{}
	for _, event := range events {
		ids = append(ids, event.ID)
	}
	return fmt.Append(nil, ids), nil
}

// shows checks the content of a page and how often the store has been read.
func shows(t *testing.T, c *usecase.Catalogue, s *shelf, want string, reads int) {
	t.Helper()
	page, err := c.OpenPage(t.Context(), 0, 2, render)
	if err != nil {
		t.Fatal(err)
	}
	if string(page.Rendered) != want || s.reads != reads {
		t.Errorf("got %s after %d readings, want %s after %d", page.Rendered, s.reads, want, reads)
	}
}

func TestOpenPageIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		c := pagesOf(s)
		s.put(openEvent(1, time.Hour))
		shows(t, c, s, "[1]", 1)
		shows(t, c, s, "[1]", 1)

		// A change by this replica shows at once.
		s.put(openEvent(1, time.Hour), openEvent(2, 1500*time.Millisecond))
		c.Offer(s.events[1])
		shows(t, c, s, "[1 2]", 2)

		// A change by another replica shows within a second.
		s.put(append(s.events, openEvent(3, time.Hour))...)
		time.Sleep(time.Second - time.Nanosecond)
		shows(t, c, s, "[1 2]", 2)
		time.Sleep(time.Nanosecond)
		shows(t, c, s, "[1 2]", 3)

		// A closed event is not shown, even on a new page.
		time.Sleep(500*time.Millisecond - time.Nanosecond)
		shows(t, c, s, "[1 2]", 3)
		time.Sleep(time.Nanosecond)
		shows(t, c, s, "[1 3]", 4)
	})
}

func TestOpenPageReturnsItsLastEvent(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	s.put(openEvent(1, time.Hour), openEvent(2, time.Hour), openEvent(3, time.Hour))
	c := pagesOf(s)
	for after, want := range map[domain.EventID]usecase.OpenPage{
		0: {Rendered: []byte("[1 2]"), Last: 2}, 1: {Rendered: []byte("[2 3]")}, 3: {Rendered: []byte("[]")},
	} {
		for range 2 {
			page, err := c.OpenPage(t.Context(), after, 2, render)
			if err != nil || string(page.Rendered) != string(want.Rendered) || page.Last != want.Last {
				t.Errorf("after %d: got %s, %d, %v; want %s, %d", after, page.Rendered, page.Last, err, want.Rendered, want.Last)
			}
		}
	}
}

// A caller after a change does not get a page that was read before it, even if that read is still
// under way. All other callers share the read.
func TestConcurrentReadsOfAnOpenPageShareOneUntilAChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{reading: make(chan chan struct{})}
		c := pagesOf(s)
		var asking sync.WaitGroup
		ask := func(want string) {
			asking.Go(func() {
				if page, err := c.OpenPage(t.Context(), 0, 2, render); err != nil || string(page.Rendered) != want {
					t.Errorf("got %v, %v; want %s", page, err, want)
				}
			})
		}
		for range 10 {
			ask("[]")
		}
		early := <-s.reading
		synctest.Wait()
		s.put(openEvent(1, time.Hour))
		c.Offer(s.events[0])
		for range 10 {
			ask("[1]")
		}
		late := <-s.reading
		synctest.Wait() // until all have joined the read: a caller that comes after it may read again
		close(late)
		synctest.Wait()
		close(early) // must not replace the newer page
		asking.Wait()
		s.reading = nil
		shows(t, c, s, "[1]", 2)
	})
}

func TestFailedOpenPageIsNotKept(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	s := &shelf{err: down}
	c := pagesOf(s)
	if _, err := c.OpenPage(t.Context(), 0, 2, render); !errors.Is(err, down) {
		t.Errorf("got %v, want %v", err, down)
	}
	s.err = nil
	shows(t, c, s, "[]", 2)
}
