package redis

import (
	"context"
	"strconv"

	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/line"
)

// Changes implements ports.ChangeLog.
func (s *Store) Changes(ctx context.Context, after int64, limit int) (ports.ChangesPage, error) {
	page, err := s.changes(ctx, strconv.FormatInt(exact(after), 10), limit)
	if err != nil {
		return ports.ChangesPage{}, err
	}
	page.NextAfter = max(page.NextAfter, after)
	return page, nil
}

// Unpublished implements ports.Outbox.
func (s *Store) Unpublished(ctx context.Context, limit int) (ports.ChangesPage, error) {
	return s.changes(ctx, "", limit)
}

// changes reads a page after a seq, or after the published seq when after is empty. Callers act on
// the events, so it returns them only when they are durable.
func (s *Store) changes(ctx context.Context, after string, limit int) (ports.ChangesPage, error) {
	r, err := s.run(ctx, changesScript, s.keys.with(s.keys.changes, s.keys.published), randomName(), after, limit)
	if err != nil {
		return ports.ChangesPage{}, err
	}
	page := ports.ChangesPage{Epoch: r.epoch(), LastSeq: r.number()}
	start := r.number()
	page.Events = r.events()
	if err := r.done(); err != nil {
		return ports.ChangesPage{}, err
	}
	page.NextAfter = max(start, page.LastSeq)
	if len(page.Events) == limit {
		page.NextAfter = page.Events[limit-1].Seq
	}
	if len(page.Events) > 0 {
		if err := s.confirm(ctx); err != nil {
			return ports.ChangesPage{}, err
		}
	}
	return page, nil
}

// MarkPublished implements ports.Outbox.
func (s *Store) MarkPublished(ctx context.Context, epoch line.Epoch, upTo int64) error {
	_, err := s.run(ctx, publishedScript, s.keys.with(s.keys.published),
		randomName(), epoch.Dataset, epoch.Generation, upTo)
	return err
}

// Head implements ports.Outbox.
func (s *Store) Head(ctx context.Context) (ports.Head, error) {
	r, err := s.run(ctx, headScript, s.keys.with(s.keys.changes, s.keys.published), randomName())
	if err != nil {
		return ports.Head{}, err
	}
	head := ports.Head{Epoch: r.epoch(), LastSeq: r.number(), Waiting: r.number()}
	if r.more() {
		head.Oldest = r.event().UpdatedAt
	}
	return head, r.done()
}
