package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"stavka.local/lineprovider/internal/adapters/sqlite/sqlitedb"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/sqlite"
)

// Event implements ports.Events.
func (s *Store) Event(ctx context.Context, id domain.EventID) (ports.Snapshot, error) {
	var snapshot ports.Snapshot
	err := s.read(ctx, func(ctx context.Context, tx *transaction) error {
		event, err := tx.event(ctx, id)
		snapshot = ports.Snapshot{Epoch: tx.epoch(), Event: event}
		return err
	})
	if err != nil {
		return ports.Snapshot{}, err
	}
	return snapshot, nil
}

func (tx *transaction) event(ctx context.Context, id domain.EventID) (domain.Event, error) {
	row, err := tx.EventByID(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return domain.Event{}, domain.ErrEventNotFound.Detailf("There is no event %s.", id)
	}
	if err != nil {
		return domain.Event{}, err
	}
	return eventOf(row)
}

// Create implements ports.Events.
func (s *Store) Create(ctx context.Context, c ports.Creation) (ports.Created, error) {
	var created ports.Created
	err := s.write(ctx, func(ctx context.Context, tx *transaction) (err error) {
		created, err = tx.create(ctx, c)
		return err
	})
	if err != nil {
		return ports.Created{}, err
	}
	return created, nil
}

func (tx *transaction) create(ctx context.Context, c ports.Creation) (ports.Created, error) {
	if c.Key != nil {
		earlier, err := tx.recall(ctx, *c.Key)
		if err != nil || earlier.Replayed {
			return earlier, err
		}
	}
	tx.line.LastID++
	tx.line.LastSeq++
	event := c.Change.After
	event.ID, event.Seq = domain.EventID(tx.line.LastID), tx.line.LastSeq
	if err := tx.AddEvent(ctx, sqlitedb.AddEventParams(rowOf(event))); err != nil {
		return ports.Created{}, err
	}
	if err := tx.record(ctx, event, c.Change.Action, c.Author, ""); err != nil {
		return ports.Created{}, err
	}
	if c.Key != nil {
		err := tx.AddCreation(ctx, sqlitedb.AddCreationParams{
			Scope: c.Key.Scope, Key: c.Key.Text, Fingerprint: c.Key.Fingerprint[:], EventID: tx.line.LastID,
		})
		if err != nil {
			return ports.Created{}, err
		}
	}
	return ports.Created{Snapshot: ports.Snapshot{Epoch: tx.epoch(), Event: event}}, nil
}

// Recall implements ports.Events.
func (s *Store) Recall(ctx context.Context, k ports.Key) (ports.Created, error) {
	ctx, cancel := detach(ctx)
	defer cancel()
	var created ports.Created
	err := s.read(ctx, func(ctx context.Context, tx *transaction) (err error) {
		created, err = tx.recall(ctx, k)
		return err
	})
	if err != nil {
		return ports.Created{}, err
	}
	return created, nil
}

func (tx *transaction) recall(ctx context.Context, k ports.Key) (ports.Created, error) {
	row, err := tx.CreationByKey(ctx, sqlitedb.CreationByKeyParams{Scope: k.Scope, Key: k.Text})
	if errors.Is(err, sql.ErrNoRows) {
		return ports.Created{}, nil
	}
	if err != nil {
		return ports.Created{}, err
	}
	if !bytes.Equal(row.Fingerprint, k.Fingerprint[:]) {
		return ports.Created{}, domain.ErrKeyReused
	}
	entry, err := entryOf(row.History)
	if err != nil {
		return ports.Created{}, err
	}
	return ports.Created{Snapshot: ports.Snapshot{Epoch: tx.epoch(), Event: entry.Event}, Replayed: true}, nil
}

