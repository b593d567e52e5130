package sqlite

import (
	"context"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/crashpoint"
	sqlitefile "stavka.local/shared/sqlite"
)

// Events implements ports.Events.
type Events struct{ db *database }

// Update implements ports.Events.
func (e *Events) Update(
	ctx context.Context, ids []domain.EventID, decide func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event,
) error {
	if len(ids) == 0 {
		return nil
	}
	written := false
	err := e.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		known, err := eventsByID(ctx, q, ids)
		if err != nil {
			return err
		}
		now := e.db.clock.now()
		crashpoint.Hit("apply.locked")
		for _, event := range decide(now, known) {
			if err := writeEvent(ctx, q, event); err != nil {
				return err
			}
			written = true
		}
		if written {
			crashpoint.Hit("apply.written")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("update %d events: %w", len(ids), err)
	}
	if written {
		crashpoint.Hit("apply.committed")
	}
	return nil
}

func writeEvent(ctx context.Context, q *sqlitedb.Queries, event domain.Event) error {
	row, err := eventToRow(event)
	if err != nil {
		return err
	}
	return q.WriteEvent(ctx, row)
}

// Amend implements ports.Events.
func (e *Events) Amend(
	ctx context.Context, id domain.EventID, decide func(now time.Time, event domain.Event) (*ports.Amendment, error),
) error {
	return e.db.write(ctx, func(ctx context.Context, q *sqlitedb.Queries) error {
		event, err := eventByID(ctx, q, id)
		if err != nil {
			return err
		}
		now := e.db.clock.now()
		amendment, err := decide(now, event)
		if err != nil || amendment == nil {
			return asItIs(err)
		}
		if err := writeEvent(ctx, q, amendment.Event); err != nil {
			return err
		}
		return writeAudit(ctx, q, &amendment.Audit, now)
	})
}

func eventsByID(ctx context.Context, q *sqlitedb.Queries, ids []domain.EventID) (map[domain.EventID]domain.Event, error) {
	rows, err := q.EventsByID(ctx, list(ids))
	if err != nil {
		return nil, err
	}
	events := make(map[domain.EventID]domain.Event, len(rows))
	for _, row := range rows {
		event, err := eventFromRow(row)
		if err != nil {
			return nil, err
		}
		events[event.ID] = event
	}
	return events, nil
}

// Event implements ports.Events.
func (e *Events) Event(ctx context.Context, id domain.EventID) (domain.Event, error) {
	return read(ctx, e.db, func(ctx context.Context, q *sqlitedb.Queries) (domain.Event, error) { return eventByID(ctx, q, id) })
}

func eventByID(ctx context.Context, q *sqlitedb.Queries, id domain.EventID) (domain.Event, error) {
	row, err := q.EventByID(ctx, int64(id))
	if err != nil {
		return domain.Event{}, err
	}
	return eventFromRow(row)
}

// UndecidedEvents implements ports.Events.
func (e *Events) UndecidedEvents(ctx context.Context, notOf string, after domain.EventID, limit int) ([]domain.Event, error) {
	return read(ctx, e.db, func(ctx context.Context, q *sqlitedb.Queries) ([]domain.Event, error) {
		rows, err := q.UndecidedEvents(ctx, sqlitedb.UndecidedEventsParams{After: int64(after), NotOf: notOf, AtMost: int64(limit)})
		if err != nil {
			return nil, err
		}
		return sqlitefile.MapRows(rows, eventFromRow)
	})
}

// EventsAbove implements ports.Events.
func (e *Events) EventsAbove(ctx context.Context, dataset string, seq int64, limit int) ([]domain.Event, error) {
	return read(ctx, e.db, func(ctx context.Context, q *sqlitedb.Queries) ([]domain.Event, error) {
		rows, err := q.EventsAbove(ctx, sqlitedb.EventsAboveParams{Dataset: dataset, Above: seq, AtMost: int64(limit)})
		if err != nil {
			return nil, err
		}
		return sqlitefile.MapRows(rows, eventFromRow)
	})
}

// OpenEvents implements ports.Events.
func (e *Events) OpenEvents(ctx context.Context, after domain.EventID, limit int) ([]domain.Event, error) {
	return read(ctx, e.db, func(ctx context.Context, q *sqlitedb.Queries) ([]domain.Event, error) {
		now := e.db.clock.now().UnixMicro()
		rows, err := q.OpenEvents(ctx, sqlitedb.OpenEventsParams{After: int64(after), Now: now, AtMost: int64(limit)})
		if err != nil {
			return nil, err
		}
		return sqlitefile.MapRows(rows, eventFromRow)
	})
}
