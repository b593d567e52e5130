package domain_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/fieldtest"
	"stavka.local/shared/odds"
)

var (
	noon  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	rules = domain.Rules{MinimumDuration: 5000 * time.Second, MaxCoefficient: odds.MustParse("1000.00")}
)

// event returns an event in the given state, created at noon, with a deadline an hour later.
func event(state domain.State) domain.Event {
	e := domain.Event{
		ID: 7, Coefficient: odds.MustParse("1.45"), Deadline: noon.Add(time.Hour), State: domain.StateNew,
		CreatedAt: noon, UpdatedAt: noon, Version: 1, Seq: 41,
	}
	if state.IsFinal() {
		e.State, e.Version, e.ResultRevision = state, 2, 1
	}
	return e
}

// with returns a copy of e, changed by edit.
func with(e domain.Event, edit func(*domain.Event)) domain.Event {
	edit(&e)
	return e
}

// check compares a decision with the wanted change or the wanted error.
func check(t *testing.T, got domain.Change, err error, want domain.Change, wantErr error) {
	t.Helper()
	if !errors.Is(err, wantErr) || (wantErr == nil) != (err == nil) {
		t.Fatalf("got error %v, want %v", err, wantErr)
	}
	if got != want {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	opened := domain.Event{
		Coefficient: odds.MustParse("1.45"), Deadline: noon.Add(5000 * time.Second), State: domain.StateNew,
		CreatedAt: noon, UpdatedAt: noon, Version: 1,
	}
	for name, c := range map[string]struct {
		offer domain.Offer
		want  domain.Event
		err   error
	}{
		"has the default deadline": {
			offer: domain.Offer{Coefficient: odds.MustParse("1.45")},
			want:  opened,
		},
		"has a deadline and a name": {
			offer: domain.Offer{Coefficient: odds.MustParse("1.45"), Deadline: new(noon.Add(time.Minute)), Name: "derby"},
			want: with(opened, func(e *domain.Event) {
				e.Deadline, e.Name = noon.Add(time.Minute), "derby"
			}),
		},
		"may end now": {
			offer: domain.Offer{Coefficient: odds.MustParse("1.45"), Deadline: new(noon)},
			want:  with(opened, func(e *domain.Event) { e.Deadline = noon }),
		},
		"may not have ended": {
			offer: domain.Offer{Coefficient: odds.MustParse("1.45"), Deadline: new(noon.Add(-time.Second))},
			err:   domain.ErrDeadlineInPast,
		},
		"may not have ended at the zero time": {
			offer: domain.Offer{Coefficient: odds.MustParse("1.45"), Deadline: new(time.Time{})},
			err:   domain.ErrDeadlineInPast,
		},
		"may return the stake": {
			offer: domain.Offer{Coefficient: odds.MustParse("1.00")},
			want:  with(opened, func(e *domain.Event) { e.Coefficient = odds.MustParse("1.00") }),
		},
		"may not return less": {
			offer: domain.Offer{Coefficient: odds.MustParse("0.99")}, err: domain.ErrCoefficient,
		},
		"may return the maximum": {
			offer: domain.Offer{Coefficient: odds.MustParse("1000.00")},
			want:  with(opened, func(e *domain.Event) { e.Coefficient = odds.MustParse("1000.00") }),
		},
		"may not return more": {
			offer: domain.Offer{Coefficient: odds.MustParse("1000.01")}, err: domain.ErrCoefficient,
		},
		"has a price": {offer: domain.Offer{}, err: domain.ErrCoefficient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := domain.Open(noon, c.offer, rules)
			want := domain.Change{Action: domain.ActionCreate, After: c.want}
			if c.err != nil {
				want = domain.Change{}
			}
			check(t, got, err, want, c.err)
		})
	}
}

