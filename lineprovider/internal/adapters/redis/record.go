package redis

import (
	"encoding/json"
	"fmt"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/odds"
)

// record is an event as stored, without the numbers that the scripts store beside it. Instants are
// Unix seconds, except recorded_at, which is in milliseconds. New members must be optional, because records of earlier releases are not rewritten.
type record struct {
	Coefficient    odds.Decimal `json:"coefficient"`
	Deadline       int64        `json:"deadline"`
	State          domain.State `json:"state"`
	CreateDate     int64        `json:"create_date"`
	UpdateDate     int64        `json:"update_date"`
	Name           string       `json:"name,omitempty"`
	Suspended      bool         `json:"suspended,omitempty"`
	ResultRevision int64        `json:"result_revision,omitempty"`
	EffectiveAt    *int64       `json:"effective_at,omitempty"`
	RecordedAt     int64        `json:"recorded_at,omitempty"`
}

func encodeEvent(e domain.Event) (string, error) {
	r := record{
		Coefficient:    e.Coefficient,
		Deadline:       e.Deadline.Unix(),
		State:          e.State,
		CreateDate:     e.CreatedAt.Unix(),
		UpdateDate:     e.UpdatedAt.Unix(),
		Name:           e.Name,
		Suspended:      e.Suspended,
		ResultRevision: e.ResultRevision,
	}
	if !e.EffectiveAt.IsZero() {
		at := e.EffectiveAt.Unix()
		r.EffectiveAt = &at
	}
	if !e.RecordedAt.IsZero() {
		r.RecordedAt = e.RecordedAt.UnixMilli()
	}
	text, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	return string(text), nil
}

func decodeEvent(text string) (domain.Event, error) {
	var r record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return domain.Event{}, fmt.Errorf("decode a stored event: %w", err)
	}
	if !r.State.IsValid() || r.Coefficient.IsZero() {
		return domain.Event{}, fmt.Errorf("decode a stored event: %.200q is not an event", text)
	}
	e := domain.Event{
		Coefficient:    r.Coefficient,
		Deadline:       instant(r.Deadline),
		State:          r.State,
		CreatedAt:      instant(r.CreateDate),
		UpdatedAt:      instant(r.UpdateDate),
		Name:           r.Name,
		Suspended:      r.Suspended,
		ResultRevision: r.ResultRevision,
	}
	if r.EffectiveAt != nil {
		e.EffectiveAt = instant(*r.EffectiveAt)
	}
	if r.RecordedAt != 0 {
		e.RecordedAt = time.UnixMilli(r.RecordedAt).UTC()
	}
	return e, nil
}

// entry is a history entry as stored, without the event.
type entry struct {
	Action domain.Action `json:"action"`
	At     int64         `json:"at"`
	Actor  string        `json:"actor,omitempty"`
	Token  string        `json:"token,omitempty"`
	Reason string        `json:"reason,omitempty"`
}

func encodeEntry(action domain.Action, at time.Time, author domain.Author, reason string) (string, error) {
	text, err := json.Marshal(entry{
		Action: action, At: at.Unix(), Actor: author.Actor, Token: author.Token, Reason: reason,
	})
	if err != nil {
		return "", fmt.Errorf("encode a history entry: %w", err)
	}
	return string(text), nil
}

func decodeEntry(text string) (domain.Entry, error) {
	var e entry
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return domain.Entry{}, fmt.Errorf("decode a history entry: %w", err)
	}
	return domain.Entry{
		Action: e.Action, At: instant(e.At),
		Author: domain.Author{Actor: e.Actor, Token: e.Token}, Reason: e.Reason,
	}, nil
}

func instant(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
