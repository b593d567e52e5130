package domain

import "time"

// ClockReading is what a clock showed, and when: at some instant between Before and After of our own
// clock.
type ClockReading struct{ At, Before, After time.Time }

// Ahead returns how far the clock is ahead of ours.
func (r ClockReading) Ahead() ClockDifference {
	took := r.After.Sub(r.Before)
	return ClockDifference{By: r.At.Sub(r.Before.Add(took / 2)), Margin: took - took/2}
}

// ClockDifference is how far one clock is ahead of another: By, give or take Margin. It is negative if
// the clock is behind.
type ClockDifference struct{ By, Margin time.Duration }

// Minus returns the difference between two clocks that were both compared with the same third one.
func (d ClockDifference) Minus(other ClockDifference) ClockDifference {
	return ClockDifference{By: d.By - other.By, Margin: d.Margin + other.Margin}
}

// Least returns the part of the difference that is certain.
func (d ClockDifference) Least() time.Duration {
	switch {
	case d.By > d.Margin:
		return d.By - d.Margin
	case d.By < -d.Margin:
		return d.By + d.Margin
	default:
		return 0
	}
}

// agreesWith reports whether both comparisons may be of clocks whose difference has not changed.
func (d ClockDifference) agreesWith(other ClockDifference) bool {
	return d.Minus(other).Least() == 0
}

// RecordedBy returns the latest instant of the store's clock at which the line, whose clock is ahead of
// the store's by d, may have shown the instant at, which is cut to milliseconds. It is zero for the zero
// instant. A bet that was accepted before the line's clock showed at is never later.
func (d ClockDifference) RecordedBy(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	// Up, because the store keeps microseconds.
	return at.Add(time.Millisecond + d.Margin - d.By).Add(time.Microsecond - 1).Truncate(time.Microsecond)
}

// comparisonLasts is how long a comparison of clocks may stand in for a less exact one. Clocks drift
// by less than a millisecond in that time.
const comparisonLasts = 10 * time.Second

// Clocks compares, for one replica, the store's clock, which decides, with this process's and the
// line's. The zero Clocks has compared nothing. It is not safe for concurrent use.
type Clocks struct {
	store, wall, line ClockDifference // ahead of ours
	compared          time.Time       // the line's; zero for never
	known             bool            // the store's
}

// StoreRead records readings of the store's server's clock and of the store's clock. They differ if the
// server's has gone back.
func (c *Clocks) StoreRead(wall, store ClockReading) {
	c.wall, c.store, c.known = wall.Ahead(), store.Ahead(), true
}

// LineRead records a reading of the line's clock at the instant now. A recent one that agrees with it
// and is more exact stays.
func (c *Clocks) LineRead(now time.Time, line ClockReading) {
	next := line.Ahead()
	if now.Sub(c.compared) < comparisonLasts && c.line.Margin < next.Margin && c.line.agreesWith(next) {
		return
	}
	c.line, c.compared = next, now
}

// LineAhead returns how far the line's clock is ahead of the store's, and whether that is known.
func (c *Clocks) LineAhead() (ClockDifference, bool) {
	return c.line.Minus(c.store), c.known && !c.compared.IsZero()
}

// ClockSkew is how the clocks certainly differ; zero where that is not known.
type ClockSkew struct {
	Store time.Duration // how far the store's clock is ahead of this process's
	Line  time.Duration // how far the line's clock is ahead of the store's
}

// Greatest returns the greater difference, without its sign.
func (s ClockSkew) Greatest() time.Duration { return max(s.Store.Abs(), s.Line.Abs()) }

// Skew returns how the clocks differ. If the clock of the store's server has gone back, it differs from
// the store's, and the one that differs more counts.
func (c *Clocks) Skew() (skew ClockSkew) {
	for _, store := range []ClockDifference{c.store, c.wall} {
		if least := store.Least(); least.Abs() > skew.Store.Abs() {
			skew.Store = least
		}
		if least := c.line.Minus(store).Least(); c.known && !c.compared.IsZero() && least.Abs() > skew.Line.Abs() {
			skew.Line = least
		}
	}
	return skew
}

// Check returns ErrFeedUnavailable if the store's clock certainly differs from ours or the line's by
// more than bound. Its cause is for the logs.
func (c *Clocks) Check(bound time.Duration) error {
	if c.Skew().Greatest() > bound {
		return ErrFeedUnavailable.Because(errClocksDiffer)
	}
	return nil
}
