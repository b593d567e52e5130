package sqlite

import (
	"fmt"
	"time"

	"stavka.local/lineprovider/internal/adapters/sqlite/sqlitedb"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/odds"
)

// rowOf returns the row of an event. Instants are Unix seconds, except RecordedAt.
func rowOf(e domain.Event) sqlitedb.Event {
	row := sqlitedb.Event{
		ID:             int64(e.ID),
		Version:        e.Version,
		Seq:            e.Seq,
		Coefficient:    e.Coefficient.Hundredths(),
		Deadline:       e.Deadline.Unix(),
		State:          int64(e.State),
		CreatedAt:      e.CreatedAt.Unix(),
		UpdatedAt:      e.UpdatedAt.Unix(),
		Name:           e.Name,
		ResultRevision: e.ResultRevision,
	}
	if e.Suspended {
		row.Suspended = 1
	}
	if !e.EffectiveAt.IsZero() {
		row.EffectiveAt = new(e.EffectiveAt.Unix())
	}
	if !e.RecordedAt.IsZero() {
		row.RecordedAt = new(e.RecordedAt.UnixMilli())
	}
	return row
}

// eventOf returns the event in a row.
func eventOf(row sqlitedb.Event) (domain.Event, error) {
	coefficient, err := odds.FromHundredths(row.Coefficient)
	if err != nil {
		return domain.Event{}, fmt.Errorf("event %d: %w", row.ID, err)
	}
	e := domain.Event{
		ID:             domain.EventID(row.ID),
		Coefficient:    coefficient,
		Deadline:       instant(row.Deadline),
		State:          domain.State(row.State),
		CreatedAt:      instant(row.CreatedAt),
		UpdatedAt:      instant(row.UpdatedAt),
		Name:           row.Name,
		Suspended:      row.Suspended == 1,
		Version:        row.Version,
		Seq:            row.Seq,
		ResultRevision: row.ResultRevision,
	}
	if row.EffectiveAt != nil {
		e.EffectiveAt = instant(*row.EffectiveAt)
	}
	if row.RecordedAt != nil {
		e.RecordedAt = time.UnixMilli(*row.RecordedAt).UTC()
	}
	return e, nil
}

// entryOf returns the entry in a row of the history.
func entryOf(row sqlitedb.History) (domain.Entry, error) {
	event, err := eventOf(sqlitedb.Event{
		ID:             row.EventID,
		Version:        row.Version,
		Seq:            row.Seq,
		Coefficient:    row.Coefficient,
		Deadline:       row.Deadline,
		State:          row.State,
		CreatedAt:      row.CreatedAt,
		UpdatedAt:      row.UpdatedAt,
		Name:           row.Name,
		Suspended:      row.Suspended,
		ResultRevision: row.ResultRevision,
		EffectiveAt:    row.EffectiveAt,
		RecordedAt:     row.RecordedAt,
	})
	if err != nil {
		return domain.Entry{}, fmt.Errorf("history, version %d: %w", row.Version, err)
	}
	return domain.Entry{
		Action: domain.Action(row.Action),
		At:     instant(row.At),
		Author: domain.Author{Actor: row.Actor, Token: row.Token},
		Reason: row.Reason,
		Event:  event,
	}, nil
}

func instant(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
