package domain_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// history draws what a line sends about one event: seq and version grow, an event is
// repriced, moved and suspended while it is open, and then resulted and corrected.
func history(t *rapid.T) []domain.LineEvent {
	event := openEvent().LineEvent
	changes := []domain.LineEvent{event}
	for range rapid.IntRange(0, 8).Draw(t, "changes while open") {
		event.Seq += rapid.Int64Range(1, 5).Draw(t, "seq step")
		event.Version++
		event.Suspended = rapid.Bool().Draw(t, "suspended")
		event.Coefficient, _ = odds.FromHundredths(rapid.Int64Range(100, 500).Draw(t, "coefficient"))
		changes = append(changes, event)
	}
	if rapid.Bool().Draw(t, "recorded") {
		event.RecordedBy = noon.Add(time.Duration(rapid.IntRange(-100, 100).Draw(t, "recorded by minute")) * time.Minute)
	}
	for range rapid.IntRange(0, 6).Draw(t, "results") {
		event.Seq += rapid.Int64Range(1, 5).Draw(t, "seq step")
		event.Version++
		event.ResultRevision++
		event.State = domain.State(rapid.IntRange(2, 4).Draw(t, "state"))
		event.EffectiveAt = time.Time{}
		if rapid.Bool().Draw(t, "effective at") {
			event.EffectiveAt = noon.Add(time.Duration(rapid.IntRange(-100, 100).Draw(t, "minutes")) * time.Minute)
		}
		changes = append(changes, event)
	}
	return changes
}

func apply(event domain.Event, changes []domain.LineEvent) domain.Event {
	for _, change := range changes {
		event, _ = event.Apply(change, noon)
	}
	return event
}

// Any multiset and permutation of an event's messages that contains the last one gives the same
// projection and the same settlement of every bet.
func TestApplyDoesNotDependOnOrderLossOrDuplicates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		changes := history(t)
		last := changes[len(changes)-1]
		want := apply(domain.Event{}, changes)

		seen := append([]domain.LineEvent{last}, rapid.SliceOf(rapid.SampledFrom(changes)).Draw(t, "delivered")...)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 0))
		rng.Shuffle(len(seen), func(i, j int) { seen[i], seen[j] = seen[j], seen[i] })
		got := apply(domain.Event{}, seen)

		if got.LineEvent != want.LineEvent || got.Quarantined || want.Quarantined {
			t.Fatalf("delivered %+v: got %+v, want %+v", seen, got, want)
		}
		bet := domain.Bet{ID: 1, EventID: 7, Stake: money.MustParse("10"), Coefficient: odds.MustParse("1.45"), AcceptedAt: noon}
		if got.Settlement(bet) != want.Settlement(bet) {
			t.Fatalf("settlement %+v, want %+v", got.Settlement(bet), want.Settlement(bet))
		}
		if got.State.IsFinal() != (got.SettleRevision > 0) || got.ClosedAt.IsZero() == got.State.IsFinal() {
			t.Fatalf("a final event has been closed at revision 1 or later: got %+v", got)
		}
	})
}

// Settling again gives the result that the last result alone would give.
func TestSettleIgnoresFormerResults(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		changes := history(t)
		stake := money.FromMinor(rapid.Int64Range(1, 1_000_00).Draw(t, "stake"))
		accepted := noon.Add(time.Duration(rapid.IntRange(-120, 120).Draw(t, "accepted at minute")) * time.Minute)
		fresh := domain.Bet{ID: 1, EventID: 7, Stake: stake, Coefficient: odds.MustParse("1.45"), AcceptedAt: accepted}
		fresh.Status = domain.StatusPending

		bet, event := fresh, domain.Event{}
		for i, change := range changes {
			event, _ = event.Apply(change, noon)
			if rapid.Bool().Draw(t, "settled now") || i == len(changes)-1 {
				bet.Standing = event.Settle(bet, noon.Add(time.Duration(i)*time.Second))
			}
		}
		want := apply(domain.Event{}, changes[len(changes)-1:]).Settlement(fresh)
		if bet.Settlement != want || bet.Revision != event.SettleRevision {
			t.Fatalf("after %+v: got %+v, want %+v at revision %d", changes, bet.Standing, want, event.SettleRevision)
		}
	})
}

