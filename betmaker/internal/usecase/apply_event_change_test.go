package usecase_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/line"
	"stavka.local/shared/odds"
)

// After messages about an event in any order, by either path, the projection is as the last change
// alone would leave it.
func TestApplyEventChangeDoesNotDependOnOrderDuplicatesOrPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.catchUp(t, w.replica)
	id := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		id++
		var changes []line.Change
		for range rapid.IntRange(0, 5).Draw(rt, "repricings") {
			price, _ := odds.FromHundredths(rapid.Int64Range(100, 900).Draw(rt, "price"))
			changes = append(changes, w.line.put(id, func(event *line.Event) { event.Coefficient = price }))
		}
		for range rapid.IntRange(0, 4).Draw(rt, "results") {
			state := line.State(rapid.IntRange(2, 4).Draw(rt, "state"))
			changes = append(changes, w.line.put(id, result(state)))
		}
		last := w.line.put(id, func(event *line.Event) { event.Name = "last" })
		delivered := append([]line.Change{last}, rapid.SliceOf(rapid.SampledFrom(append(changes, last))).Draw(rt, "delivered")...)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "shuffle"), 0))
		rng.Shuffle(len(delivered), func(i, j int) { delivered[i], delivered[j] = delivered[j], delivered[i] })

		for len(delivered) > 0 {
			n := rapid.IntRange(1, len(delivered)).Draw(rt, "together")
			source := usecase.Source(rapid.IntRange(1, 3).Draw(rt, "source"))
			if rapid.Bool().Draw(rt, "another replica, or a restart") {
				w.replica = w.newReplica()
				w.catchUpTo(w.line.epoch)
			}
			if err := w.apply.Apply(t.Context(), delivered[:n], source); err != nil {
				rt.Fatalf("apply: %v", err)
			}
			delivered = delivered[n:]
		}

		got := w.event(t, domain.EventID(id))
		if got.Seq != last.Event.Seq || got.Name != "last" || got.State != domain.State(last.Event.State) ||
			got.Coefficient != last.Event.Coefficient || got.ResultRevision != last.Event.ResultRevision || got.Quarantined {
			rt.Fatalf("got %+v, want %+v", got, last.Event)
		}
		if got.IsSettleable() != (last.Event.State != line.StateNew) || got.IsSettleable() && !slices.Contains(w.woken(), got.ID) && got.SettleRevision < 1 {
			rt.Fatalf("the settler was not woken for %+v", got)
		}
	})
}

// catchUpTo makes the replica follow an epoch without reading it.
func (w *world) catchUpTo(epoch line.Epoch) { usecase.Follow(w.feed, epoch.Dataset) }

