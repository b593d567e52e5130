package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/fault"
	"stavka.local/shared/money"
	"stavka.local/shared/pace"
)

// newPlacer returns a running placer with an open event 1 and a user.
func newPlacer(t *testing.T, feedAlive func() error) (*usecase.Placer, domain.UserID) {
	t.Helper()
	return newBoundedPlacer(t, feedAlive, pace.New[domain.UserID](0, time.Hour))
}

// newBoundedPlacer is newPlacer with a bound of kept refusals.
func newBoundedPlacer(t *testing.T, feedAlive func() error, refusals *pace.Pace[domain.UserID]) (*usecase.Placer, domain.UserID) {
	t.Helper()
	w := newWorld(t)
	w.line.put(1, unchanged)
	w.catchUp(t, w.replica)
	user, err := w.store.Users.Create(t.Context(), ports.NewUser{Opening: money.MustParse("1000"), Credentials: ports.Credentials{
		User: domain.User{Name: "A", Username: "a", Email: "a@example.com", Role: domain.RoleUser, Active: true}, PasswordHash: "x",
	}})
	if err != nil {
		t.Fatal(err)
	}
	placer := usecase.NewPlacer(usecase.PlacerConfig{
		Placements: w.store.Placements, Limits: domain.Limits{Stake: domain.StakeLimits{Min: money.MustParse("1"), Max: money.MustParse("100")}}, Workers: 1,
		RefusalsWait: refusals.Wait, Refused: func(user domain.UserID) { refusals.Take(user) },
		FeedAlive: feedAlive, Peek: w.catalogue.Peek, Fetch: w.catalogue.Fetch,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- placer.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("the placer ended with %v", err)
		}
	})
	return placer, user.ID
}

// Between the check of the feed and the decision a placement waits for its batch, for locks, and
// perhaps for a halted process.
func TestWaitingBetIsRefusedWhenTheFeedDies(t *testing.T) {
	t.Parallel()
	var checks atomic.Int64
	placer, user := newPlacer(t, func() error {
		if checks.Add(1) == 2 {
			return domain.ErrFeedUnavailable
		}
		return nil
	})
	wish := domain.Placement{
		UserID: user, EventID: 1, Stake: money.MustParse("10"), Policy: domain.OddsChangeAny, IdempotencyKey: "k",
	}
	if decision, err := placer.Place(t.Context(), wish); !errors.Is(err, domain.ErrFeedUnavailable) {
		t.Fatalf("got %+v, %v; want ErrFeedUnavailable", decision, err)
	}
	decision, err := placer.Place(t.Context(), wish)
	if err != nil || !decision.Accepted() || decision.Replayed {
		t.Errorf("once the line is known again: got %+v, %v; want a new bet", decision, err)
	}
}

// Refusals of placements with a key are kept, so a user can cause only so many. Nothing else counts.
func TestKeptRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 3
	placer, user := newBoundedPlacer(t, func() error { return nil }, pace.New[domain.UserID](most, time.Hour))
	place := func(user domain.UserID, stake, key string) (domain.Decision, error) {
		return placer.Place(t.Context(), domain.Placement{
			UserID: user, EventID: 1, Stake: money.MustParse(stake), Policy: domain.OddsChangeAny, IdempotencyKey: key,
		})
	}
	for i := range most {
		if decision, err := place(user, "1", fmt.Sprintf("accepted %d", i)); err != nil || !decision.Accepted() {
			t.Fatalf("a bet: %+v, %v", decision, err)
		}
		if decision, err := place(user, "1000", ""); err != nil || decision.Accepted() {
			t.Fatalf("too large a bet without a key: %+v, %v", decision, err)
		}
		for _, replayed := range []bool{false, true} {
			if decision, err := place(user, "1000", fmt.Sprintf("refused %d", i)); err != nil || decision.Accepted() || decision.Replayed != replayed {
				t.Fatalf("too large a bet: %+v, %v; want a refusal, replayed %v", decision, err, replayed)
			}
		}
	}
	for _, stake := range []string{"1", "1000"} {
		_, err := place(user, stake, "one more of "+stake)
		if f := fault.Find(err); !errors.Is(err, usecase.ErrTooManyRefusals) || f.Kind != fault.Throttled || f.RetryAfter <= 0 {
			t.Errorf("after %d refusals a bet of %s: %v, want ErrTooManyRefusals and when to try again", most, stake, err)
		}
	}
	if decision, err := place(user, "1000", "refused 0"); err != nil || decision.Accepted() || !decision.Replayed {
		t.Errorf("an earlier refusal: %+v, %v; want it replayed", decision, err)
	}
	if decision, err := place(user, "1", "accepted 0"); err != nil || !decision.Accepted() || !decision.Replayed {
		t.Errorf("an earlier bet: %+v, %v; want it replayed", decision, err)
	}
	if decision, err := place(user, "1", ""); err != nil || !decision.Accepted() {
		t.Errorf("a bet without a key: %+v, %v", decision, err)
	}
	if _, err := place(user+1, "1000", "refused"); errors.Is(err, usecase.ErrTooManyRefusals) {
		t.Error("the refusals of one user count for another")
	}
}
