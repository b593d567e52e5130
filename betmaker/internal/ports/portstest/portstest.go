// Package portstest has a test suite for each store port of package ports. Every adapter must pass all of
// them. The contracts of the ports are tested only here.
//
// A suite opens new, empty stores for each of its tests, uses them only through the ports, and reads no
// clock but the store's.
package portstest

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// Stores is an adapter's stores with a function for tests.
type Stores struct {
	ports.Stores

	// AgeRefusals makes all stored refusals older.
	AgeRefusals func(t *testing.T, by time.Duration)
	// SetBack makes the store's clock read an instant that is later by the given time, and sets it back by as
	// much.
	SetBack func(t *testing.T, by time.Duration)
}

// Open returns new, empty stores. They are removed when t ends.
type Open func(t *testing.T) Stores

// All runs the suites of all ports.
func All(t *testing.T, open Open) {
	suites := map[string]func(*testing.T, Open){
		"Placements":    Placements,
		"Race":          Race,
		"Events":        Events,
		"Clock":         Clock,
		"Cursors":       Cursors,
		"Settlements":   Settlements,
		"Bets":          Bets,
		"Users":         Users,
		"LoginFailures": LoginFailures,
		"Money":         Money,
		"Limits":        Limits,
		"Payments":      Payments,
		"Cancellations": Cancellations,
		"AuditLog":      AuditLog,
		"Ledger":        Ledger,
	}
	for name, suite := range suites {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite(t, open)
		})
	}
}

// run runs tests in parallel, each on its own stores.
func run(t *testing.T, open Open, tests map[string]func(*testing.T, Stores)) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// scaled returns a tenth of a full count, times STAVKA_TEST_SCALE, which is 1 unless
// `make test-long` runs the full counts.
func scaled(t *testing.T, full int) int {
	t.Helper()
	scale := 1
	if text := os.Getenv("STAVKA_TEST_SCALE"); text != "" {
		var err error
		if scale, err = strconv.Atoi(text); err != nil || scale < 1 {
			t.Fatalf("STAVKA_TEST_SCALE is %q, want a number from 1", text)
		}
	}
	return max(1, full*scale/10)
}

var (
	limits = domain.Limits{Stake: domain.StakeLimits{Min: money.MustParse("0.01"), Max: money.MustParse("1000000.00")}}
	ten    = money.MustParse("10.00")
	// plenty is the opening balance: more than the users of most tests stake.
	plenty = money.MustParse("10000000.00")

	// distant is later than any test. It has a fraction, so that a test fails if the fraction is lost.
	distant = time.Date(2100, time.January, 1, 12, 30, 15, 123456000, time.UTC)
	past    = time.Date(2020, time.January, 1, 12, 30, 15, 123456000, time.UTC)
)

// openEvent returns an event that takes bets.
func openEvent(id domain.EventID) domain.Event {
	return domain.Event{LineEvent: domain.LineEvent{
		ID:          id,
		Dataset:     "D",
		Seq:         int64(id),
		Version:     1,
		Name:        "Ajax - PSV",
		Coefficient: odds.MustParse("1.45"),
		Deadline:    distant,
		State:       domain.StateNew,
		CreatedAt:   past,
		UpdatedAt:   past,
	}}
}

// addOpenEvents writes events 1 to n, which take bets.
func addOpenEvents(t *testing.T, s Stores, n int) {
	t.Helper()
	events := make([]domain.Event, n)
	for i := range events {
		events[i] = openEvent(domain.EventID(i + 1))
	}
	write(t, s, events...)
}

// write writes events unchanged.
func write(t *testing.T, s Stores, events ...domain.Event) {
	t.Helper()
	ids := make([]domain.EventID, len(events))
	for i, event := range events {
		ids[i] = event.ID
	}
	err := s.Events.Update(t.Context(), ids, func(time.Time, map[domain.EventID]domain.Event) []domain.Event { return events })
	ok(t, err)
}

// update replaces an event by the result of change.
func update(t *testing.T, s Stores, id domain.EventID, change func(event domain.Event, now time.Time) domain.Event) domain.Event {
	t.Helper()
	var changed domain.Event
	err := s.Events.Update(t.Context(), []domain.EventID{id}, func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event {
		changed = change(known[id], now)
		return []domain.Event{changed}
	})
	ok(t, err)
	return changed
}

// finish gives an event a first or another result.
func finish(t *testing.T, s Stores, id domain.EventID, state domain.State) domain.Event {
	t.Helper()
	return update(t, s, id, func(event domain.Event, now time.Time) domain.Event { return resulted(event, state, now) })
}

// resulted returns an event after a result of the line.
func resulted(event domain.Event, state domain.State, now time.Time) domain.Event {
	change := event.LineEvent
	change.Seq++
	change.Version++
	change.ResultRevision++
	change.State = state
	event, _ = event.Apply(change, now)
	return event
}

// clock reads the store's clock.
func clock(t *testing.T, s Stores) (now time.Time) {
	t.Helper()
	nothing := func(at time.Time, _ map[domain.EventID]domain.Event) []domain.Event {
		now = at
		return nil
	}
	ok(t, s.Events.Update(t.Context(), []domain.EventID{1 << 40}, nothing))
	return now
}

