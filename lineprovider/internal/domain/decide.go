package domain

import "time"

// Result is a result of an event, as reported by a caller.
type Result struct {
	State       State
	EffectiveAt *time.Time // when it became fact; nil when unknown
	Reason      string     // required to replace another result
}

// Decide decides a result. A result with the state that the event already has makes an empty
// Change. A result that replaces another one is a correction: it makes a new revision. A
// correction without an EffectiveAt keeps the earlier one, so that bets placed after the fact
// stay refused.
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
	if !r.State.IsFinal() && r.EffectiveAt != nil {
		return Change{}, ErrEffectiveAt.Detailf("effective_at belongs to a result; state %d is not a result.", r.State)
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
	after := e.next(now)
	after.State = StateCancelled
	after.ResultRevision++
	return Change{Action: ActionRemove, Before: e, After: after}, nil
}
