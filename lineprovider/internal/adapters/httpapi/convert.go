package httpapi

import (
	"time"

	"stavka.local/lineprovider/internal/adapters/httpapi/oapi"
	"stavka.local/lineprovider/internal/domain"
)

// From the wire.

func offer(body oapi.NewEvent) domain.Offer {
	o := domain.Offer{Coefficient: body.Coefficient, Deadline: instant(body.Deadline)}
	if body.Name != nil {
		o.Name = *body.Name
	}
	return o
}

func amendment(body oapi.EventPatch) domain.Amendment {
	return domain.Amendment{
		Coefficient: body.Coefficient, Deadline: instant(body.Deadline), Name: body.Name, Suspended: body.Suspended,
	}
}

func result(body oapi.NewState) domain.Result {
	r := domain.Result{State: domain.State(body.State)}
	if body.EffectiveAt.IsSpecified() {
		r.EffectiveAt = &domain.Instant{Unknown: true}
		if seconds, err := body.EffectiveAt.Get(); err == nil { // not null
			r.EffectiveAt = &domain.Instant{At: time.Unix(seconds, 0).UTC()}
		}
	}
	if body.Reason != nil {
		r.Reason = *body.Reason
	}
	return r
}

func instant(seconds *int64) *time.Time {
	if seconds == nil {
		return nil
	}
	at := time.Unix(*seconds, 0).UTC()
	return &at
}

// To the wire.

func event(e domain.Event) oapi.Event {
	wire := oapi.Event{
		EventID:        int64(e.ID),
		Coefficient:    e.Coefficient,
		Deadline:       e.Deadline.Unix(),
		State:          oapi.EventState(e.State),
		CreateDate:     e.CreatedAt.Unix(),
		UpdateDate:     e.UpdatedAt.Unix(),
		Name:           optional(e.Name),
		Suspended:      e.Suspended,
		Version:        e.Version,
		Seq:            e.Seq,
		ResultRevision: e.ResultRevision,
	}
	if !e.EffectiveAt.IsZero() {
		at := e.EffectiveAt.Unix()
		wire.EffectiveAt = &at
	}
	if !e.RecordedAt.IsZero() {
		at := e.RecordedAt.UnixMilli()
		wire.RecordedAt = &at
	}
	return wire
}

func events(list []domain.Event) []oapi.Event {
	wire := make([]oapi.Event, 0, len(list)) // empty is [], not null
	for _, e := range list {
		wire = append(wire, event(e))
	}
	return wire
}

func history(entries []domain.Entry) []oapi.HistoryEntry {
	wire := make([]oapi.HistoryEntry, 0, len(entries))
	for _, e := range entries {
		wire = append(wire, oapi.HistoryEntry{
			At:     e.At.Unix(),
			Action: oapi.HistoryAction(e.Action),
			Actor:  optional(e.Author.Actor),
			Token:  e.Author.Token,
			Reason: optional(e.Reason),
			Event:  event(e.Event),
		})
	}
	return wire
}

// optional returns nil for an empty text.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
