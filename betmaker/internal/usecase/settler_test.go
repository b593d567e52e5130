package usecase_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/line"
	"stavka.local/shared/money"
)

// decided returns a world with bets by one user on event 7, which has won.
func decided(t *testing.T, bets int) *world {
	t.Helper()
	w := newWorld(t)
	user, err := w.store.Users.Create(t.Context(), ports.NewUser{Opening: money.MustParse("100000"), Credentials: ports.Credentials{
		User: domain.User{Name: "A", Username: "a", Email: "a@example.com", Role: domain.RoleUser, Active: true}, PasswordHash: "x",
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.line.put(7, unchanged)
	w.catchUp(t, w.replica)
	batch := slices.Repeat([]domain.Placement{
		{UserID: user.ID, EventID: 7, Stake: money.MustParse("10"), Policy: domain.OddsChangeAny},
	}, bets)
	_, err = w.store.Placements.Place(t.Context(), ports.Batch{Placements: batch}, func(ws *domain.WorkingSet) []domain.Decision {
		return ws.Decide(domain.Limits{Stake: domain.StakeLimits{Min: money.MustParse("1"), Max: money.MustParse("100")}}, batch)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.line.put(7, func(event *line.Event) { event.State, event.ResultRevision = line.StateFinishedWin, 1 })
	w.catchUp(t, w.replica)
	return w
}

// settleWith runs a settler until nothing is left, and then checks that all bets have won.
func (w *world) settleWith(t *testing.T, config usecase.SettlerConfig, bets int) {
	t.Helper()
	config.SweepInterval, config.Logger = 20*time.Millisecond, quiet
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- usecase.NewSettler(config).Run(ctx) }()
	eventually(t, "everything is settled", func() bool {
		left, err := w.store.Settlements.Unsettled(t.Context(), 1)
		return err == nil && len(left) == 0
	})
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("the settler ended with %v", err)
	}
	won, err := w.store.Bets.List(t.Context(), ports.BetFilter{Status: domain.StatusWon}, bets+1)
	if err != nil || len(won) != bets {
		t.Errorf("%d bets have won (%v), want %d", len(won), err, bets)
	}
}

// chunk is a settled chunk.
type chunk struct {
	bets       int
	begin, end time.Time
}

// While bets are being placed, chunks are small, one is settled at a time, and there is a pause
// after each.
func TestSettlingYieldsToBets(t *testing.T) {
	t.Parallel()
	const bets, small = 450, 100
	w := decided(t, bets)
	var (
		mu     sync.Mutex
		chunks []chunk
	)
	w.settleWith(t, usecase.SettlerConfig{
		Settlements: w.store.Settlements, Shares: []ports.Settlements{w.store.Settlements, w.store.Settlements}, Workers: 4,
		GiveWay: func() bool { return true },
		Settled: func(bets int, took time.Duration) {
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			chunks = append(chunks, chunk{bets, now.Add(-took), now})
		},
	}, bets)
	settled := 0
	for i, c := range chunks {
		settled += c.bets
		if c.bets > small {
			t.Errorf("a chunk of %d bets, want at most %d", c.bets, small)
		}
		if i == 0 {
			continue
		}
		before := chunks[i-1]
		if pause, least := c.begin.Sub(before.end), before.end.Sub(before.begin)/2; pause < least {
			t.Errorf("the next chunk begins %s after one that took %s, want at least half of that", pause, 2*least)
		}
	}
	if settled != bets {
		t.Errorf("%d bets are settled, want each of %d once", settled, bets)
	}
}

// counted counts its chunks.
type counted struct {
	ports.Settlements
	chunks atomic.Int64
}

func (c *counted) SettleChunk(
	ctx context.Context, event domain.EventID, after domain.BetID, limit int, decide func(*domain.Settling) []domain.Settled,
) (ports.Chunk, error) {
	c.chunks.Add(1)
	return c.Settlements.SettleChunk(ctx, event, after, limit, decide)
}

// An event with more bets than one chunk is settled by all shares, and is settled when the last of
// them has ended.
func TestSharesOfAnEventAreJoined(t *testing.T) {
	t.Parallel()
	const bets = 1700
	w := decided(t, bets)
	first, second := &counted{Settlements: w.store.Settlements}, &counted{Settlements: w.store.Settlements}
	var settled atomic.Int64
	w.settleWith(t, usecase.SettlerConfig{
		Settlements: w.store.Settlements, Shares: []ports.Settlements{first, second}, Workers: 2,
		Settled: func(bets int, _ time.Duration) { settled.Add(int64(bets)) },
	}, bets)
	if settled.Load() != bets {
		t.Errorf("%d bets are settled, want each of %d once", settled.Load(), bets)
	}
	if first.chunks.Load() == 0 || second.chunks.Load() == 0 {
		t.Errorf("the shares settle %d and %d chunks, want both to settle some", first.chunks.Load(), second.chunks.Load())
	}
}

// begun records which shares have settled a chunk and have not ended.
type begun struct {
	mu         sync.Mutex
	shares     map[*watched]bool
	most, ever int
}

// watched is a share that records its begin and end.
type watched struct {
	ports.Settlements
	*begun
}

func (w *watched) SettleChunk(
	ctx context.Context, event domain.EventID, after domain.BetID, limit int, decide func(*domain.Settling) []domain.Settled,
) (ports.Chunk, error) {
	w.mu.Lock()
	if !w.shares[w] {
		w.shares[w] = true
		w.ever++
	}
	w.most = max(w.most, len(w.shares))
	w.mu.Unlock()
	chunk, err := w.Settlements.SettleChunk(ctx, event, after, limit, decide)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !chunk.More {
		delete(w.shares, w)
	}
	return chunk, err
}

// Of many shares only SharesAtOnce work on an event at the same time, with any number of workers.
// All get their turn, and the event is settled when the last of them has ended.
func TestSharesTakeTurns(t *testing.T) {
	t.Parallel()
	const bets, shares, atOnce = 2500, 7, 2
	w := decided(t, bets)
	b := &begun{shares: make(map[*watched]bool)}
	var all []ports.Settlements
	for range shares {
		all = append(all, &watched{w.store.Settlements, b})
	}
	w.settleWith(t, usecase.SettlerConfig{Settlements: w.store.Settlements, Shares: all, SharesAtOnce: atOnce, Workers: shares}, bets)
	if b.most != atOnce || b.ever < shares || len(b.shares) > 0 {
		t.Errorf("%d shares have begun %d times, at most %d of them at once, and %d have not ended; want all, at most %d, and none",
			shares, b.ever, b.most, len(b.shares), atOnce)
	}
}
