package usecase_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/money"
)

// newPlacer returns a running placer with an open event 1 and a user.
func newPlacer(t *testing.T, feedAlive func() error) (*usecase.Placer, domain.UserID) {
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
