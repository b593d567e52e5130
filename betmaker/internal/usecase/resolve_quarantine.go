package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// ErrNotOnLine is returned when an event cannot be adopted because the line does not have it.
var ErrNotOnLine = errors.New("the line has no such event to adopt")

// ResolveQuarantine takes events out of quarantine on an operator's decision.
type ResolveQuarantine struct {
	Events ports.Events
	Line   ports.Line
	// RecordedBy is as in ApplyConfig.
	RecordedBy func(at time.Time) time.Time
	// Origin is the operator, for the audit log.
	Origin domain.Origin
}

// Resolve takes an event out of quarantine and returns its new state. A running bet-maker settles
// its bets at the next sweep. If the line no longer has the event, its bets can only be voided. In
// that case the event need not be in quarantine as long as it has no result: a line that was
// restored from a backup has lost its latest events and will never decide them.
//
// Errors: domain.ErrEventNotFound if bet-maker does not know the event; domain.ErrNotQuarantined;
// ErrNotOnLine; those of ports.Events and ports.Line. After an error Resolve may be repeated, even
// if the event is already out of quarantine; it then brings the event up to date.
func (r ResolveQuarantine) Resolve(ctx context.Context, id domain.EventID, how domain.Resolution) (domain.Event, error) {
	known, err := r.Events.Event(ctx, id)
	if errors.Is(err, ports.ErrNotFound) {
		return domain.Event{}, domain.ErrEventNotFound
	}
	if err != nil {
		return domain.Event{}, fmt.Errorf("read event %d: %w", id, err)
	}
	current, gone, err := r.current(ctx, known, how)
	if err != nil {
		return domain.Event{}, err
	}
	resolved, refusal := known, error(nil)
	err = r.Events.Amend(ctx, id, func(now time.Time, event domain.Event) (*ports.Amendment, error) {
		before := event
		event.Quarantined = event.Quarantined || (gone && !event.State.IsFinal())
		if resolved, refusal = event.Resolve(how, current, now); refusal != nil {
			return nil, refusal
		}
		return &ports.Amendment{Event: resolved, Audit: resolved.AmendedBy(r.Origin, domain.ActionResolve, how.String(), before)}, nil
	})
	if err != nil && refusal == nil {
		return domain.Event{}, fmt.Errorf("resolve event %d: %w", id, err)
	}
	// A change that arrived while the event was still in quarantine was not applied. The line may
	// have published it after the first request, so there is a second one.
	latest, _, err := r.current(ctx, resolved, how)
	if err != nil {
		return domain.Event{}, err
	}
	err = r.update(ctx, id, func(event domain.Event, now time.Time) (domain.Event, bool) {
		next, effect := event.Apply(latest, now)
		if refusal == nil {
			resolved = next
		}
		return next, effect != domain.EffectNone
	})
	if err != nil {
		return domain.Event{}, fmt.Errorf("bring event %d up to date: %w", id, err)
	}
	return resolved, refusal
}

// current returns the present event of the line. If the line does not have it, current reports
// gone; if its bets are to be voided, the event is then cancelled.
func (r ResolveQuarantine) current(ctx context.Context, known domain.Event, how domain.Resolution) (event domain.LineEvent, gone bool, err error) {
	change, err := r.Line.Event(ctx, known.ID)
	switch {
	case err == nil:
		event = lineEvent(change, r.RecordedBy)
		return event, false, event.Validate()
	case !errors.Is(err, ports.ErrNotFound):
		return event, false, fmt.Errorf("request event %d from the line: %w", known.ID, err)
	case how != domain.ResolveVoid:
		return event, true, ErrNotOnLine
	}
	event = known.LineEvent
	page, err := r.Line.Changes(ctx, event.Seq, 1)
	if err != nil {
		return event, true, fmt.Errorf("request the end of the line's change log: %w", err)
	}
	if page.Epoch.Dataset == event.Dataset {
		// The line must be able to use the id.
		event.Seq = min(event.Seq, page.LastSeq)
	}
	if event.State != domain.StateCancelled {
		event.State = domain.StateCancelled
		event.ResultRevision++
	}
	return event, true, nil
}

// update changes one event in the projection.
func (r ResolveQuarantine) update(ctx context.Context, id domain.EventID, decide func(domain.Event, time.Time) (domain.Event, bool)) error {
	return r.Events.Update(ctx, []domain.EventID{id}, func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event {
		event, changed := decide(known[id], now)
		if !changed {
			return nil
		}
		return []domain.Event{event}
	})
}
