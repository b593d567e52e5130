package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Voids manages the windows in which administrators void the bets on an event. All members are
// required.
type Voids struct {
	Events ports.Events
	// Revised is called with an event whose bets must be settled again.
	Revised func(domain.EventID)
}

// List returns the windows of an event in order of their ids. Errors: domain.ErrForbidden,
// domain.ErrEventNotFound; those of the store.
func (v Voids) List(ctx context.Context, by domain.Actor, id domain.EventID) ([]domain.VoidWindow, error) {
	if err := by.RequireAdmin(); err != nil {
		return nil, err
	}
	event, err := v.Events.Event(ctx, id)
	if err != nil {
		return nil, notFoundEvent(id, err)
	}
	return event.VoidWindows, nil
}

// Void voids the bets on an event that were accepted at or after from and before to, as
// domain.Event.Void does, and returns the window. The bets are settled soon afterwards. Errors:
// domain.ErrForbidden, domain.ErrEventNotFound; those of domain.Event.Void and of the store.
func (v Voids) Void(ctx context.Context, by domain.Caller, id domain.EventID, from, to time.Time, reason string) (domain.VoidWindow, error) {
	return v.amend(ctx, by, id, domain.ActionVoid, reason, func(event domain.Event, now time.Time) (domain.Event, domain.VoidWindow, bool, error) {
		return event.Void(domain.VoidWindow{From: from.UTC(), To: to.UTC(), Reason: reason, By: by.ID}, now)
	})
}

// Undo undoes a window, so that its bets get the settlement that they would have without it. Errors:
// domain.ErrForbidden, domain.ErrEventNotFound; those of domain.Event.UndoVoid and of the store.
func (v Voids) Undo(ctx context.Context, by domain.Caller, id domain.EventID, window int64, reason string) (domain.VoidWindow, error) {
	return v.amend(ctx, by, id, domain.ActionUndoVoid, reason, func(event domain.Event, now time.Time) (domain.Event, domain.VoidWindow, bool, error) {
		next, undone, err := event.UndoVoid(window, reason, by.ID, now)
		return next, undone, err == nil, err
	})
}

func (v Voids) amend(
	ctx context.Context, by domain.Caller, id domain.EventID, action, reason string,
	decide func(event domain.Event, now time.Time) (next domain.Event, window domain.VoidWindow, changed bool, err error),
) (window domain.VoidWindow, err error) {
	if err := by.RequireAdmin(); err != nil {
		return domain.VoidWindow{}, err
	}
	err = v.Events.Amend(ctx, id, func(now time.Time, event domain.Event) (*ports.Amendment, error) {
		next, decided, changed, err := decide(event, now)
		if window = decided; err != nil || !changed {
			return nil, err
		}
		return &ports.Amendment{Event: next, Audit: next.AmendedBy(by.Origin(), action, reason, event)}, nil
	})
	if err == nil || errors.Is(err, ports.ErrOutcomeUnknown) {
		v.Revised(id)
	}
	if err != nil {
		return domain.VoidWindow{}, notFoundEvent(id, withoutKey(err))
	}
	return window, nil
}

func notFoundEvent(id domain.EventID, err error) error {
	if errors.Is(err, ports.ErrNotFound) {
		return domain.ErrEventNotFound
	}
	return fmt.Errorf("event %d: %w", id, err)
}
