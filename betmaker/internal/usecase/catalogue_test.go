package usecase_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/line"
	"stavka.local/shared/odds"
)

func TestCatalogueFindsAnEvent(t *testing.T) {
	t.Parallel()

	t.Run("that only the line has, and keeps it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.catchUp(t, w.replica)
		w.line.put(7, unchanged)
		requests := w.line.requestCount()
		for range 3 {
			event, err := w.catalogue.Event(t.Context(), 7)
			if err != nil || event.ID != 7 {
				t.Fatalf("got %+v, %v", event, err)
			}
		}
		if got := w.line.requestCount() - requests; got != 1 {
			t.Errorf("the line got %d requests, want 1", got)
		}
		if got := w.event(t, 7); got.Seq != 1 {
			t.Errorf("in the projection is %+v", got)
		}
	})

	t.Run("in the projection while the line is down", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.line.put(7, unchanged)
		w.catchUp(t, w.replica)
		w.line.fail(errors.New("down"))
		other := w.newReplica()
		if event, err := other.catalogue.Event(t.Context(), 7); err != nil || event.ID != 7 {
			t.Errorf("got %+v, %v", event, err)
		}
	})

	t.Run("unless there is none", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.catchUp(t, w.replica)
		requests := w.line.requestCount()
		for range 3 {
			if _, err := w.catalogue.Event(t.Context(), 7); !errors.Is(err, domain.ErrEventNotFound) {
				t.Fatalf("got %v, want ErrEventNotFound", err)
			}
		}
		if got := w.line.requestCount() - requests; got != 1 {
			t.Errorf("the line got %d requests, want 1", got)
		}
	})

	t.Run("as soon as it exists, after many requests", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.catchUp(t, w.replica)
		if _, err := w.catalogue.Event(t.Context(), 7); !errors.Is(err, domain.ErrEventNotFound) {
			t.Fatalf("got %v, want ErrEventNotFound", err)
		}
		if err := w.apply.Push(t.Context(), w.line.put(7, unchanged)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.catalogue.Event(t.Context(), 7); err != nil {
			t.Errorf("got %v", err)
		}
	})

	t.Run("or fails while the line is down", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.catchUp(t, w.replica)
		w.line.fail(errors.New("down"))
		if _, err := w.catalogue.Event(t.Context(), 7); !errors.Is(err, domain.ErrFeedUnavailable) {
			t.Errorf("got %v, want ErrFeedUnavailable", err)
		}
	})

	t.Run("but not in an answer of another data set", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.catchUp(t, w.replica)
		w.line.restart(line.Epoch{Dataset: "b", Generation: 1}, 0, map[int64]line.Event{})
		w.line.put(7, unchanged)
		if err := w.catalogue.Fetch(t.Context(), 7); !errors.Is(err, domain.ErrFeedUnavailable) {
			t.Errorf("got %v, want ErrFeedUnavailable until a page has begun the data set", err)
		}
		w.catchUp(t, w.replica)
		if err := w.catalogue.Fetch(t.Context(), 7); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

// gate is a projection whose answers wait until the test lets them pass.
type gate struct {
	ports.Events
	reads chan struct{}
	pass  chan struct{}
}

func (g *gate) Event(ctx context.Context, id domain.EventID) (domain.Event, error) {
	event, err := g.Events.Event(ctx, id)
	g.reads <- struct{}{}
	<-g.pass
	return event, err
}

func TestCatalogueNeverCachesAnOlderEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.line.put(7, unchanged)
	w.catchUp(t, w.replica)
	g := &gate{Events: w.store.Events, reads: make(chan struct{}), pass: make(chan struct{})}
	r := newReplica(w.line, g, w.store.Cursors)
	usecase.Follow(r.feed, "a")

	loaded := make(chan error, 1)
	go func() {
		_, err := r.catalogue.Event(t.Context(), 7)
		loaded <- err
	}()
	<-g.reads
	if err := r.apply.Push(t.Context(), w.line.put(7, reprice)); err != nil {
		t.Fatal(err)
	}
	close(g.pass)
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	if cached, ok := r.catalogue.Peek(7); !ok || cached.Coefficient != odds.MustParse("2.00") {
		t.Errorf("cached is %+v, want the pushed price", cached)
	}
}

func TestCatalogueBatchesConcurrentLookUps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.line.put(7, unchanged)
	w.catchUp(t, w.replica)
	g := &gate{Events: w.store.Events, reads: make(chan struct{}, 100), pass: make(chan struct{})}
	r := newReplica(w.line, g, w.store.Cursors)

	first, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := r.catalogue.Event(first, 7)
		left <- err
	}()
	<-g.reads
	var looking sync.WaitGroup
	errs := make(chan error, 50)
	for range 50 {
		looking.Go(func() {
			_, err := r.catalogue.Event(t.Context(), 7)
			errs <- err
		})
	}
	leave() // the others still get their answer
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled caller got %v", err)
	}
	close(g.pass)
	looking.Wait()
	for range 50 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := len(g.reads); got > 0 {
		t.Errorf("%d more look-ups in the projection", got)
	}
}

// Another replica may apply a change to the projection. The cache of this replica has to follow and
// must never be ahead.
func TestCacheFollowsOtherReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.line.put(7, unchanged)
	w.catchUp(t, w.replica)
	other := w.newReplica()
	w.catchUp(t, other)
	if _, err := w.catalogue.Event(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	last := w.line.put(7, reprice)
	if err := other.apply.Push(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if err := w.apply.Push(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if cached, ok := w.catalogue.Peek(7); !ok || !reflect.DeepEqual(cached, w.event(t, 7)) || cached.Seq != last.Event.Seq {
		t.Errorf("cached is %+v, want what is in the projection, %+v", cached, w.event(t, 7))
	}
}

func TestCatalogueRequestsMissingEventAgainAfterASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{events: make(map[domain.EventID]domain.Event)}
		lines := newFakeLine()
		r := newReplica(lines, m, m)
		usecase.Follow(r.feed, "a")
		fetch := func(want error) {
			t.Helper()
			if err := r.catalogue.Fetch(t.Context(), 7); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		fetch(domain.ErrEventNotFound)
		lines.put(7, unchanged)
		time.Sleep(999 * time.Millisecond)
		fetch(domain.ErrEventNotFound)
		time.Sleep(2 * time.Millisecond)
		fetch(nil)
		if got := lines.requestCount(); got != 2 {
			t.Errorf("the line got %d requests, want 2", got)
		}
	})
}
