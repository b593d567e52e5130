package domain

import (
	"time"

	"stavka.local/shared/fault"
	"stavka.local/shared/odds"
)

// EventID identifies an event of the line. Ids start at 1.
type EventID int64

// State is the state of an event. The numbers are those of the line.
type State uint8

// The states of an event. The last three decide its bets.
const (
	StateNew          State = 1
	StateFinishedWin  State = 2
	StateFinishedLose State = 3
	StateCancelled    State = 4
)

// IsFinal reports whether s decides the bets on the event.
func (s State) IsFinal() bool { return s >= StateFinishedWin && s <= StateCancelled }

// LineEvent is an event as the line publishes it after one change.
type LineEvent struct {
	ID EventID
	// Dataset is the data set of the line to which ID and Seq belong.
	Dataset        string
	Seq            int64
	Version        int64
	Name           string
	Coefficient    odds.Decimal
	Deadline       time.Time
	State          State
	Suspended      bool
	ResultRevision int64
	EffectiveAt    time.Time // when the result became fact; zero when the line does not say
	// RecordedBy is the latest instant, by the store's clock, at which the line may have recorded its
	// first result, see ClockDifference.RecordedBy; zero when the line does not say.
	RecordedBy time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// ErrImpossibleEvent is returned by Validate for an event that the line must never send.
var ErrImpossibleEvent = fault.New(fault.Invalid, "impossible_event", "The event breaks the line's own rules.")

// Validate returns ErrImpossibleEvent for an event that no retry could make acceptable.
func (l LineEvent) Validate() error {
	switch {
	case l.ID < 1, l.Seq < 1, l.Version < 1, l.Dataset == "":
		return ErrImpossibleEvent.Detailf("Event %d of data set %q has seq %d, version %d.", l.ID, l.Dataset, l.Seq, l.Version)
	case l.Coefficient.Hundredths() < 100:
		return ErrImpossibleEvent.Detailf("Event %d has coefficient %s, less than 1.00.", l.ID, l.Coefficient)
	case l.State != StateNew && !l.State.IsFinal():
		return ErrImpossibleEvent.Detailf("Event %d has state %d.", l.ID, l.State)
	case l.State.IsFinal() != (l.ResultRevision > 0):
		return ErrImpossibleEvent.Detailf("Event %d has state %d and result revision %d.", l.ID, l.State, l.ResultRevision)
	case l.Deadline.IsZero():
		return ErrImpossibleEvent.Detailf("Event %d has no deadline.", l.ID)
	}
	return nil
}

// Event is bet-maker's projection of an event: the state of the line and what bet-maker added to
// it. The zero Event is one that bet-maker has not seen.
type Event struct {
	LineEvent
	// Quarantined events take no bets and are not settled until an operator resolves them. Their id
	// occurred in two data sets, or a result was taken back.
	Quarantined bool
	// VoidBefore voids the bets accepted before it; zero for none.
	VoidBefore time.Time
	// VoidWindows void the bets accepted within them. They are in order of their ids.
	VoidWindows []VoidWindow
	// ClosedAt is when the first result was committed in bet-maker's store; zero until then.
	ClosedAt time.Time
	// ResultedAt is when SettleRevision last grew; zero while it is 0.
	ResultedAt time.Time
	// SettleRevision grows by one whenever the settlement of bets may have changed.
	SettleRevision int64
}

// IsZero reports whether bet-maker has never seen the event.
func (e Event) IsZero() bool { return e.ID == 0 }

// IsClosed reports whether e takes no more bets at the instant now.
func (e Event) IsClosed(now time.Time) bool { return e.State.IsFinal() || !now.Before(e.Deadline) }

// IsSettleable reports whether the bets of e may be settled now.
func (e Event) IsSettleable() bool { return !e.Quarantined && e.SettleRevision > 0 }

// IsNewerThan reports whether e is a later state than other of the same event's projection. Settle
// revisions only grow. Quarantine ends only with a new revision. In between the sequence number
// grows.
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

// Effect is what a change did to the projection.
type Effect uint8

// The effects of a change.
const (
	// EffectNone: the change is not newer than the projection, or the event is in quarantine. There
	// is nothing to write.
	EffectNone Effect = iota
	// EffectUpdated: the projection took over the change.
	EffectUpdated
	// EffectResulted: the projection took over the change, and bets must be settled.
	EffectResulted
	// EffectQuarantined: the change contradicts the projection, and the event is now in quarantine.
	EffectQuarantined
)

// Apply returns e after a valid change of the same event, and the effect of the change. now is the
// store's clock, read while e is locked against bets, so that no accepted bet is later. Changes may
// come repeatedly and in any order: the highest Seq wins. RecordedBy stays as it was when the first
// result was applied, because the clocks may have been compared again since.
func (e Event) Apply(change LineEvent, now time.Time) (Event, Effect) {
	switch {
	case e.IsZero():
		e.LineEvent = change
		if !change.State.IsFinal() {
			return e, EffectUpdated
		}
		return e.resulted(now), EffectResulted
	case e.Quarantined:
		return e, EffectNone
	case e.Dataset != change.Dataset:
		// The line never takes a result back, so this is another event with the same id.
		e.Quarantined = true
		return e, EffectQuarantined
	case change.Seq <= e.Seq:
		return e, EffectNone
	case e.State.IsFinal() && !change.State.IsFinal():
		// The line refuses to take a result back, so this is not the event we knew.
		e.Quarantined = true
		return e, EffectQuarantined
	}
	if e.State.IsFinal() {
		change.RecordedBy = e.RecordedBy
	}
	sameResult := e.State == change.State && e.ResultRevision == change.ResultRevision && e.EffectiveAt.Equal(change.EffectiveAt)
	e.LineEvent = change
	if sameResult {
		return e, EffectUpdated
	}
	return e.resulted(now), EffectResulted
}

// Resolution is an operator's decision about an event in quarantine.
type Resolution uint8

// The resolutions.
const (
	// ResolveVoid voids every bet accepted so far and goes on with the event of the line.
	ResolveVoid Resolution = iota + 1
	// ResolveAdopt takes the event of the line as the one on which the bets were placed.
	ResolveAdopt
)

// String returns the resolution as the command line spells it.
func (r Resolution) String() string {
	if r == ResolveVoid {
		return "void"
	}
	return "adopt"
}

// ErrNotQuarantined is returned when there is nothing to resolve.
var ErrNotQuarantined = fault.New(fault.Conflict, "event_not_quarantined", "The event is not in quarantine.")

// Resolve takes e out of quarantine with the current event of the line. now is the store's clock,
// read while e is locked against bets. Error: ErrNotQuarantined.
func (e Event) Resolve(how Resolution, current LineEvent, now time.Time) (Event, error) {
	if !e.Quarantined {
		return e, ErrNotQuarantined.Detailf("Event %d is not in quarantine.", e.ID)
	}
	if e.State.IsFinal() && e.Dataset == current.Dataset {
		current.RecordedBy = e.RecordedBy
	}
	e.Quarantined = false
	e.LineEvent = current
	if how == ResolveVoid {
		e.VoidBefore = now
	}
	if !current.State.IsFinal() {
		e.ClosedAt = time.Time{}
		return e.revised(now), nil
	}
	return e.resulted(now), nil
}

func (e Event) resulted(now time.Time) Event {
	if e.ClosedAt.IsZero() {
		e.ClosedAt = now
	}
	return e.revised(now)
}

// revised returns e with a new settle revision, so that all its bets are settled again.
func (e Event) revised(now time.Time) Event {
	e.SettleRevision++
	e.ResultedAt = now
	return e
}