// Apply implements ports.Events.
func (s *Store) Apply(ctx context.Context, u ports.Update) (ports.Snapshot, error) {
	if u.Change.IsEmpty() {
		// Data that was read from the file is on the disk already.
		return ports.Snapshot{Epoch: u.Epoch, Event: u.Change.After}, nil
	}
	var snapshot ports.Snapshot
	err := s.write(ctx, func(ctx context.Context, tx *transaction) error {
		event, err := tx.apply(ctx, u)
		snapshot = ports.Snapshot{Epoch: tx.epoch(), Event: event}
		return err
	})
	if err != nil {
		return ports.Snapshot{}, err
	}
	return snapshot, nil
}

func (tx *transaction) apply(ctx context.Context, u ports.Update) (domain.Event, error) {
	before, event := u.Change.Before, u.Change.After
	mismatch := domain.ErrVersionMismatch.Detailf("Event %s no longer has version %d.", event.ID, before.Version)
	if u.Epoch.Dataset != tx.line.Dataset {
		return domain.Event{}, mismatch
	}
	tx.line.LastSeq++
	event.Seq = tx.line.LastSeq
	changed, err := tx.ChangeEvent(ctx, sqlitedb.ChangeEventParams(rowOf(event)))
	if err != nil {
		return domain.Event{}, err
	}
	if changed == 0 {
		return domain.Event{}, mismatch
	}
	return event, tx.record(ctx, event, u.Change.Action, u.Author, u.Reason)
}

// record adds a change, which has been written, to the event's history.
func (tx *transaction) record(
	ctx context.Context, e domain.Event, action domain.Action, author domain.Author, reason string,
) error {
	return tx.AddHistory(ctx, sqlitedb.AddHistoryParams{
		EventID: int64(e.ID), Action: string(action), At: e.UpdatedAt.Unix(),
		Actor: author.Actor, Token: author.Token, Reason: reason,
	})
}

// Events implements ports.Catalogue.
func (s *Store) Events(ctx context.Context, q ports.EventsQuery) (ports.EventsPage, error) {
	var page ports.EventsPage
	err := s.read(ctx, func(ctx context.Context, tx *transaction) error {
		events, err := tx.events(ctx, q.State, int64(q.After), int64(q.Limit)+1)
		page = ports.EventsPage{Epoch: tx.epoch(), Events: events}
		return err
	})
	if err != nil {
		return ports.EventsPage{}, err
	}
	if len(page.Events) > q.Limit {
		page.Events, page.More = page.Events[:q.Limit], true
	}
	return page, nil
}

func (tx *transaction) events(ctx context.Context, state domain.State, after, limit int64) ([]domain.Event, error) {
	var rows []sqlitedb.Event
	var err error
	if state == 0 {
		rows, err = tx.EventsByID(ctx, sqlitedb.EventsByIDParams{After: after, AtMost: limit})
	} else {
		rows, err = tx.EventsByState(ctx, sqlitedb.EventsByStateParams{State: int64(state), After: after, AtMost: limit})
	}
	if err != nil {
		return nil, err
	}
	return sqlite.MapRows(rows, eventOf)
}

// History implements ports.Catalogue.
func (s *Store) History(ctx context.Context, q ports.HistoryQuery) (ports.HistoryPage, error) {
	var page ports.HistoryPage
	err := s.read(ctx, func(ctx context.Context, tx *transaction) error {
		if _, err := tx.event(ctx, q.ID); err != nil {
			return err
		}
		rows, err := tx.HistoryByVersion(ctx, sqlitedb.HistoryByVersionParams{
			EventID: int64(q.ID), After: q.After, AtMost: int64(q.Limit) + 1,
		})
		if err != nil {
			return err
		}
		page.Epoch = tx.epoch()
		page.Entries, err = sqlite.MapRows(rows, entryOf)
		return err
	})
	if err != nil {
		return ports.HistoryPage{}, err
	}
	if len(page.Entries) > q.Limit {
		page.Entries, page.More = page.Entries[:q.Limit], true
	}
	return page, nil
}

// Hold implements ports.Lease. The process that owns the file always has the lease.
func (s *Store) Hold(context.Context, time.Duration) (bool, error) { return !s.guest, nil }

// Release implements ports.Lease.
func (s *Store) Release(context.Context) error { return nil }
