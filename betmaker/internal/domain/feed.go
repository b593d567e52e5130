package domain

import (
	"time"

	"stavka.local/shared/fault"
)

// Epoch names a data set of the line and a generation of it. Sequence numbers of
// different data sets have nothing to do with each other; within one they grow
// across generations.
type Epoch struct {
	Dataset    string
	Generation int64
}

// ErrFeedUnavailable is returned while bet-maker cannot know the line.
var ErrFeedUnavailable = fault.New(fault.Unavailable, "feed_unavailable",
	"The line is not known at the moment, so no bets are taken.").After(2 * time.Second)

// Feed is what one replica knows about how well it follows the line. It decides
// whether bets may be taken: the line must have been heard of within the timeout, and
// nothing that the replica knows to exist may have been unapplied for that long.
//
// Its instants must come from time.Now of one process, because they are compared by
// the monotonic clock: setting the wall clock neither revives nor kills a feed.
// The zero Feed has heard nothing and is not alive. It is not safe for concurrent use.
type Feed struct {
	timeout time.Duration

	// complete: everything up to seq of epoch has been applied.
	complete bool
	epoch    Epoch
	seq      int64
	// last is the highest seq of epoch heard of, at least seq.
	last int64
	// heard is when the line was last heard of in a way that counts.
	heard time.Time
	// foreign is when a heartbeat of another epoch than epoch last came.
	foreign time.Time
	// behind is since when something known to exist may have been unapplied; zero
	// when nothing is.
	behind time.Time
}

// NewFeed returns a feed that dies after a silence, or a lag, of timeout.
func NewFeed(timeout time.Duration) Feed { return Feed{timeout: timeout} }

// Heartbeat takes note of a heartbeat that came at the instant now, and tells whether
// the change log has to be read because of it.
//
// Only a heartbeat of the epoch that is being followed, and not older than what has
// been read already, is a sign of life. One of another epoch may be a straggler or the
// first of a new one; only the change log can tell. Nor does one that brings news end a
// silence that has killed the feed: what it tells of may be as old as the silence, and
// bets must wait until it has been read.
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

// Turn takes note, at the instant now, that the change log has begun another epoch,
// which has to be read from its beginning. If it is another data set the feed is dead
// until that is done: the events that bets would be placed on are no longer the line's.
func (f *Feed) Turn(now time.Time, epoch Epoch) {
	if epoch == f.epoch {
		// The same epoch, but its numbers went back.
		f.seq, f.last, f.complete = 0, 0, false
		f.fallBehind(now)
		return
	}
	sameDataset := epoch.Dataset == f.epoch.Dataset
	f.complete = f.complete && sameDataset
	f.epoch, f.seq, f.last = epoch, 0, 0
	f.fallBehind(now)
}

// CaughtUp takes note that the change log has been read to its end: when it was asked,
// at the instant asked, lastSeq was the highest number of epoch, and everything up to
// there has been applied since.
func (f *Feed) CaughtUp(asked time.Time, epoch Epoch, lastSeq int64) {
	if epoch != f.epoch {
		f.last = 0
	}
	f.epoch, f.seq, f.complete = epoch, lastSeq, true
	f.last = max(f.last, lastSeq)
	if asked.After(f.heard) {
		f.heard = asked
	}
	// What came up before the question is answered. What came up since may be newer
	// than the answer; it was not there when the question was asked.
	f.behind = time.Time{}
	if f.last > f.seq || f.foreign.After(asked) {
		f.behind = asked
	}
}

func (f *Feed) fallBehind(now time.Time) {
	if f.behind.IsZero() {
		f.behind = now
	}
}

// Check returns nil while the feed is alive, and otherwise ErrFeedUnavailable with
// the reason for the logs.
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

// The reasons why a feed is dead.
const (
	errNotCaughtUp = feedError("the line has not been read yet")
	errSilent      = feedError("the line is silent")
	errBehind      = feedError("changes of the line have been waiting to be applied for too long")
)

type feedError string

func (e feedError) Error() string { return string(e) }

// FeedStatus is a feed at one instant, for people.
type FeedStatus struct {
	Alive   bool
	Epoch   Epoch     // the zero Epoch while none is known
	Applied int64     // everything up to it has been applied here
	Last    int64     // the highest number heard of
	Heard   time.Time // when the line was last heard of; zero for never
	Behind  time.Time // since when something known is unapplied; zero when nothing is
}

// Status describes the feed as of now.
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

// IsNewerThan tells whether e is a later state of an event's projection than other,
// which is of the same event. Revisions only grow, quarantine ends only with another
// revision, and in between the sequence number grows.
func (e Event) IsNewerThan(other Event) bool {
	switch {
	case e.SettleRevision != other.SettleRevision:
		return e.SettleRevision > other.SettleRevision
	case e.Quarantined != other.Quarantined:
		return e.Quarantined
	default:
		return e.Seq > other.Seq
	}
}
