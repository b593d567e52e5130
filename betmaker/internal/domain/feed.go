package domain

import (
	"time"

	"stavka.local/shared/fault"
)

// Epoch identifies a data set of the line and a generation of it. Sequence numbers of different
// data sets are unrelated; within one data set they grow across generations.
type Epoch struct {
	Dataset    string
	Generation int64
}

// ErrFeedUnavailable is returned while bet-maker cannot know the line.
var ErrFeedUnavailable = fault.New(fault.Unavailable, "feed_unavailable",
	"The line is not known at the moment, so no bets are taken.").After(2 * time.Second)

// Feed tracks how well one replica follows the line and decides whether bets may be taken: the line
// must have been heard of within the timeout, and no change that the replica knows to exist may
// have been unapplied for that long.
//
// All instants but those of Hears must come from time.Now of one process, because they are compared
// by the monotonic clock, so that setting the wall clock has no effect. The zero Feed has heard nothing
// and is not alive. It is not safe for concurrent use.
type Feed struct {
	timeout time.Duration

	// complete: everything up to seq of epoch has been applied.
	complete bool
	epoch    Epoch
	seq      int64
	// last is the highest seq of epoch heard of. It is at least seq.
	last int64
	// heard is the last sign of life of the line.
	heard time.Time
	// sent is the newest time that the line has given to a heartbeat, by its own clock.
	sent time.Time
	// foreign is when a heartbeat of another epoch last came.
	foreign time.Time
	// behind is since when a known change may have been unapplied; zero for no such change.
	behind time.Time
}

// NewFeed returns a feed that is dead after a silence, or a lag, of timeout.
func NewFeed(timeout time.Duration) Feed { return Feed{timeout: timeout} }

// Hears reports whether a heartbeat counts that came at the instant now and was sent at the instant
// sent by the line's clock. One that is not newer than all before it, or is as old as the timeout,
// may be a copy: an old heartbeat that somebody sends again must not keep the feed alive. While no
// heartbeat counts, as when the line's clock is far behind or was set back, the change log is read
// so often that the feed stays alive without them.
func (f *Feed) Hears(now, sent time.Time) bool {
	if !sent.After(f.sent) || now.Sub(sent) >= f.timeout {
		return false
	}
	f.sent = sent
	return true
}

// Heartbeat records a heartbeat that counts and came at the instant now, and reports whether the change
// log must be read because of it.
//
// A heartbeat is a sign of life only if it is of the current epoch and not older than what was read
// already. One of another epoch may be late, or the first of a new epoch; only the change log can
// tell. A heartbeat that announces changes does not end a silence that has killed the feed: the
// changes may be as old as the silence, and bets must wait until they have been read.
func (f *Feed) Heartbeat(now time.Time, epoch Epoch, lastSeq int64) (news bool) {
	switch {
	case epoch != f.epoch:
		f.foreign = now
		f.fallBehind(now)
		return true
	case lastSeq < f.seq:
		return true
	}
	f.last = max(f.last, lastSeq)
	if f.last == f.seq {
		f.heard = now
		return !f.complete
	}
	if now.Sub(f.heard) < f.timeout {
		f.heard = now
	}
	f.fallBehind(now)
	return true
}

// Turn records, at the instant now, that the change log has begun another epoch, which must be
// read from its beginning. If it is another data set, the feed is dead until then, because the
// events in the projection are no longer those of the line.
func (f *Feed) Turn(now time.Time, epoch Epoch) {
	if epoch == f.epoch {
		// The epoch is the same, but its numbers went back.
		f.seq, f.last, f.complete = 0, 0, false
		f.fallBehind(now)
		return
	}
	sameDataset := epoch.Dataset == f.epoch.Dataset
	f.complete = f.complete && sameDataset
	f.epoch, f.seq, f.last = epoch, 0, 0
	f.fallBehind(now)
}

// CaughtUp records that the change log has been read to its end: at the instant readAt, lastSeq was
// the highest number of epoch, and everything up to it has been applied since.
func (f *Feed) CaughtUp(readAt time.Time, epoch Epoch, lastSeq int64) {
	if epoch != f.epoch {
		f.last = 0
	}
	f.epoch, f.seq, f.complete = epoch, lastSeq, true
	f.last = max(f.last, lastSeq)
	if readAt.After(f.heard) {
		f.heard = readAt
	}
	// The read includes all changes announced before it, but perhaps not those announced since.
	f.behind = time.Time{}
	if f.last > f.seq || f.foreign.After(readAt) {
		f.behind = readAt
	}
}

func (f *Feed) fallBehind(now time.Time) {
	if f.behind.IsZero() {
		f.behind = now
	}
}

// Check returns nil while the feed is alive, and ErrFeedUnavailable otherwise. Its cause is for the
// logs.
func (f *Feed) Check(now time.Time) error {
	switch {
	case !f.complete:
		return ErrFeedUnavailable.Because(errNotCaughtUp)
	case now.Sub(f.heard) >= f.timeout:
		return ErrFeedUnavailable.Because(errSilent)
	case !f.behind.IsZero() && now.Sub(f.behind) >= f.timeout:
		return ErrFeedUnavailable.Because(errBehind)
	}
	return nil
}

// The causes of a dead feed.
const (
	errNotCaughtUp = feedError("the line has not been read yet")
	errSilent      = feedError("the line is silent")
	errBehind      = feedError("changes of the line have been waiting to be applied for too long")
	// errClocksDiffer is a cause of Clocks.Check.
	errClocksDiffer = feedError("the clocks of the store, of bet-maker and of line-provider differ by more than MAX_CLOCK_SKEW")
)

type feedError string

func (e feedError) Error() string { return string(e) }

// FeedStatus describes a feed at one instant for people.
type FeedStatus struct {
	Alive   bool
	Epoch   Epoch     // zero if unknown
	Applied int64     // everything up to it has been applied here
	Last    int64     // the highest number heard of
	Heard   time.Time // when the line was last heard of; zero for never
	Behind  time.Time // since when a known change is unapplied; zero for no such change
	Skew    ClockSkew // when last compared; too much of it alone makes the feed not alive
}

// Status returns the status of the feed at the instant now, without the clocks.
func (f *Feed) Status(now time.Time) FeedStatus {
	return FeedStatus{
		Alive:   f.Check(now) == nil,
		Epoch:   f.epoch,
		Applied: f.seq,
		Last:    f.last,
		Heard:   f.heard,
		Behind:  f.behind,
	}
}
