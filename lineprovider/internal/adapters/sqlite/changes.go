package sqlite

import (
	"context"

	"stavka.local/lineprovider/internal/adapters/sqlite/sqlitedb"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/line"
	"stavka.local/shared/sqlite"
)

// Changes implements ports.ChangeLog.
func (s *Store) Changes(ctx context.Context, after int64, limit int) (ports.ChangesPage, error) {
	return s.changes(ctx, func(sqlitedb.Line) int64 { return after }, limit)
}

// Unpublished implements ports.Outbox.
func (s *Store) Unpublished(ctx context.Context, limit int) (ports.ChangesPage, error) {
	return s.changes(ctx, func(l sqlitedb.Line) int64 { return l.PublishedSeq }, limit)
}

// changes reads the page after the seq that start returns.
func (s *Store) changes(ctx context.Context, start func(sqlitedb.Line) int64, limit int) (ports.ChangesPage, error) {
	var page ports.ChangesPage
	err := s.read(ctx, func(ctx context.Context, tx *transaction) error {
		after := start(tx.line)
		rows, err := tx.EventsBySeq(ctx, sqlitedb.EventsBySeqParams{After: after, AtMost: int64(limit)})
		if err != nil {
			return err
		}
		page = ports.ChangesPage{Epoch: tx.epoch(), LastSeq: tx.line.LastSeq, NextAfter: max(after, tx.line.LastSeq)}
		page.Events, err = sqlite.MapRows(rows, eventOf)
		return err
	})
	if err != nil {
		return ports.ChangesPage{}, err
	}
	if len(page.Events) == limit {
		page.NextAfter = page.Events[limit-1].Seq
	}
	return page, nil
}

// MarkPublished implements ports.Outbox.
func (s *Store) MarkPublished(ctx context.Context, epoch line.Epoch, upTo int64) error {
	return s.write(ctx, func(_ context.Context, tx *transaction) error {
		if epoch == tx.epoch() {
			tx.line.PublishedSeq = max(tx.line.PublishedSeq, upTo)
		}
		return nil
	})
}

// Head implements ports.Outbox.
func (s *Store) Head(ctx context.Context) (ports.Head, error) {
	var head ports.Head
	err := s.read(ctx, func(ctx context.Context, tx *transaction) error {
		waiting, err := tx.CountEventsBySeq(ctx, tx.line.PublishedSeq)
		if err != nil {
			return err
		}
		first, err := tx.EventsBySeq(ctx, sqlitedb.EventsBySeqParams{After: tx.line.PublishedSeq, AtMost: 1})
		if err != nil {
			return err
		}
		head = ports.Head{Epoch: tx.epoch(), LastSeq: tx.line.LastSeq, Waiting: waiting}
		if len(first) > 0 {
			head.Oldest = instant(first[0].UpdatedAt)
		}
		return nil
	})
	if err != nil {
		return ports.Head{}, err
	}
	return head, nil
}
