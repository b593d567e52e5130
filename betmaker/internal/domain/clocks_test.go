package domain_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stavka.local/betmaker/internal/domain"
)

// reading returns what a clock that is ahead of ours by the given time shows, read within a round trip.
func reading(t *rapid.T, what string, before time.Time, ahead time.Duration) domain.ClockReading {
	trip := time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, what+"'s round trip"))
	on := time.Duration(rapid.Int64Range(0, int64(trip)).Draw(t, what+"'s way"))
	return domain.ClockReading{At: before.Add(on + ahead), Before: before, After: before.Add(trip)}
}

// However the clocks differ, and however long the readings took: a bet that was accepted before the result
// was recorded is in time, and one accepted later than that by twice the margin, and the millisecond that
// the line cuts off, is not. Differences are never overstated.
func TestClocksDoNotVoidAnHonestBet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		store := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "store ahead"))
		line := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "line ahead"))
		var clocks domain.Clocks
		if _, known := clocks.LineAhead(); known || clocks.Skew() != (domain.ClockSkew{}) {
			t.Fatal("clocks that were not compared differ")
		}
		for i := range rapid.IntRange(1, 4).Draw(t, "polls") {
			at := noon.Add(time.Duration(i) * 3 * time.Second)
			storeRead := reading(t, "the store", at, store)
			clocks.StoreRead(storeRead, storeRead)
			clocks.LineRead(at, reading(t, "the line", at, line))
		}
		skew := clocks.Skew()
		if skew.Store.Abs() > store.Abs() || skew.Line.Abs() > (line-store).Abs() {
			t.Fatalf("got %+v, the store is ahead by %s, the line by %s", skew, store, line)
		}
		if err := clocks.Check(skew.Greatest()); err != nil {
			t.Fatalf("within the bound: %v", err)
		}
		if skew.Greatest() > 0 && !errors.Is(clocks.Check(skew.Greatest()-1), domain.ErrFeedUnavailable) {
			t.Fatal("beyond the bound nothing is refused")
		}
		ahead, known := clocks.LineAhead()
		recorded := noon.Add(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "recorded")))
		by := ahead.RecordedBy(recorded.Add(line).Truncate(time.Millisecond)) // the line's clock
		accepted := recorded.Add(store).Truncate(time.Microsecond)            // the store's
		if late := by.Sub(accepted); !known || late < 0 || late > 2*ahead.Margin+time.Millisecond+2*time.Microsecond {
			t.Fatalf("a bet at the record is in time by %s, with a margin of %s", late, ahead.Margin)
		}
	})
	if at := (domain.ClockDifference{Margin: time.Second}).RecordedBy(time.Time{}); !at.IsZero() {
		t.Errorf("what was not recorded is recorded by %s", at)
	}
}
