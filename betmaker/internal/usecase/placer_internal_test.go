package usecase

import (
	"testing"
	"testing/synctest"
	"time"
)

// Under load a batch begins some time after the previous one. A single bet does not wait, and
// neither does the one after it.
func TestBatchesAreSpacedUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPlacer(PlacerConfig{})
		if p.IsBusy() {
			t.Error("busy before the first bet")
		}
		for _, step := range []struct {
			after time.Duration // the previous batch
			bets  int
			waits time.Duration
		}{
			{0, 1, 0},
			{0, 3, 0},
			{time.Millisecond, 2, 4 * time.Millisecond},
			{7 * time.Millisecond, 2, 0},
			{0, 1, 5 * time.Millisecond},
			{time.Millisecond, 1, 0},
		} {
			time.Sleep(step.after)
			for range step.bets {
				p.queue <- &pendingPlacement{}
			}
			requestedAt := time.Now()
			batch, ok := p.gather(t.Context())
			if waited := time.Since(requestedAt); !ok || len(batch) != step.bets || waited != step.waits {
				t.Errorf("a batch of %d after %s, want %d after %s", len(batch), waited, step.bets, step.waits)
			}
			if !p.IsBusy() {
				t.Error("not busy right after a batch began")
			}
		}
		time.Sleep(busyFor)
		if p.IsBusy() {
			t.Errorf("still busy after %s", busyFor)
		}
	})
}