func TestAmend(t *testing.T) {
	t.Parallel()
	later, late := noon.Add(time.Minute), noon.Add(time.Hour)
	for name, c := range map[string]struct {
		event domain.Event
		now   time.Time
		amend domain.Amendment
		want  func(*domain.Event) // nil: no change
		err   error
	}{
		"reprices": {
			event(domain.StateNew), later, domain.Amendment{Coefficient: new(odds.MustParse("1.60"))},
			func(e *domain.Event) { e.Coefficient = odds.MustParse("1.60") }, nil,
		},
		"reprices until the last second": {
			event(domain.StateNew), late.Add(-time.Second), domain.Amendment{Coefficient: new(odds.MustParse("1.60"))},
			func(e *domain.Event) { e.Coefficient = odds.MustParse("1.60") }, nil,
		},
		"does not reprice at the deadline": {
			event(domain.StateNew), late, domain.Amendment{Coefficient: new(odds.MustParse("1.60"))},
			nil, domain.ErrDeadlinePassed,
		},
		"does not reprice beyond the maximum": {
			event(domain.StateNew), later, domain.Amendment{Coefficient: new(odds.MustParse("1000.01"))},
			nil, domain.ErrCoefficient,
		},
		"moves": {
			event(domain.StateNew), later, domain.Amendment{Deadline: new(noon.Add(2 * time.Hour))},
			func(e *domain.Event) { e.Deadline = noon.Add(2 * time.Hour) }, nil,
		},
		"ends now": {
			event(domain.StateNew), later, domain.Amendment{Deadline: new(later)},
			func(e *domain.Event) { e.Deadline = later }, nil,
		},
		"does not move into the past": {
			event(domain.StateNew), later, domain.Amendment{Deadline: new(later.Add(-time.Second))},
			nil, domain.ErrDeadlineInPast,
		},
		"does not move after the deadline": {
			event(domain.StateNew), late, domain.Amendment{Deadline: new(noon.Add(2 * time.Hour))},
			nil, domain.ErrDeadlinePassed,
		},
		"does not confirm the price after the deadline": {
			event(domain.StateNew), late, domain.Amendment{Coefficient: new(odds.MustParse("1.45"))},
			nil, domain.ErrDeadlinePassed,
		},
		"suspends after the deadline": {
			event(domain.StateNew), late, domain.Amendment{Suspended: new(true)},
			func(e *domain.Event) { e.Suspended = true }, nil,
		},
		"resumes": {
			with(event(domain.StateNew), func(e *domain.Event) { e.Suspended = true }), later,
			domain.Amendment{Suspended: new(false)},
			func(e *domain.Event) { e.Suspended = false }, nil,
		},
		"names": {
			event(domain.StateNew), late, domain.Amendment{Name: new("derby")},
			func(e *domain.Event) { e.Name = "derby" }, nil,
		},
		"takes the name away": {
			with(event(domain.StateNew), func(e *domain.Event) { e.Name = "derby" }), later,
			domain.Amendment{Name: new("")}, func(e *domain.Event) { e.Name = "" }, nil,
		},
		"does all at once": {
			event(domain.StateNew), later, domain.Amendment{
				Coefficient: new(odds.MustParse("2.00")), Deadline: new(late.Add(time.Hour)), Name: new("derby"), Suspended: new(true),
			},
			func(e *domain.Event) {
				e.Coefficient, e.Deadline, e.Name, e.Suspended = odds.MustParse("2.00"), late.Add(time.Hour), "derby", true
			}, nil,
		},
		"does nothing in part": {
			event(domain.StateNew), late, domain.Amendment{Suspended: new(true), Deadline: new(late.Add(time.Hour))},
			nil, domain.ErrDeadlinePassed,
		},
		"leaves equal values": {
			event(domain.StateNew), later, domain.Amendment{
				Coefficient: new(odds.MustParse("1.45")), Deadline: new(late), Name: new(""), Suspended: new(false),
			}, nil, nil,
		},
		"leaves a finished event alone": {
			event(domain.StateFinishedWin), later, domain.Amendment{Suspended: new(true)}, nil, domain.ErrEventNotOpen,
		},
		"leaves a cancelled event alone": {
			event(domain.StateCancelled), later, domain.Amendment{Name: new("")}, nil, domain.ErrEventNotOpen,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.event.Amend(c.now, c.amend, rules)
			check(t, got, err, changed(c.event, c.now, domain.ActionChange, c.want, c.err), c.err)
		})
	}
}