func TestApplyRaisesTheRevisionOnlyForANewResult(t *testing.T) {
	t.Parallel()
	event, effect := domain.Event{}.Apply(openEvent().LineEvent, noon)
	if effect != domain.EffectUpdated || event.SettleRevision != 0 || !event.ClosedAt.IsZero() {
		t.Fatalf("new event: effect %d, %+v", effect, event)
	}
	won := event.LineEvent
	won.Seq, won.Version, won.State, won.ResultRevision = 10, 4, domain.StateFinishedWin, 1
	event, effect = event.Apply(won, noon)
	if effect != domain.EffectResulted || event.SettleRevision != 1 || event.ClosedAt != noon || event.ResultedAt != noon {
		t.Fatalf("first result: effect %d, %+v", effect, event)
	}
	if again, effect := event.Apply(won, noon.Add(time.Minute)); effect != domain.EffectNone || !reflect.DeepEqual(again, event) {
		t.Fatalf("the same result again: effect %d, %+v", effect, again)
	}
	renamed := won
	renamed.Seq, renamed.Version, renamed.Name = 11, 5, "final"
	event, effect = event.Apply(renamed, noon.Add(time.Minute))
	if effect != domain.EffectUpdated || event.SettleRevision != 1 || event.Name != "final" {
		t.Fatalf("no new result: effect %d, %+v", effect, event)
	}
	lost := renamed
	lost.Seq, lost.Version, lost.State, lost.ResultRevision = 12, 6, domain.StateFinishedLose, 2
	event, effect = event.Apply(lost, noon.Add(time.Hour))
	if effect != domain.EffectResulted || event.SettleRevision != 2 || event.ClosedAt != noon || event.ResultedAt != noon.Add(time.Hour) {
		t.Fatalf("correction: effect %d, %+v", effect, event)
	}
}

