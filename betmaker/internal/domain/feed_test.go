package domain_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stavka.local/betmaker/internal/domain"
)

const feedTimeout = 10 * time.Second

var (
	epochA1 = domain.Epoch{Dataset: "a", Generation: 1}
	epochA2 = domain.Epoch{Dataset: "a", Generation: 2}
	epochB1 = domain.Epoch{Dataset: "b", Generation: 1}
)

// feedAt is a feed and a clock that starts at zero.
type feedAt struct {
	domain.Feed
	start time.Time
}

func newFeedAt() *feedAt {
	return &feedAt{Feed: domain.NewFeed(feedTimeout), start: time.Now()}
}

func (f *feedAt) at(seconds float64) time.Time {
	return f.start.Add(time.Duration(seconds * float64(time.Second)))
}

func TestFeedIsAlive(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		story func(f *feedAt)
		alive []float64 // seconds at which it must be alive
		dead  []float64
	}{
		"not before it has caught up": {
			story: func(f *feedAt) { f.Heartbeat(f.at(0), epochA1, 0) },
			dead:  []float64{0, 1, 20},
		},
		"for the timeout after it has caught up": {
			story: func(f *feedAt) { f.CaughtUp(f.at(0), epochA1, 5) },
			alive: []float64{0, 9.9},
			dead:  []float64{10, 11},
		},
		"while heartbeats come": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Heartbeat(f.at(8), epochA1, 5)
			},
			alive: []float64{8, 17.9},
			dead:  []float64{18},
		},
		"not when heartbeats come and changes are not applied": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				for second := 2.0; second <= 20; second += 2 {
					f.Heartbeat(f.at(second), epochA1, 6)
				}
			},
			alive: []float64{11.9},
			dead:  []float64{12, 20},
		},
		"again when the changes are applied": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Heartbeat(f.at(2), epochA1, 6)
				f.CaughtUp(f.at(13), epochA1, 6)
			},
			alive: []float64{13, 22.9},
			dead:  []float64{23},
		},
		"while it keeps catching up with a line that goes on": {
			story: func(f *feedAt) {
				for second := 0.0; second <= 30; second++ {
					f.CaughtUp(f.at(second), epochA1, int64(second))
					f.Heartbeat(f.at(second+.5), epochA1, int64(second)+1)
				}
			},
			alive: []float64{30, 40},
			dead:  []float64{40.5},
		},
		"not on heartbeats of another generation, which a page never confirmed": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				for second := 2.0; second <= 20; second += 2 {
					f.Heartbeat(f.at(second), epochA2, 5)
				}
			},
			dead: []float64{10, 20},
		},
		"on heartbeats of its epoch among late ones, as long as pages confirm it": {
			story: func(f *feedAt) {
				for second := 0.0; second <= 30; second += 5 {
					f.Heartbeat(f.at(second), epochA1, 7)
					f.CaughtUp(f.at(second+1), epochA2, 5)
					f.Heartbeat(f.at(second+2), epochA2, 5)
				}
			},
			alive: []float64{32, 40.9},
			dead:  []float64{42},
		},
		"not on heartbeats that end a silence with news, before that has been read": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				for second := 300.0; second <= 320; second += 2 {
					f.Heartbeat(f.at(second), epochA1, 6)
				}
			},
			dead: []float64{300, 301, 320},
		},
		"when the news at the end of a silence has been read": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Heartbeat(f.at(300), epochA1, 6)
				f.CaughtUp(f.at(301), epochA1, 6)
			},
			alive: []float64{301, 310.9},
			dead:  []float64{311},
		},
		"at once when a heartbeat ends a silence and tells that nothing has changed": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Heartbeat(f.at(300), epochA1, 5)
			},
			alive: []float64{300, 309.9},
			dead:  []float64{310},
		},
		"not on old heartbeats that were overtaken by a page": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Heartbeat(f.at(5), epochA1, 4)
			},
			alive: []float64{9.9},
			dead:  []float64{10},
		},
		"within the timeout while another generation is read": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Turn(f.at(2), epochA2)
				for second := 3.0; second <= 20; second++ {
					f.Heartbeat(f.at(second), epochA2, 9)
				}
			},
			alive: []float64{11.9},
			dead:  []float64{12, 20},
		},
		"not on heartbeats of the former generation while another is read": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Turn(f.at(2), epochA2)
				f.Heartbeat(f.at(9), epochA1, 5)
			},
			alive: []float64{9},
			dead:  []float64{10},
		},
		"not while another data set is read": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Turn(f.at(1), epochB1)
				f.Heartbeat(f.at(2), epochB1, 1)
			},
			dead: []float64{1, 2, 5},
		},
		"when another data set has been read": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Turn(f.at(1), epochB1)
				f.CaughtUp(f.at(2), epochB1, 1)
			},
			alive: []float64{2, 11.9},
			dead:  []float64{12},
		},
		"not while an epoch whose numbers went back is read again": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Turn(f.at(1), epochA1)
				f.Heartbeat(f.at(2), epochA1, 3)
			},
			dead: []float64{1, 2},
		},
		"by the heartbeats that came while a page was being applied": {
			story: func(f *feedAt) {
				f.Heartbeat(f.at(0), epochA1, 5)
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Heartbeat(f.at(9), epochA1, 5)
				f.CaughtUp(f.at(1), epochA1, 5)
			},
			alive: []float64{10, 18.9},
			dead:  []float64{19},
		},
		"not while changes announced after the page are unread": {
			story: func(f *feedAt) {
				f.CaughtUp(f.at(0), epochA1, 5)
				f.Heartbeat(f.at(4), epochA1, 6)
				f.CaughtUp(f.at(3), epochA1, 5)
				f.Heartbeat(f.at(12), epochA1, 6)
			},
			alive: []float64{12.9},
			dead:  []float64{13, 14},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFeedAt()
			test.story(f)
			for _, second := range test.alive {
				if err := f.Check(f.at(second)); err != nil {
					t.Errorf("after %v s the feed is dead: %v", second, err)
				}
			}
			for _, second := range test.dead {
				if err := f.Check(f.at(second)); !errors.Is(err, domain.ErrFeedUnavailable) {
					t.Errorf("after %v s Check returned %v, want ErrFeedUnavailable", second, err)
				}
			}
		})
	}
}