func TestEveryFieldOfAnOfferReachesTheEvent(t *testing.T) {
	t.Parallel()
	open := func(offer domain.Offer) domain.Event {
		change, err := domain.Open(time.Unix(0, 0).UTC(), offer, rules)
		if err != nil {
			t.Fatalf("%+v: %v", offer, err)
		}
		return change.After
	}
	offer := fieldtest.Full[domain.Offer](t)
	for name, other := range fieldtest.Variants(t, offer) {
		if open(other) == open(offer) {
			t.Errorf("%s does not reach the event", name)
		}
	}
}

func TestEveryFieldOfAnAmendmentChangesTheEvent(t *testing.T) {
	t.Parallel()
	e := with(event(domain.StateNew), func(e *domain.Event) { e.Deadline = noon })
	for name, amendment := range fieldtest.Variants(t, domain.Amendment{}) {
		change, err := e.Amend(time.Unix(0, 0).UTC(), amendment, rules)
		if err != nil || change.IsEmpty() {
			t.Errorf("an amendment of %s makes the change %+v, %v", name, change, err)
		}
	}
}

// changed returns the change that edit makes to e: an empty one without edit, and the zero Change
// with an error.
func changed(
	e domain.Event, now time.Time, action domain.Action, edit func(*domain.Event), err error,
) domain.Change {
	switch {
	case err != nil:
		return domain.Change{}
	case edit == nil:
		return domain.Change{Before: e, After: e}
	}
	return domain.Change{Action: action, Before: e, After: with(e, func(after *domain.Event) {
		after.Version++
		after.UpdatedAt = now
		edit(after)
		if !e.State.IsFinal() && after.State.IsFinal() {
			after.RecordedAt = now
		}
	})}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	later := noon.Add(2 * time.Hour)
	unknown := &domain.Instant{Unknown: true}
	said := with(event(domain.StateFinishedWin), func(e *domain.Event) { e.EffectiveAt = noon.Add(time.Minute) })
	for name, c := range map[string]struct {
		event  domain.Event
		result domain.Result
		action domain.Action
		want   func(*domain.Event)
		err    error
	}{
		"wins": {
			event(domain.StateNew), domain.Result{State: domain.StateFinishedWin}, domain.ActionFinish,
			func(e *domain.Event) { e.State, e.ResultRevision = domain.StateFinishedWin, 1 }, nil,
		},
		"loses, as of a second": {
			event(domain.StateNew), domain.Result{State: domain.StateFinishedLose, EffectiveAt: &domain.Instant{At: noon}}, domain.ActionFinish,
			func(e *domain.Event) { e.State, e.ResultRevision, e.EffectiveAt = domain.StateFinishedLose, 1, noon }, nil,
		},
		"is cancelled, as of now": {
			event(domain.StateNew), domain.Result{State: domain.StateCancelled, EffectiveAt: &domain.Instant{At: later}}, domain.ActionFinish,
			func(e *domain.Event) { e.State, e.ResultRevision, e.EffectiveAt = domain.StateCancelled, 1, later }, nil,
		},
		"does not win in the future": {
			event(domain.StateNew),
			domain.Result{State: domain.StateFinishedWin, EffectiveAt: &domain.Instant{At: later.Add(time.Second)}},
			"", nil, domain.ErrEffectiveAt,
		},
		"does not win before it exists": {
			event(domain.StateNew),
			domain.Result{State: domain.StateFinishedWin, EffectiveAt: &domain.Instant{At: noon.Add(-time.Second)}},
			"", nil, domain.ErrEffectiveAt,
		},
		"does not win at the zero time": {
			event(domain.StateNew), domain.Result{State: domain.StateFinishedWin, EffectiveAt: &domain.Instant{}},
			"", nil, domain.ErrEffectiveAt,
		},
		"is open already": {
			event(domain.StateNew), domain.Result{State: domain.StateNew}, "", nil, nil,
		},
		"is not open as of a second": {
			event(domain.StateNew), domain.Result{State: domain.StateNew, EffectiveAt: &domain.Instant{At: noon}},
			"", nil, domain.ErrEffectiveAt,
		},
		"is not open as of an unknown instant": {
			event(domain.StateNew), domain.Result{State: domain.StateNew, EffectiveAt: unknown}, "", nil, nil,
		},
		"wins, as of an unknown instant": {
			event(domain.StateNew), domain.Result{State: domain.StateFinishedWin, EffectiveAt: unknown}, domain.ActionFinish,
			func(e *domain.Event) { e.State, e.ResultRevision = domain.StateFinishedWin, 1 }, nil,
		},
		"is won already": {
			said, domain.Result{State: domain.StateFinishedWin, Reason: "again"}, "", nil, nil,
		},
		"is won already, as of the same second": {
			said, domain.Result{State: domain.StateFinishedWin, EffectiveAt: &domain.Instant{At: said.EffectiveAt}}, "", nil, nil,
		},
		"is won already, as of an unknown instant": {
			event(domain.StateFinishedWin), domain.Result{State: domain.StateFinishedWin, EffectiveAt: unknown}, "", nil, nil,
		},
		"was won at another instant": {
			said, domain.Result{State: domain.StateFinishedWin, EffectiveAt: &domain.Instant{At: noon}, Reason: "earlier"}, domain.ActionCorrect,
			func(e *domain.Event) { e.ResultRevision, e.EffectiveAt = 2, noon }, nil,
		},
		"was won at an instant that was unknown": {
			event(domain.StateFinishedWin),
			domain.Result{State: domain.StateFinishedWin, EffectiveAt: &domain.Instant{At: later}, Reason: "the video"}, domain.ActionCorrect,
			func(e *domain.Event) { e.ResultRevision, e.EffectiveAt = 2, later }, nil,
		},
		"was won at an unknown instant": {
			said, domain.Result{State: domain.StateFinishedWin, EffectiveAt: unknown, Reason: "no video"}, domain.ActionCorrect,
			func(e *domain.Event) { e.ResultRevision, e.EffectiveAt = 2, time.Time{} }, nil,
		},
		"was lost at an unknown instant": {
			said, domain.Result{State: domain.StateFinishedLose, EffectiveAt: unknown, Reason: "no video"}, domain.ActionCorrect,
			func(e *domain.Event) {
				e.State, e.ResultRevision, e.EffectiveAt = domain.StateFinishedLose, 2, time.Time{}
			}, nil,
		},
		"was not won at another instant without a reason": {
			said, domain.Result{State: domain.StateFinishedWin, EffectiveAt: &domain.Instant{At: noon}}, "", nil, domain.ErrReasonRequired,
		},
		"does not lose its instant without a reason": {
			said, domain.Result{State: domain.StateFinishedWin, EffectiveAt: unknown}, "", nil, domain.ErrReasonRequired,
		},
		"was not won at an instant in the future": {
			said, domain.Result{State: domain.StateFinishedWin, EffectiveAt: &domain.Instant{At: later.Add(time.Second)}, Reason: "soon"},
			"", nil, domain.ErrEffectiveAt,
		},
		"was not won at the zero time": {
			event(domain.StateFinishedWin), domain.Result{State: domain.StateFinishedWin, EffectiveAt: &domain.Instant{}, Reason: "R"},
			"", nil, domain.ErrEffectiveAt,
		},
		"is not opened again": {
			event(domain.StateFinishedWin), domain.Result{State: domain.StateNew, Reason: "oops"},
			"", nil, domain.ErrEventFinished,
		},
		"is corrected, the instant stays": {
			said, domain.Result{State: domain.StateFinishedLose, Reason: "goal disallowed"}, domain.ActionCorrect,
			func(e *domain.Event) { e.State, e.ResultRevision = domain.StateFinishedLose, 2 }, nil,
		},
		"is corrected, with its instant": {
			said, domain.Result{State: domain.StateCancelled, Reason: "abandoned", EffectiveAt: &domain.Instant{At: later}}, domain.ActionCorrect,
			func(e *domain.Event) { e.State, e.ResultRevision, e.EffectiveAt = domain.StateCancelled, 2, later }, nil,
		},
		"is corrected out of a cancellation": {
			event(domain.StateCancelled), domain.Result{State: domain.StateFinishedWin, Reason: "played after all"},
			domain.ActionCorrect,
			func(e *domain.Event) { e.State, e.ResultRevision = domain.StateFinishedWin, 2 }, nil,
		},
		"is not corrected without a reason": {
			said, domain.Result{State: domain.StateFinishedLose}, "", nil, domain.ErrReasonRequired,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.event.Decide(later, c.result)
			check(t, got, err, changed(c.event, later, c.action, c.want, c.err), c.err)
		})
	}
}