// newUser returns a user who is not in the store.
func newUser(name string, role domain.Role) ports.NewUser {
	return ports.NewUser{
		Credentials: ports.Credentials{
			User: domain.User{
				Name: "Bella B.", Username: name, Email: name + "@example.com", Role: role, Active: true, TokenVersion: 1,
			},
			PasswordHash: "$argon2id$...",
		},
		Opening: plenty,
	}
}

// updateUser changes a user without an audit record.
func updateUser(
	ctx context.Context, s Stores, id domain.UserID, decide func(user ports.Credentials, activeAdmins int) (ports.Credentials, error),
) (domain.User, error) {
	return s.Users.Update(ctx, id, func(user ports.Credentials, activeAdmins int) (ports.UserUpdate, error) {
		next, err := decide(user, activeAdmins)
		return ports.UserUpdate{Credentials: next}, err
	})
}

func addUser(t *testing.T, s Stores, name string, role domain.Role) domain.User {
	t.Helper()
	user, err := s.Users.Create(t.Context(), newUser(name, role))
	ok(t, err)
	return user
}

// addUsers adds n players.
func addUsers(t *testing.T, s Stores, n int) []domain.UserID {
	t.Helper()
	ids := make([]domain.UserID, n)
	for i := range ids {
		ids[i] = addUser(t, s, "player"+strconv.Itoa(i), domain.RoleUser).ID
	}
	return ids
}

// bet returns a placement at any price.
func bet(user domain.UserID, event domain.EventID) domain.Placement {
	return domain.Placement{UserID: user, EventID: event, Stake: ten, Policy: domain.OddsChangeAny, RequestID: "first"}
}

func withKey(p domain.Placement, key string) domain.Placement {
	p.IdempotencyKey = key
	return p
}

// tryPlace places bets, decided by the domain.
func tryPlace(ctx context.Context, s Stores, batch ...domain.Placement) ([]domain.Decision, error) {
	return placeWithin(ctx, s, limits, batch...)
}

// placeWithin places bets within other limits.
func placeWithin(ctx context.Context, s Stores, limits domain.Limits, placements ...domain.Placement) ([]domain.Decision, error) {
	batch := ports.Batch{Placements: placements, WithLiabilities: limits.Liability.IsPositive()}
	return s.Placements.Place(ctx, batch, func(set *domain.WorkingSet) []domain.Decision { return set.Decide(limits, placements) })
}

func place(t *testing.T, s Stores, batch ...domain.Placement) []domain.Decision {
	t.Helper()
	decisions, err := tryPlace(t.Context(), s, batch...)
	ok(t, err)
	if len(decisions) != len(batch) {
		t.Fatalf("%d decisions, want one for each of %d placements", len(decisions), len(batch))
	}
	return decisions
}

// placeBet places a bet that must be accepted.
func placeBet(t *testing.T, s Stores, placement domain.Placement) domain.Bet {
	t.Helper()
	decision := place(t, s, placement)[0]
	if decision.Err != nil || !decision.Accepted() {
		t.Fatalf("the bet was not accepted: %+v", decision)
	}
	return decision.Bet
}

func readBet(t *testing.T, s Stores, id domain.BetID) domain.Bet {
	t.Helper()
	bet, err := s.Bets.Bet(t.Context(), id)
	ok(t, err)
	return bet
}

// allBets returns all bets that match the filter.
func allBets(t *testing.T, s Stores, filter ports.BetFilter) []domain.Bet {
	t.Helper()
	bets, err := s.Bets.List(t.Context(), filter, 1_000_000)
	ok(t, err)
	return bets
}

// asDomain decides settlements by the domain.
func asDomain(set *domain.Settling) []domain.Settled { return set.Settle() }

// settle settles an event completely and returns how many bets changed.
func settle(ctx context.Context, s Stores, event domain.EventID, limit int) (changed int, err error) {
	for after := domain.BetID(0); ; {
		chunk, err := s.Settlements.SettleChunk(ctx, event, after, limit, asDomain)
		if err != nil {
			return changed, err
		}
		changed += chunk.Changed
		if after = chunk.Last; chunk.More {
			continue
		}
		after = 0
		done, err := s.Settlements.FinishSettling(ctx, event)
		if done || err != nil {
			return changed, err
		}
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

func isError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got the error %v, want %v", got, want)
	}
}

// everyFieldSet fails if a field of the struct is zero: a comparison after a round trip would not show that
// the field was lost.
func everyFieldSet(t *testing.T, value any) {
	t.Helper()
	v := reflect.ValueOf(value)
	for _, field := range reflect.VisibleFields(v.Type()) {
		if v.FieldByIndex(field.Index).IsZero() {
			t.Fatalf("%T.%s is not set in %+v", value, field.Name, value)
		}
	}
}

// isTrue fails if a statement does not hold.
func isTrue(t *testing.T, holds bool, statement string, args ...any) {
	t.Helper()
	if !holds {
		t.Fatalf("does not hold: "+statement, args...)
	}
}

// together runs do n times concurrently, with numbers from 0, and waits for all. Errors fail the test.
func together(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	var (
		workers sync.WaitGroup
		start   = make(chan struct{})
		errs    = make([]error, n)
	)
	for i := range n {
		workers.Go(func() {
			<-start
			errs[i] = do(i)
		})
	}
	close(start)
	workers.Wait()
	ok(t, errors.Join(errs...))
}

// panics reports whether do panics.
func panics(do func()) (did bool) {
	defer func() { did = recover() != nil }()
	do()
	return false
}
