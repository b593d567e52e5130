package usecase_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/line"
	"stavka.local/shared/money"
)

// place places a bet of 10.00 at any price, as a batch of one, and returns the verdict.
func (w *world) place(t *testing.T, user domain.UserID, event domain.EventID) domain.Verdict {
	t.Helper()
	batch := []domain.Placement{{UserID: user, EventID: event, Stake: money.MustParse("10"), Policy: domain.OddsChangeAny}}
	decisions, err := w.store.Placements.Place(t.Context(), ports.Batch{Placements: batch}, func(ws *domain.WorkingSet) []domain.Decision {
		return ws.Decide(domain.Limits{Stake: domain.StakeLimits{Min: money.MustParse("1"), Max: money.MustParse("100")}}, batch)
	})
	if err != nil || decisions[0].Err != nil {
		t.Fatalf("place: %v, %+v", err, decisions)
	}
	return decisions[0].Verdict
}

// newUser creates a user and returns the id.
func (w *world) newUser(t *testing.T) domain.UserID {
	t.Helper()
	user, err := w.store.Users.Create(t.Context(), ports.NewUser{Opening: money.MustParse("1000"), Credentials: ports.Credentials{
		User: domain.User{Name: "A", Username: "a", Email: "a@example.com", Role: domain.RoleUser, Active: true}, PasswordHash: "x",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return user.ID
}

// settle runs a settler, which finds its work by a sweep, until nothing is left.
func (w *world) settle(t *testing.T) {
	t.Helper()
	settler := usecase.NewSettler(usecase.SettlerConfig{
		Settlements: w.store.Settlements, Workers: 2, SweepInterval: 20 * time.Millisecond, Logger: quiet,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- settler.Run(ctx) }()
	eventually(t, "everything is settled", func() bool {
		left, err := w.store.Settlements.Unsettled(t.Context(), 1)
		return err == nil && len(left) == 0
	})
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("the settler ended with %v", err)
	}
}

// quarantined returns a world with a bet on event 7. Another line now has an event 7, which edit
// makes, and no event 8.
func quarantined(t *testing.T, edit func(*line.Event)) (w *world, on7, on8 domain.BetID) {
	t.Helper()
	w = newWorld(t)
	user := w.newUser(t)
	w.line.put(7, unchanged)
	w.line.put(8, unchanged)
	w.catchUp(t, w.replica)
	on7, on8 = w.place(t, user, 7).Bet.ID, w.place(t, user, 8).Bet.ID

	w.line.restart(line.Epoch{Dataset: "b", Generation: 1}, 0, map[int64]line.Event{})
	w.line.put(7, edit)
	w.catchUp(t, w.replica)
	if got := w.place(t, user, 7).Refusal.Code; got != domain.RefusedEventSuspended {
		t.Fatalf("a bet on the event in quarantine is refused with code %d, want that it is suspended", got)
	}
	w.settle(t)
	w.wantBet(t, on7, domain.StatusPending)
	return w, on7, on8
}

func (w *world) wantBet(t *testing.T, id domain.BetID, want domain.Status) {
	t.Helper()
	bet, err := w.store.Bets.Bet(t.Context(), id)
	if err != nil || bet.Status != want {
		t.Errorf("bet %d is %v (%v), want %v", id, bet.Status, err, want)
	}
}

func (w *world) resolve(t *testing.T, id domain.EventID, how domain.Resolution) (domain.Event, error) {
	t.Helper()
	return usecase.ResolveQuarantine{Events: w.store.Events, Line: w.line, RecordedBy: w.feed.RecordedBy}.Resolve(t.Context(), id, how)
}

func TestResolveQuarantine(t *testing.T) {
	t.Parallel()

	t.Run("void voids the bets so far and takes new ones", func(t *testing.T) {
		t.Parallel()
		w, on7, _ := quarantined(t, unchanged)
		event, err := w.resolve(t, 7, domain.ResolveVoid)
		if err != nil || event.Quarantined || event.Dataset != "b" {
			t.Fatalf("got %+v, %v", event, err)
		}
		w.settle(t)
		w.wantBet(t, on7, domain.StatusVoid)
		bet := w.place(t, 1, 7).Bet
		if err := w.apply.Push(t.Context(), w.line.put(7, result(line.StateFinishedWin))); err != nil {
			t.Fatal(err)
		}
		w.settle(t)
		w.wantBet(t, on7, domain.StatusVoid)
		w.wantBet(t, bet.ID, domain.StatusWon)
	})

	t.Run("adopt settles the bets by the line's event", func(t *testing.T) {
		t.Parallel()
		w, on7, _ := quarantined(t, result(line.StateFinishedLose))
		if _, err := w.resolve(t, 7, domain.ResolveAdopt); err != nil {
			t.Fatal(err)
		}
		w.settle(t)
		w.wantBet(t, on7, domain.StatusLost)
	})

	t.Run("an event that the line lost can only be voided", func(t *testing.T) {
		t.Parallel()
		w, _, on8 := quarantined(t, unchanged)
		if _, err := w.resolve(t, 8, domain.ResolveAdopt); !errors.Is(err, usecase.ErrNotOnLine) {
			t.Fatalf("adopt: got %v, want ErrNotOnLine", err)
		}
		if _, err := w.resolve(t, 8, domain.ResolveVoid); err != nil {
			t.Fatal(err)
		}
		w.settle(t)
		w.wantBet(t, on8, domain.StatusVoid)
		if got := w.place(t, 1, 8).Refusal.Code; got != domain.RefusedEventClosed {
			t.Errorf("a bet on it is refused with code %d, want that it is closed", got)
		}
	})

	t.Run("voids an undecided event that a restored line has lost", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.line.put(7, unchanged)
		w.line.put(8, result(line.StateFinishedWin))
		w.catchUp(t, w.replica)
		w.line.restart(line.Epoch{Dataset: "a", Generation: 2}, 1<<20, map[int64]line.Event{})
		w.catchUp(t, w.replica)
		event, err := w.resolve(t, 7, domain.ResolveVoid)
		if err != nil || event.State != domain.StateCancelled || !event.IsSettleable() {
			t.Errorf("got %+v, %v, want it cancelled", event, err)
		}
		if _, err := w.resolve(t, 8, domain.ResolveVoid); !errors.Is(err, domain.ErrNotQuarantined) {
			t.Errorf("an event with a result: got %v, want ErrNotQuarantined", err)
		}
	})

	t.Run("refuses an event that is not in quarantine", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.line.put(7, unchanged)
		w.catchUp(t, w.replica)
		if _, err := w.resolve(t, 7, domain.ResolveVoid); !errors.Is(err, domain.ErrNotQuarantined) {
			t.Errorf("got %v, want ErrNotQuarantined", err)
		}
		if _, err := w.resolve(t, 9, domain.ResolveVoid); !errors.Is(err, domain.ErrEventNotFound) {
			t.Errorf("got %v, want ErrEventNotFound", err)
		}
	})

	t.Run("leaves nothing behind that came while it was resolved", func(t *testing.T) {
		t.Parallel()
		w, on7, _ := quarantined(t, unchanged)
		before := w.line.heartbeat().LastSeq
		lines := &eagerLine{fakeLine: w.line, after: func() {
			change := w.line.put(7, result(line.StateFinishedWin))
			// The event is in quarantine, so the change has no effect.
			if err := w.apply.Push(t.Context(), change); err != nil {
				t.Errorf("push: %v", err)
			}
		}}
		event, err := usecase.ResolveQuarantine{Events: w.store.Events, Line: lines, RecordedBy: w.feed.RecordedBy}.Resolve(t.Context(), 7, domain.ResolveAdopt)
		if err != nil || event.Seq != before+1 {
			t.Fatalf("got %+v, %v, want the event at seq %d", event, err, before+1)
		}
		w.settle(t)
		w.wantBet(t, on7, domain.StatusWon)
	})
}

// eagerLine changes an event right after the first request for it.
type eagerLine struct {
	*fakeLine
	after func()
}

func (l *eagerLine) Event(ctx context.Context, id domain.EventID) (line.Change, error) {
	change, err := l.fakeLine.Event(ctx, id)
	if l.after != nil {
		l.after()
		l.after = nil
	}
	return change, err
}
