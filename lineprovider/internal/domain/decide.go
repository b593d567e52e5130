package domain

import "time"

// Result is what somebody says an event came to.
type Result struct {
	State       State
	EffectiveAt *time.Time // when it became fact; nil when not said
	Reason      string     // required to replace another result
}

// Decide decides on a result. The state the event already has is no change.
// Replacing a result by another is a correction: it makes a new revision, and
// unless it names its own instant it keeps the one that was said before, so that
// bets taken after the fact stay refused.
//
// ErrEventFinished: a finished event cannot be opened again.
// ErrReasonRequired: a correction comes with a reason.
// ErrEffectiveAt: the instant lies before the event's creation or after now, or
// belongs to no result.
func (e Event) Decide(now time.Time, r Result) (Change, error) {
	if !r.State.IsFinal() && r.EffectiveAt != nil {
		return Change{}, ErrEffectiveAt.Detailf("effective_at belongs to a result; state %d is none.", r.State)
	}
	if r.State == e.State {
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
	after := e.next(now)
	if r.EffectiveAt != nil {
		if err := e.checkEffectiveAt(now, *r.EffectiveAt); err != nil {
			return Change{}, err
		}
		after.EffectiveAt = *r.EffectiveAt
	}
	after.State = r.State
	after.ResultRevision++
	return Change{Action: action, Before: e, After: after}, nil
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

// Remove decides on taking the event off the line, which cancels it. An event
// that is cancelled already stays as it is.
//
// ErrEventFinished: an event that was won or lost is not removed; its result can
// be corrected.
func (e Event) Remove(now time.Time) (Change, error) {
	if e.State == StateCancelled {
		return unchanged(e), nil
	}
	if e.State.IsFinal() {
		return Change{}, ErrEventFinished.
			Detailf("Event %s has a result; it can be corrected, but not taken off the line.", e.ID)
	}
	after := e.next(now)
	after.State = StateCancelled
	after.ResultRevision++
	return Change{Action: ActionRemove, Before: e, After: after}, nil
}