func TestApplyQuarantines(t *testing.T) {
	t.Parallel()
	won := openEvent()
	won.State, won.ResultRevision, won.SettleRevision = domain.StateFinishedWin, 1, 1
	for name, tt := range map[string]struct {
		known  domain.Event
		change func(*domain.LineEvent)
	}{
		"an id of another data set, at any seq": {openEvent(), func(l *domain.LineEvent) { l.Dataset, l.Seq = "other", 1 }},
		"a result that is taken back":           {won, func(l *domain.LineEvent) { l.Seq++; l.State, l.ResultRevision = domain.StateNew, 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := tt.known.LineEvent
			tt.change(&change)
			got, effect := tt.known.Apply(change, noon)
			want := tt.known
			want.Quarantined = true
			if effect != domain.EffectQuarantined || !reflect.DeepEqual(got, want) {
				t.Fatalf("effect %d: got %+v, want %+v", effect, got, want)
			}
			if got.IsSettleable() {
				t.Error("an event in quarantine is settled")
			}
			if again, effect := got.Apply(change, noon); effect != domain.EffectNone || !reflect.DeepEqual(again, got) {
				t.Errorf("a further change has effect %d on an event in quarantine: %+v", effect, again)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	quarantined := openEvent()
	quarantined.Quarantined = true
	current := openEvent().LineEvent
	current.Dataset, current.Seq = "other", 1
	won := current
	won.State, won.ResultRevision = domain.StateFinishedWin, 1
	before := domain.Bet{ID: 1, EventID: 7, Stake: money.MustParse("10"), Coefficient: odds.MustParse("1.45"), AcceptedAt: noon.Add(-time.Second)}
	after := before
	after.AcceptedAt = noon.Add(time.Second)

	for name, tt := range map[string]struct {
		how           domain.Resolution
		current       domain.LineEvent
		before, after domain.Status
	}{
		"void, still open":  {domain.ResolveVoid, current, domain.StatusVoid, domain.StatusPending},
		"void, resulted":    {domain.ResolveVoid, won, domain.StatusVoid, domain.StatusWon},
		"adopt, still open": {domain.ResolveAdopt, current, domain.StatusPending, domain.StatusPending},
		"adopt, resulted":   {domain.ResolveAdopt, won, domain.StatusWon, domain.StatusWon},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := quarantined.Resolve(tt.how, tt.current, noon)
			if err != nil || got.Quarantined || got.LineEvent != tt.current || got.SettleRevision != 1 {
				t.Fatalf("got %+v, %v", got, err)
			}
			if got.Settlement(before).Status != tt.before || got.Settlement(after).Status != tt.after {
				t.Errorf("bets before and after: %s and %s, want %s and %s",
					got.Settlement(before).Status, got.Settlement(after).Status, tt.before, tt.after)
			}
		})
	}
	if _, err := openEvent().Resolve(domain.ResolveVoid, current, noon); !errors.Is(err, domain.ErrNotQuarantined) {
		t.Errorf("resolving a healthy event: got %v, want %v", err, domain.ErrNotQuarantined)
	}
}

func TestSettlement(t *testing.T) {
	t.Parallel()
	bet := domain.Bet{ID: 1, EventID: 7, Stake: money.MustParse("10.01"), Coefficient: odds.MustParse("1.45"), AcceptedAt: noon}
	won := domain.Settlement{Status: domain.StatusWon, Payout: money.MustParse("14.51")} // 14.5145
	for name, tt := range map[string]struct {
		event func(*domain.Event)
		want  domain.Settlement
	}{
		"open":      {func(*domain.Event) {}, domain.Settlement{Status: domain.StatusPending}},
		"won":       {func(e *domain.Event) { e.State = domain.StateFinishedWin }, won},
		"lost":      {func(e *domain.Event) { e.State = domain.StateFinishedLose }, domain.Settlement{Status: domain.StatusLost}},
		"cancelled": {func(e *domain.Event) { e.State = domain.StateCancelled }, domain.Settlement{Status: domain.StatusVoid, Payout: bet.Stake, VoidReason: domain.VoidEventCancelled}},
		"won before the bet was accepted": {
			func(e *domain.Event) { e.State, e.EffectiveAt = domain.StateFinishedWin, noon.Add(-time.Second) },
			domain.Settlement{Status: domain.StatusVoid, Payout: bet.Stake, VoidReason: domain.VoidPastPost},
		},
		"lost at the instant the bet was accepted": {
			func(e *domain.Event) { e.State, e.EffectiveAt = domain.StateFinishedLose, noon },
			domain.Settlement{Status: domain.StatusVoid, Payout: bet.Stake, VoidReason: domain.VoidPastPost},
		},
		"won after the bet was accepted": {
			func(e *domain.Event) { e.State, e.EffectiveAt = domain.StateFinishedWin, noon.Add(time.Second) }, won,
		},
		"recorded before the bet was accepted": {
			func(e *domain.Event) { e.State, e.RecordedBy = domain.StateFinishedWin, noon.Add(-time.Microsecond) },
			domain.Settlement{Status: domain.StatusVoid, Payout: bet.Stake, VoidReason: domain.VoidPastPost},
		},
		"recorded at the latest when the bet was accepted": {
			func(e *domain.Event) { e.State, e.RecordedBy = domain.StateFinishedWin, noon }, won,
		},
		"recorded before the bet was accepted, fact after it": {
			func(e *domain.Event) {
				e.State, e.RecordedBy, e.EffectiveAt = domain.StateFinishedWin, noon.Add(-time.Second), noon.Add(time.Second)
			}, won,
		},
		"recorded after the bet was accepted, fact before it": {
			func(e *domain.Event) {
				e.State, e.RecordedBy, e.EffectiveAt = domain.StateFinishedWin, noon.Add(time.Second), noon
			},
			domain.Settlement{Status: domain.StatusVoid, Payout: bet.Stake, VoidReason: domain.VoidPastPost},
		},
	} {
		event := openEvent()
		tt.event(&event)
		if got := event.Settlement(bet); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// The clocks may be compared again, but what the first result was settled by stays: for a repeated
// message, a correction and the resolution of a quarantine.
func TestRecordedByStays(t *testing.T) {
	t.Parallel()
	won := openEvent().LineEvent
	won.Seq, won.Version, won.State, won.ResultRevision, won.RecordedBy = 10, 4, domain.StateFinishedWin, 1, noon
	event, _ := openEvent().Apply(won, noon)

	again := won
	again.RecordedBy = noon.Add(time.Second)
	if got, effect := event.Apply(again, noon); effect != domain.EffectNone || got.RecordedBy != noon {
		t.Errorf("repeated: effect %d, %+v", effect, got)
	}
	again.Seq, again.Version, again.Name = 11, 5, "named"
	if got, effect := event.Apply(again, noon); effect != domain.EffectUpdated || got.RecordedBy != noon {
		t.Errorf("changed: effect %d, %+v", effect, got)
	}
	again.State, again.ResultRevision = domain.StateFinishedLose, 2
	if got, effect := event.Apply(again, noon); effect != domain.EffectResulted || got.RecordedBy != noon {
		t.Errorf("corrected: effect %d, %+v", effect, got)
	}
	event.Quarantined = true
	if got, err := event.Resolve(domain.ResolveAdopt, again, noon); err != nil || got.RecordedBy != noon {
		t.Errorf("adopted: %+v, %v", got, err)
	}
	again.Dataset = "another"
	if got, err := event.Resolve(domain.ResolveAdopt, again, noon); err != nil || got.RecordedBy != again.RecordedBy {
		t.Errorf("adopted from another data set: %+v, %v", got, err)
	}
}

func TestSettleKeepsTheTimeOfAnUnchangedSettlement(t *testing.T) {
	t.Parallel()
	event := openEvent()
	event.State, event.ResultRevision, event.SettleRevision = domain.StateFinishedWin, 1, 1
	bet := domain.Bet{ID: 1, EventID: 7, Stake: money.MustParse("10"), Coefficient: odds.MustParse("1.45"), AcceptedAt: noon}
	bet.Status = domain.StatusPending
	bet.Standing = event.Settle(bet, noon.Add(time.Minute))
	if bet.SettledAt != noon.Add(time.Minute) || bet.Revision != 1 {
		t.Fatalf("got %+v", bet.Standing)
	}
	event.SettleRevision = 2
	if again := event.Settle(bet, noon.Add(time.Hour)); again.SettledAt != bet.SettledAt || again.Revision != 2 {
		t.Errorf("got %+v, want the time of the first settlement at revision 2", again)
	}
}

func TestValidateRefusesImpossibleEvents(t *testing.T) {
	t.Parallel()
	valid := openEvent().LineEvent
	if err := valid.Validate(); err != nil {
		t.Fatalf("a valid event: %v", err)
	}
	for name, breakIt := range map[string]func(*domain.LineEvent){
		"no id":                     func(l *domain.LineEvent) { l.ID = 0 },
		"no seq":                    func(l *domain.LineEvent) { l.Seq = 0 },
		"no version":                func(l *domain.LineEvent) { l.Version = 0 },
		"no data set":               func(l *domain.LineEvent) { l.Dataset = "" },
		"odds under one":            func(l *domain.LineEvent) { l.Coefficient = odds.MustParse("0.99") },
		"unknown state":             func(l *domain.LineEvent) { l.State = 5 },
		"no state":                  func(l *domain.LineEvent) { l.State = 0 },
		"result without a revision": func(l *domain.LineEvent) { l.State = domain.StateFinishedWin },
		"revision without a result": func(l *domain.LineEvent) { l.ResultRevision = 1 },
		"no deadline":               func(l *domain.LineEvent) { l.Deadline = time.Time{} },
	} {
		event := valid
		breakIt(&event)
		if err := event.Validate(); !errors.Is(err, domain.ErrImpossibleEvent) {
			t.Errorf("%s: got %v, want %v", name, err, domain.ErrImpossibleEvent)
		}
	}
}