// The first result is recorded to the millisecond, and not before the change before it, although the
// clock was set back.
func TestRecordedAt(t *testing.T) {
	t.Parallel()
	open := with(event(domain.StateNew), func(e *domain.Event) { e.UpdatedAt = noon })
	for now, want := range map[time.Time]time.Time{
		noon.Add(1234567 * time.Microsecond): noon.Add(1234 * time.Millisecond),
		noon.Add(-time.Hour):                 noon,
	} {
		won, err := open.Decide(now, domain.Result{State: domain.StateFinishedWin})
		if err != nil || !won.After.RecordedAt.Equal(want) || won.After.UpdatedAt.Nanosecond() != 0 {
			t.Errorf("decided at %s: got %+v, %v, want recorded at %s", now, won.After, err, want)
		}
		removed, err := open.Remove(now)
		if err != nil || !removed.After.RecordedAt.Equal(want) || removed.After.UpdatedAt.Nanosecond() != 0 {
			t.Errorf("removed at %s: got %+v, %v, want recorded at %s", now, removed.After, err, want)
		}
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	later := noon.Add(2 * time.Hour)
	for name, c := range map[string]struct {
		event domain.Event
		want  func(*domain.Event)
		err   error
	}{
		"cancels an open event": {
			event(domain.StateNew),
			func(e *domain.Event) { e.State, e.ResultRevision = domain.StateCancelled, 1 }, nil,
		},
		"leaves a cancelled one alone": {event(domain.StateCancelled), nil, nil},
		"refuses a won one":            {event(domain.StateFinishedWin), nil, domain.ErrEventFinished},
		"refuses a lost one":           {event(domain.StateFinishedLose), nil, domain.ErrEventFinished},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.event.Remove(later)
			check(t, got, err, changed(c.event, later, domain.ActionRemove, c.want, c.err), c.err)
		})
	}
}

