package domain_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

var (
	noon   = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	stakes = domain.StakeLimits{Min: money.MustParse("0.01"), Max: money.MustParse("1000.00")}
	limits = domain.Limits{Stake: stakes}
)

// openEvent takes bets at 1.45 until one o'clock.
func openEvent() domain.Event {
	return domain.Event{LineEvent: domain.LineEvent{
		ID: 7, Dataset: "d", Seq: 3, Version: 3, Coefficient: odds.MustParse("1.45"),
		Deadline: noon.Add(time.Hour), State: domain.StateNew, CreatedAt: noon, UpdatedAt: noon,
	}}
}

func placement() domain.Placement {
	return domain.Placement{UserID: 1, EventID: 7, Stake: money.MustParse("10.00"), Policy: domain.OddsChangeAny, RequestID: "first"}
}

func workingSet(event domain.Event) *domain.WorkingSet {
	return &domain.WorkingSet{
		Wallets:  map[domain.UserID]domain.Wallet{1: rich(true), 2: rich(true), 3: rich(false)},
		Events:   map[domain.EventID]domain.Event{event.ID: event},
		Verdicts: map[domain.VerdictKey]domain.Verdict{},
		BetIDs:   []domain.BetID{101, 102, 103, 104},
		Now:      noon,
	}
}

func rich(open bool) domain.Wallet {
	return domain.Wallet{Open: open, Balance: money.MustParse("5000.00")}
}

func TestDecideAcceptsAtThePriceAndInstantOfTheWorkingSet(t *testing.T) {
	t.Parallel()
	got := workingSet(openEvent()).Decide(limits, []domain.Placement{placement()})

	want := domain.Bet{
		ID: 101, UserID: 1, EventID: 7, Stake: money.MustParse("10.00"), Coefficient: odds.MustParse("1.45"),
		EventVersion: 3, AcceptedAt: noon,
		Standing: domain.Standing{Settlement: domain.Settlement{Status: domain.StatusPending}},
	}
	if !got[0].Accepted() || !got[0].IsNew() || got[0].Bet != want {
		t.Errorf("got %+v, want the new bet %+v", got[0], want)
	}
}

func TestDecideRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		event     func(*domain.Event)
		placement func(*domain.Placement)
		want      domain.Refusal
	}{
		"a stake below the minimum": {
			placement: func(p *domain.Placement) { p.Stake = money.MustParse("0.00") },
			want:      domain.Refusal{Code: domain.RefusedStakeOutOfLimits, Min: stakes.Min, Max: stakes.Max},
		},
		"a negative stake": {
			placement: func(p *domain.Placement) { p.Stake = money.MustParse("-10") },
			want:      domain.Refusal{Code: domain.RefusedStakeOutOfLimits, Min: stakes.Min, Max: stakes.Max},
		},
		"a stake above the maximum": {
			placement: func(p *domain.Placement) { p.Stake = money.MustParse("1000.01") },
			want:      domain.Refusal{Code: domain.RefusedStakeOutOfLimits, Min: stakes.Min, Max: stakes.Max},
		},
		"an event that even the line does not know": {
			placement: func(p *domain.Placement) { p.EventID, p.EventLookedUp = 8, true },
			want:      domain.Refusal{Code: domain.RefusedEventNotFound},
		},
		"a bet at the deadline": {
			event: func(e *domain.Event) { e.Deadline = noon },
			want:  domain.Refusal{Code: domain.RefusedEventClosed},
		},
		"a bet after the deadline": {
			event: func(e *domain.Event) { e.Deadline = noon.Add(-time.Nanosecond) },
			want:  domain.Refusal{Code: domain.RefusedEventClosed},
		},
		"a bet on a won event": {
			event: func(e *domain.Event) { e.State, e.ResultRevision = domain.StateFinishedWin, 1 },
			want:  domain.Refusal{Code: domain.RefusedEventClosed},
		},
		"a bet on a lost event": {
			event: func(e *domain.Event) { e.State, e.ResultRevision = domain.StateFinishedLose, 1 },
			want:  domain.Refusal{Code: domain.RefusedEventClosed},
		},
		"a bet on a cancelled, suspended event as closed": {
			event: func(e *domain.Event) { e.State, e.ResultRevision, e.Suspended = domain.StateCancelled, 1, true },
			want:  domain.Refusal{Code: domain.RefusedEventClosed},
		},
		"a bet on a suspended event": {
			event: func(e *domain.Event) { e.Suspended = true },
			want:  domain.Refusal{Code: domain.RefusedEventSuspended},
		},
		"a bet on an event in quarantine": {
			event: func(e *domain.Event) { e.Quarantined = true },
			want:  domain.Refusal{Code: domain.RefusedEventSuspended},
		},
		"another price than the one seen": {
			placement: func(p *domain.Placement) { p.Policy, p.Seen = domain.OddsChangeNone, odds.MustParse("1.44") },
			want:      domain.Refusal{Code: domain.RefusedPriceChanged, CurrentCoefficient: odds.MustParse("1.45"), EventVersion: 3},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event, p := openEvent(), placement()
			if tt.event != nil {
				tt.event(&event)
			}
			if tt.placement != nil {
				tt.placement(&p)
			}
			got := workingSet(event).Decide(limits, []domain.Placement{p})[0]
			if got.Err != nil || got.Accepted() || got.Refusal != tt.want {
				t.Errorf("got %+v, want the refusal %+v", got, tt.want)
			}
		})
	}
}

func TestDecideAcceptsJustBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	event := openEvent()
	event.Deadline = noon.Add(time.Nanosecond)
	if got := workingSet(event).Decide(limits, []domain.Placement{placement()})[0]; !got.Accepted() {
		t.Errorf("got %+v, want a bet", got)
	}
}

// The price policy, as in the three by three table of the contract.
func TestDecidePricePolicy(t *testing.T) {
	t.Parallel()
	const worse, same, better = "1.44", "1.45", "1.46" // the current price; the user saw 1.45
	accepted := map[domain.OddsChange]map[string]bool{
		domain.OddsChangeNone:   {worse: false, same: true, better: false},
		domain.OddsChangeHigher: {worse: false, same: true, better: true},
		domain.OddsChangeAny:    {worse: true, same: true, better: true},
	}
	for policy, row := range accepted {
		for current, want := range row {
			event, p := openEvent(), placement()
			event.Coefficient = odds.MustParse(current)
			p.Policy, p.Seen = policy, odds.MustParse(same)
			got := workingSet(event).Decide(limits, []domain.Placement{p})[0]
			if got.Accepted() != want {
				t.Errorf("policy %d, saw %s, price %s: accepted %t, want %t", policy, same, current, got.Accepted(), want)
			}
			if want && got.Bet.Coefficient != event.Coefficient {
				t.Errorf("policy %d: bet at %s, want the current price %s", policy, got.Bet.Coefficient, current)
			}
		}
	}
}

func TestDecideRefusesAnInactiveOrUnknownUserWithoutAVerdict(t *testing.T) {
	t.Parallel()
	for _, user := range []domain.UserID{3, 4} {
		ws, p := workingSet(openEvent()), placement()
		p.UserID, p.IdempotencyKey = user, "k"
		got := ws.Decide(limits, []domain.Placement{p})[0]
		if !errors.Is(got.Err, domain.ErrUserInactive) || len(ws.Verdicts) != 0 {
			t.Errorf("user %d: got %+v and %d verdicts, want %v and none", user, got, len(ws.Verdicts), domain.ErrUserInactive)
		}
	}
}

func TestDecideReportsUnknownEvents(t *testing.T) {
	t.Parallel()
	ws, p := workingSet(openEvent()), placement()
	p.EventID, p.IdempotencyKey = 8, "k"
	got := ws.Decide(limits, []domain.Placement{p})[0]
	if !errors.Is(got.Err, domain.ErrEventUnknown) || len(ws.Verdicts) != 0 {
		t.Errorf("got %+v and %d verdicts, want %v and none", got, len(ws.Verdicts), domain.ErrEventUnknown)
	}
}

func TestDecideReplaysVerdictsUnchanged(t *testing.T) {
	t.Parallel()
	p := placement()
	p.IdempotencyKey = "k"
	closed := openEvent()
	closed.State, closed.ResultRevision = domain.StateFinishedWin, 1

	t.Run("an accepted one", func(t *testing.T) {
		t.Parallel()
		first := workingSet(openEvent())
		accepted := first.Decide(limits, []domain.Placement{p})[0]
		later := workingSet(closed)
		later.Verdicts = first.Verdicts
		again := p
		again.RequestID = "second"
		got := later.Decide(limits, []domain.Placement{again})[0]
		if !got.Replayed || got.IsNew() || !reflect.DeepEqual(got.Verdict, accepted.Verdict) {
			t.Errorf("got %+v, want a replay of %+v", got, accepted)
		}
	})
	t.Run("a refused one", func(t *testing.T) {
		t.Parallel()
		first := workingSet(closed)
		refused := first.Decide(limits, []domain.Placement{p})[0]
		later := workingSet(openEvent())
		later.Verdicts = first.Verdicts
		got := later.Decide(limits, []domain.Placement{p})[0]
		if !got.Replayed || got.Accepted() || got.Refusal != refused.Refusal || got.RequestID != "first" {
			t.Errorf("got %+v, want a replay of %+v", got, refused)
		}
	})
}