func TestHeartbeatReportsNews(t *testing.T) {
	t.Parallel()
	f := newFeedAt()
	if !f.Heartbeat(f.at(0), epochA1, 5) {
		t.Error("the first heartbeat is no news")
	}
	f.CaughtUp(f.at(1), epochA1, 5)
	for _, test := range []struct {
		epoch domain.Epoch
		seq   int64
		news  bool
	}{
		{epochA1, 5, false},
		{epochA1, 6, true},
		{epochA1, 4, true}, // the line went back, or the heartbeat is late
		{epochA2, 5, true},
		{epochB1, 5, true},
	} {
		if news := f.Heartbeat(f.at(2), test.epoch, test.seq); news != test.news {
			t.Errorf("a heartbeat of %v at seq %d is news: %t, want %t", test.epoch, test.seq, news, test.news)
		}
	}
}

// feedHistory records everything that happened to a feed. It is the oracle of the property below.
type feedHistory struct {
	following  domain.Epoch // the epoch of the last page
	soonest    time.Time    // the earliest time of the next read
	heartbeats []struct {
		at        time.Time
		epoch     domain.Epoch
		seq       int64
		following domain.Epoch // at that time
	}
	reads []struct {
		readAt time.Time
		epoch  domain.Epoch
		seq    int64
	}
}