// TestLife makes random decisions about an event, with a clock that jumps, and checks that each one
// keeps the promises of the package.
func TestLife(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		opened, err := domain.Open(now, domain.Offer{Coefficient: odds.MustParse("1.45")}, rules)
		if err != nil {
			t.Fatal(err)
		}
		e := opened.After
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(-600, 3000).Draw(t, "seconds")) * time.Second)
			change, err := decide(t, e, now)
			if err != nil {
				if change != (domain.Change{}) {
					t.Fatalf("an error with a decision: %+v", change)
				}
				continue
			}
			if change.Before != e {
				t.Fatalf("decided on %+v, not on %+v", change.Before, e)
			}
			keepsPromises(t, change, now)
			e = change.After
		}
	})
}

func decide(t *rapid.T, e domain.Event, now time.Time) (domain.Change, error) {
	instant := func(name string) *time.Time {
		return rapid.Ptr(rapid.Map(rapid.IntRange(-4000, 4000), func(s int) time.Time {
			return now.Add(time.Duration(s) * time.Second)
		}), true).Draw(t, name)
	}
	switch rapid.IntRange(0, 2).Draw(t, "operation") {
	case 0:
		price := rapid.Map(rapid.Int64Range(90, 100_100), func(n int64) odds.Decimal {
			d, _ := odds.FromHundredths(n) // within range by construction
			return d
		})
		return e.Amend(now, domain.Amendment{
			Coefficient: rapid.Ptr(price, true).Draw(t, "price"),
			Deadline:    instant("deadline"),
			Name:        rapid.Ptr(rapid.SampledFrom([]string{"", "a", "b"}), true).Draw(t, "name"),
			Suspended:   rapid.Ptr(rapid.Bool(), true).Draw(t, "suspended"),
		}, rules)
	case 1:
		var effective *domain.Instant
		if at := instant("effective at"); at != nil {
			effective = &domain.Instant{At: *at, Unknown: rapid.Bool().Draw(t, "unknown")}
		}
		return e.Decide(now, domain.Result{
			State:       domain.State(rapid.IntRange(1, 4).Draw(t, "state")),
			EffectiveAt: effective,
			Reason:      rapid.SampledFrom([]string{"", "because"}).Draw(t, "reason"),
		})
	default:
		return e.Remove(now)
	}
}

