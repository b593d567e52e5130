package domain

import "time"

// Result is a result of an event, as reported by a caller.
type Result struct {
	State       State
	EffectiveAt *Instant // when it became fact; nil leaves what was said before
	Reason      string   // required to replace another result
}

// Instant is an instant, or the statement that it is not known.
type Instant struct {
	At      time.Time
	Unknown bool // At has no meaning
}

// Decide decides a result. A result that replaces another state or another EffectiveAt is a
// correction: it makes a new revision. A result that the event already has makes an empty Change.
// A correction without an EffectiveAt keeps the earlier one, so that bets placed after the fact
// stay refused. A correction with an unknown one takes it away.
//
// The first result records now, with its milliseconds; all else is in whole seconds.
//
// ErrInvalidText: the reason is not allowed.
// ErrEventFinished: the event is finished and cannot be opened again.
// ErrReasonRequired: a correction needs a reason.
// ErrEffectiveAt: EffectiveAt is before the event's creation or after now, or the state is not
// final.
func (e Event) Decide(now time.Time, r Result) (Change, error) {
	if err := checkText("reason", r.Reason); err != nil {
		return Change{}, err
	}
	if !r.State.IsFinal() && r.EffectiveAt != nil && !r.EffectiveAt.Unknown {
		return Change{}, ErrEffectiveAt.Detailf("effective_at belongs to a result; state %d is not a result.", r.State)
	}
	if e.has(r) {
		return unchanged(e), nil
	}
	if !r.State.IsFinal() {
		return Change{}, ErrEventFinished.Detailf("Event %s is finished; it cannot be opened again.", e.ID)
	}
	action := ActionFinish
	if e.State.IsFinal() {
		action = ActionCorrect
		if r.Reason == "" {
			return Change{}, ErrReasonRequired.
				Detailf("Event %s has a result already; say the reason for changing it.", e.ID)
		}
	}
	after := e.recorded(now)
	if r.EffectiveAt != nil && !r.EffectiveAt.Unknown {
		if err := e.checkEffectiveAt(now, r.EffectiveAt.At); err != nil {
			return Change{}, err
		}
	}
	after.EffectiveAt = e.effectiveAt(r)
	after.State = r.State
	after.ResultRevision++
	return Change{Action: action, Before: e, After: after}, nil
}

// recorded returns e with the next version, and with the instant of its first result. A clock that was
// set back does not make that earlier than the change before.
func (e Event) recorded(now time.Time) Event {
	after := e.next(now.Truncate(time.Second))
	if !e.State.IsFinal() {
		after.RecordedAt = now.Truncate(time.Millisecond)
		if after.RecordedAt.Before(e.UpdatedAt) {
			after.RecordedAt = e.UpdatedAt
		}
	}
	return after
}

// has reports whether r says nothing new.
func (e Event) has(r Result) bool {
	switch {
	case r.State != e.State:
		return false
	case r.EffectiveAt == nil:
		return true
	case r.EffectiveAt.Unknown || e.EffectiveAt.IsZero():
		return r.EffectiveAt.Unknown && e.EffectiveAt.IsZero()
	default:
		return r.EffectiveAt.At.Equal(e.EffectiveAt)
	}
}

// effectiveAt returns the EffectiveAt of e with the result r.
func (e Event) effectiveAt(r Result) time.Time {
	switch {
	case r.EffectiveAt == nil:
		return e.EffectiveAt
	case r.EffectiveAt.Unknown:
		return time.Time{}
	default:
		return r.EffectiveAt.At
	}
}

func (e Event) checkEffectiveAt(now, at time.Time) error {
	if at.After(now) {
		return ErrEffectiveAt.Detailf("effective_at is in the future.")
	}
	if at.Before(e.CreatedAt) {
		return ErrEffectiveAt.Detailf("effective_at is before event %s was created.", e.ID)
	}
	return nil
}

// Remove decides to take the event off the line, which cancels it. For a cancelled event it
// returns an empty Change.
//
// ErrEventFinished: the event is won or lost. It cannot be removed, but its result can be
// corrected.
func (e Event) Remove(now time.Time) (Change, error) {
	if e.State == StateCancelled {
		return unchanged(e), nil
	}
	if e.State.IsFinal() {
		return Change{}, ErrEventFinished.
			Detailf("Event %s has a result; it can be corrected, but not taken off the line.", e.ID)
	}
	after := e.recorded(now)
	after.State = StateCancelled
	after.ResultRevision++
	return Change{Action: ActionRemove, Before: e, After: after}, nil
}