func TestApplyEventChange(t *testing.T) {
	t.Parallel()

	t.Run("wakes the settler after a result and puts the event into the cache", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.catchUp(t, w.replica)
		if err := w.apply.Push(t.Context(), w.line.put(7, result(line.StateFinishedWin))); err != nil {
			t.Fatal(err)
		}
		if got := w.woken(); !slices.Equal(got, []domain.EventID{7}) {
			t.Errorf("woken for %v, want event 7", got)
		}
		if cached, ok := w.cache.Get(7); !ok || !reflect.DeepEqual(cached, w.event(t, 7)) {
			t.Errorf("cached %+v, want %+v", cached, w.event(t, 7))
		}
	})

	t.Run("takes no lock for what it has applied already", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.catchUp(t, w.replica)
		first, second := w.line.put(7, unchanged), w.line.put(7, reprice)
		for _, change := range []line.Change{second, first, second} {
			if err := w.apply.Push(t.Context(), change); err != nil {
				t.Fatal(err)
			}
		}
		w.catchUp(t, w.replica)
		if got := w.updates.transactions(); got != 1 {
			t.Errorf("%d transactions, want 1", got)
		}
	})

	t.Run("applies many events in one go", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		for id := range int64(200) {
			w.line.put(id+1, unchanged)
		}
		w.catchUp(t, w.replica)
		if got := w.updates.transactions(); got != 4 {
			t.Errorf("%d transactions for 200 events, want 4", got)
		}
		w.event(t, 200)
	})

	t.Run("wakes the settler also when it is not known whether the commit succeeded", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.catchUp(t, w.replica)
		change := w.line.put(7, result(line.StateFinishedLose))
		w.updates.failOnce(ports.ErrOutcomeUnknown)
		if err := w.apply.Push(t.Context(), change); !errors.Is(err, ports.ErrOutcomeUnknown) {
			t.Fatalf("got %v, want ErrOutcomeUnknown", err)
		}
		if err := w.apply.Push(t.Context(), change); err != nil {
			t.Fatalf("again: %v", err)
		}
		if got := w.woken(); !slices.Equal(got, []domain.EventID{7}) {
			t.Errorf("woken for %v, want event 7", got)
		}
	})

	t.Run("calls an impossible message poison", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.catchUp(t, w.replica)
		change := w.line.put(7, func(event *line.Event) { event.ResultRevision = 3 })
		if err := w.apply.Push(t.Context(), change); !errors.Is(err, line.ErrPoison) {
			t.Errorf("got %v, want ErrPoison", err)
		}
	})

	t.Run("skips an impossible change in a page", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.line.put(6, unchanged)
		w.line.put(7, func(event *line.Event) { event.ResultRevision = 3 })
		w.line.put(8, unchanged)
		w.catchUp(t, w.replica)
		w.event(t, 6)
		w.event(t, 8)
		if w.impossible != 1 {
			t.Errorf("%d impossible changes were counted, want 1", w.impossible)
		}
	})

	t.Run("takes no message before the present data set is known", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		if err := w.apply.Push(t.Context(), w.line.put(7, unchanged)); err == nil || errors.Is(err, line.ErrPoison) {
			t.Errorf("got %v, want an error that keeps the message", err)
		}
	})

	t.Run("drops messages of a former data set and wakes the poller", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		stale := w.line.put(7, result(line.StateFinishedWin))
		w.line.restart(line.Epoch{Dataset: "b", Generation: 1}, 0, map[int64]line.Event{})
		w.line.put(7, reprice)
		w.catchUp(t, w.replica)
		if err := w.apply.Push(t.Context(), stale); err != nil {
			t.Fatalf("push: %v", err)
		}
		if got := w.event(t, 7); got.Quarantined || got.Dataset != "b" || got.State != domain.StateNew {
			t.Errorf("got %+v, want the event of data set b", got)
		}
		if w.strays != 1 {
			t.Errorf("the poller was woken %d times, want once", w.strays)
		}
	})
}

func TestApplyEventChangeReadsAgainAfterForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.line.put(7, unchanged)
	w.catchUp(t, w.replica)
	before := w.updates.transactions()
	w.apply.Forget()
	if err := w.apply.Apply(t.Context(), []line.Change{w.line.put(7, reprice)}, usecase.FromPage); err != nil {
		t.Fatal(err)
	}
	if got := w.updates.transactions() - before; got != 1 {
		t.Errorf("%d transactions, want 1", got)
	}
	if got := w.event(t, 7).Coefficient; got != odds.MustParse("2.00") {
		t.Errorf("coefficient %s, want 2.00", got)
	}
}

func TestPushedChangeIsMeasured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.catchUp(t, w.replica)
	type measurement struct {
		source usecase.Source
		effect domain.Effect
		age    time.Duration
	}
	var got []measurement
	w.apply.OnApplied(func(source usecase.Source, effect domain.Effect, _ line.Change, age time.Duration) {
		got = append(got, measurement{source, effect, age.Truncate(time.Minute)})
	})
	change := w.line.put(7, func(event *line.Event) { event.UpdatedAt = time.Now().Add(-3*time.Minute - time.Second) })
	for range 2 {
		if err := w.apply.Push(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	if want := []measurement{{usecase.FromPush, domain.EffectUpdated, 3 * time.Minute}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