func keepsPromises(t *rapid.T, c domain.Change, now time.Time) {
	before, after := c.Before, c.After
	if c.IsEmpty() {
		if before != after || c.Action != "" {
			t.Fatalf("an empty change that changes something: %+v", c)
		}
		return
	}
	promise := func(kept bool, what string) {
		if !kept {
			t.Fatalf("broken: %s\nat %s, before %+v\nafter %+v", what, now, before, after)
		}
	}
	resulted := before.State != after.State || !before.EffectiveAt.Equal(after.EffectiveAt)
	promise(after.Version == before.Version+1, "a change is one version")
	promise(after.ID == before.ID && after.CreatedAt.Equal(before.CreatedAt), "an event stays the one it is")
	promise(!after.UpdatedAt.Before(before.UpdatedAt), "an event does not get younger")
	promise(after.State.IsValid() && (!resulted || after.State.IsFinal()), "nothing leads back to NEW")
	promise((after.ResultRevision == before.ResultRevision+1) == resulted &&
		(resulted || after.ResultRevision == before.ResultRevision), "a result is one revision")
	promise((after.ResultRevision > 0) == after.State.IsFinal(), "final is with a result")
	promise(after.EffectiveAt.IsZero() || after.State.IsFinal(), "an instant belongs to a result")
	promise(after.RecordedAt.IsZero() != after.State.IsFinal(), "a result is recorded")
	promise(!before.State.IsFinal() || after.RecordedAt.Equal(before.RecordedAt), "the first result stays recorded as it was")
	promise(after.EffectiveAt.IsZero() || !after.EffectiveAt.Before(after.CreatedAt), "nothing was fact before the event")
	promise(!after.Coefficient.Less(odds.MustParse("1.00")) && !rules.MaxCoefficient.Less(after.Coefficient),
		"the price may be offered")
	moved := before.Coefficient != after.Coefficient || !before.Deadline.Equal(after.Deadline)
	promise(!moved || before.State == domain.StateNew && now.Before(before.Deadline), "after the deadline price and deadline stay")
	promise(!moved || !resulted, "a result leaves the offer as it was")
}

func TestStates(t *testing.T) {
	t.Parallel()
	for state := range domain.State(6) {
		valid, final := state >= 1 && state <= 4, state >= 2 && state <= 4
		if state.IsValid() != valid || state.IsFinal() != final {
			t.Errorf("state %d: valid %t, final %t", state, state.IsValid(), state.IsFinal())
		}
	}
}