func TestDecideOnlyReplaysWhileTheFeedIsDown(t *testing.T) {
	t.Parallel()
	ws := workingSet(openEvent())
	first := placement()
	first.IdempotencyKey = "k"
	accepted := ws.Decide(limits, []domain.Placement{first})[0]

	ws.LineUnknown = domain.ErrFeedUnavailable
	anew := placement()
	anew.IdempotencyKey = "other"
	got := ws.Decide(limits, []domain.Placement{first, anew, anew, placement()})
	if !got[0].Replayed || got[0].Bet != accepted.Bet {
		t.Errorf("got %+v, want the replay of %+v", got[0], accepted)
	}
	for i, decision := range got[1:] {
		if !errors.Is(decision.Err, domain.ErrFeedUnavailable) || decision.IsNew() || decision.Accepted() {
			t.Errorf("placement %d: got %+v, want ErrFeedUnavailable and no verdict", i+1, decision)
		}
	}
}

func TestDecideDecidesDuplicatesInOneBatchOnce(t *testing.T) {
	t.Parallel()
	p := placement()
	p.IdempotencyKey = "k"
	other := p
	other.Stake = money.MustParse("11")
	stranger := p
	stranger.UserID = 2

	got := workingSet(openEvent()).Decide(limits, []domain.Placement{p, p, other, stranger})

	if !got[0].IsNew() || !got[1].Replayed || got[0].Bet != got[1].Bet {
		t.Errorf("first %+v, second %+v: want one bet and its replay", got[0], got[1])
	}
	if !errors.Is(got[2].Err, domain.ErrKeyReused) {
		t.Errorf("got %+v, want %v for another stake under the same key", got[2], domain.ErrKeyReused)
	}
	if !got[3].IsNew() || got[3].Bet.ID == got[0].Bet.ID {
		t.Errorf("got %+v, want another bet for the same key of another user", got[3])
	}
}

func TestFingerprintIgnoresSpelling(t *testing.T) {
	t.Parallel()
	base := placement()
	same := base
	same.Stake, same.RequestID, same.EventLookedUp = money.MustParse("10"), "other", true
	if base.Fingerprint() != same.Fingerprint() {
		t.Error("10 and 10.00 have different fingerprints")
	}
	for name, change := range map[string]func(*domain.Placement){
		"event":  func(p *domain.Placement) { p.EventID++ },
		"stake":  func(p *domain.Placement) { p.Stake = money.MustParse("10.01") },
		"price":  func(p *domain.Placement) { p.Seen = odds.MustParse("1.45") },
		"policy": func(p *domain.Placement) { p.Policy = domain.OddsChangeHigher },
	} {
		other := base
		change(&other)
		if base.Fingerprint() == other.Fingerprint() {
			t.Errorf("another %s has the same fingerprint", name)
		}
	}
}

// Every field of a placement that the user chooses is in the fingerprint. The others are listed here.
func TestFingerprintCoversEveryField(t *testing.T) {
	t.Parallel()
	base := placement()
	others := map[string]bool{"UserID": true, "TokenVersion": true, "IdempotencyKey": true, "RequestID": true, "EventLookedUp": true}
	for field, value := range reflect.ValueOf(base).Fields() {
		other := base
		changed := reflect.ValueOf(&other).Elem().FieldByIndex(field.Index)
		switch value.Interface().(type) {
		case money.Amount:
			changed.Set(reflect.ValueOf(base.Stake.Plus(base.Stake)))
		case odds.Decimal:
			changed.Set(reflect.ValueOf(odds.MustParse("9.99")))
		default:
			change(t, changed)
		}
		if same := base.Fingerprint() == other.Fingerprint(); same != others[field.Name] {
			t.Errorf("another %s has the same fingerprint: %t, want %t", field.Name, same, others[field.Name])
		}
	}
}

// change gives a field another value.
func change(t *testing.T, field reflect.Value) {
	t.Helper()
	switch {
	case field.CanInt():
		field.SetInt(field.Int() + 1)
	case field.CanUint():
		field.SetUint(field.Uint() - 1)
	case field.Kind() == reflect.String:
		field.SetString(field.String() + `"`)
	case field.Kind() == reflect.Bool:
		field.SetBool(!field.Bool())
	default:
		t.Fatalf("the test has no other value for a %s", field.Type())
	}
}