// mayBeAlive reports whether a feed with this history may be alive at the instant now: the line was
// heard of within the timeout, and nothing announced has been left unread for longer.
func (h *feedHistory) mayBeAlive(now time.Time) bool {
	if len(h.reads) == 0 {
		return false
	}
	last := h.reads[len(h.reads)-1]
	heard := now.Sub(last.readAt) < feedTimeout
	for _, beat := range h.heartbeats {
		if beat.epoch == beat.following && now.Sub(beat.at) < feedTimeout {
			heard = true
		}
		answered := !beat.at.After(last.readAt) || beat.epoch == last.epoch && beat.seq <= last.seq
		if !answered && now.Sub(beat.at) >= feedTimeout {
			return false
		}
	}
	return heard
}

func TestFeedIsNeverAliveWithoutReason(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFeedAt()
		var history feedHistory
		now := f.start
		epochs := rapid.SampledFrom([]domain.Epoch{epochA1, epochA2, epochB1})
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 6000).Draw(t, "pause")) * time.Millisecond)
			epoch := epochs.Draw(t, "epoch")
			seq := rapid.Int64Range(0, 4).Draw(t, "seq")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				// Reads do not overlap, and every turn is followed by a new read.
				readAt := now.Add(-time.Duration(rapid.IntRange(0, 8000).Draw(t, "took")) * time.Millisecond)
				if epoch != history.following {
					f.Turn(now, epoch)
					readAt = now
				}
				if readAt.Before(history.soonest) {
					readAt = history.soonest
				}
				history.soonest = readAt
				f.CaughtUp(readAt, epoch, seq)
				history.following = epoch
				history.reads = append(history.reads, struct {
					readAt time.Time
					epoch  domain.Epoch
					seq    int64
				}{readAt, epoch, seq})
			case 1:
				f.Turn(now, epoch)
				history.following, history.soonest = epoch, now
			default:
				f.Heartbeat(now, epoch, seq)
				history.heartbeats = append(history.heartbeats, struct {
					at        time.Time
					epoch     domain.Epoch
					seq       int64
					following domain.Epoch
				}{now, epoch, seq, history.following})
			}
			later := now.Add(time.Duration(rapid.IntRange(0, 12000).Draw(t, "later")) * time.Millisecond)
			if f.Check(later) == nil && !history.mayBeAlive(later) {
				t.Fatalf("alive %v after the start without a reason: %+v", later.Sub(f.start), f.Status(later))
			}
		}
	})
}

func TestFeedIsAliveAfterCatchingUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFeedAt()
		now := f.start
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 20000).Draw(t, "pause")) * time.Millisecond)
			epoch := rapid.SampledFrom([]domain.Epoch{epochA1, epochA2, epochB1}).Draw(t, "epoch")
			if rapid.Bool().Draw(t, "turn") {
				f.Turn(now, epoch)
			} else {
				f.Heartbeat(now, epoch, rapid.Int64Range(0, 9).Draw(t, "seq"))
			}
		}
		readAt := now.Add(time.Millisecond)
		f.CaughtUp(readAt, epochA2, 9)
		if err := f.Check(readAt.Add(feedTimeout - 1)); err != nil {
			t.Fatalf("dead right after catching up: %v", err)
		}
	})
}

func TestFeedHearsNoOldHeartbeats(t *testing.T) {
	t.Parallel()
	f := newFeedAt()
	for i, test := range []struct {
		now, sent float64
		hears     bool
	}{
		{0, 0, true},
		{1, 0, false}, // again
		{2, -1, false},
		{2, 2, true},
		{3, 2.001, true},
		{4, 40, true}, // the line's clock is ahead
		{5, 5, false},
		{50, 40, false},   // in time for the order, but too old
		{50, 40.1, true},  // just not too old
		{50, 40.1, false}, // again
		{60, 50, false},
		{60, 55, true},
	} {
		if got := f.Hears(f.at(test.now), f.at(test.sent)); got != test.hears {
			t.Errorf("heartbeat %d: at %g, sent at %g: heard %t", i, test.now, test.sent, got)
		}
	}
}
