package postgres

import (
	"context"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/crashpoint"
)

// Events implements ports.Events.
type Events struct{ following, rest *pool }

// Update implements ports.Events. ctx bounds only the wait for a connection.
func (e *Events) Update(
	ctx context.Context, ids []domain.EventID, decide func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event,
) error {
	if len(ids) == 0 {
		return nil
	}
	err := e.following.transact(ctx, func(ctx context.Context, tx *transaction) error {
		now, known, err := lockEvents(ctx, tx, ids)
		if err != nil {
			return err
		}
		crashpoint.Hit("apply.locked")
		changed := decide(now, known)
		if len(changed) == 0 {
			return nil
		}
		if err := queueEvents(tx, changed); err != nil {
			return err
		}
		if crashpoint.Enabled {
			// Sent apart, so that the process can crash between writing and committing.
			if err := tx.exchange(ctx); err != nil {
				return err
			}
			crashpoint.Hit("apply.written")
		}
		if err := tx.commit(ctx); err != nil {
			return err
		}
		crashpoint.Hit("apply.committed")
		return nil
	})
	if err != nil {
		return fmt.Errorf("update %d events: %w", len(ids), err)
	}
	return nil
}

// Amend implements ports.Events. ctx bounds only the wait for a connection.
func (e *Events) Amend(
	ctx context.Context, id domain.EventID, decide func(now time.Time, event domain.Event) (*ports.Amendment, error),
) error {
	return e.rest.transact(ctx, func(ctx context.Context, tx *transaction) error {
		now, known, err := lockEvents(ctx, tx, []domain.EventID{id})
		if err != nil {
			return err
		}
		event, ok := known[id]
		if !ok {
			return ports.ErrNotFound
		}
		amendment, err := decide(now, event)
		if err != nil || amendment == nil {
			return err
		}
		if err := queueEvents(tx, []domain.Event{amendment.Event}); err != nil {
			return err
		}
		queueAuditRecord(tx, amendment.Audit, now)
		return tx.commit(ctx)
	})
}

// queueEvents queues the writes of events.
func queueEvents(tx *transaction, events []domain.Event) error {
	p, err := eventsToArrays(events)
	if err != nil {
		return err
	}
	exec(tx, (*pgdb.Queries).WriteEvents, p)
	return nil
}

// lockEvents locks events exclusively and reads them and then the clock, in one round trip. All
// bets accepted on them so far are earlier than the clock.
func lockEvents(ctx context.Context, tx *transaction, ids []domain.EventID) (time.Time, map[domain.EventID]domain.Event, error) {
	numbers := ascending(column(ids, func(id *domain.EventID) int64 { return int64(*id) }))
	var (
		rows []pgdb.Event
		now  time.Time
	)
	exec(tx, (*pgdb.Queries).LockEventsExclusively, numbers)
	query(tx, (*pgdb.Queries).EventsByID, numbers, &rows)
	queryPlain(tx, (*pgdb.Queries).Clock, &now)
	if err := tx.exchange(ctx); err != nil {
		return time.Time{}, nil, err
	}
	known := make(map[domain.EventID]domain.Event, len(rows))
	for _, row := range rows {
		event, err := eventFromRow(row)
		if err != nil {
			return time.Time{}, nil, err
		}
		known[event.ID] = event
	}
	return now, known, nil
}

// Event implements ports.Events.
func (e *Events) Event(ctx context.Context, id domain.EventID) (event domain.Event, err error) {
	err = e.rest.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		row, err := q.EventByID(ctx, int64(id))
		if err != nil {
			return err
		}
		event, err = eventFromRow(row)
		return err
	})
	return event, err
}

// UndecidedEvents implements ports.Events.
func (e *Events) UndecidedEvents(ctx context.Context, notOf string, after domain.EventID, limit int) (events []domain.Event, err error) {
	err = e.rest.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := q.UndecidedEvents(ctx, pgdb.UndecidedEventsParams{After: int64(after), NotOf: notOf, AtMost: limit32(limit)})
		if err != nil {
			return err
		}
		events, err = eventsFromRows(rows)
		return err
	})
	return events, err
}

// EventsAbove implements ports.Events.
func (e *Events) EventsAbove(ctx context.Context, dataset string, seq int64, limit int) (events []domain.Event, err error) {
	err = e.rest.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := q.EventsAbove(ctx, pgdb.EventsAboveParams{Dataset: dataset, Above: seq, AtMost: limit32(limit)})
		if err != nil {
			return err
		}
		events, err = eventsFromRows(rows)
		return err
	})
	return events, err
}

// OpenEvents implements ports.Events.
func (e *Events) OpenEvents(ctx context.Context, after domain.EventID, limit int) (events []domain.Event, err error) {
	err = e.rest.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := q.OpenEvents(ctx, pgdb.OpenEventsParams{After: int64(after), AtMost: limit32(limit)})
		if err != nil {
			return err
		}
		events, err = eventsFromRows(rows)
		return err
	})
	return events, err
}
