package redis

import (
	"context"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/together"
)

// maxLookups is how many events one script looks for. Redis does nothing else meanwhile.
const maxLookups = 256

// newLookups collects those who look for an event at the same time. Most of what a script costs
// does not depend on how many events it reads: reading single events got 1.6 times as fast by
// it, and 1.1 times more by having one script under way and not two.
func newLookups(s *Store) *together.Group[*lookup] { return together.New(1, maxLookups, s.lookFor) }

// lookup is one who looks for an event.
type lookup struct {
	id domain.EventID

	snapshot ports.Snapshot
	err      error
}

// Event implements ports.Events. Who begins to look after a change was acknowledged sees it.
func (s *Store) Event(ctx context.Context, id domain.EventID) (ports.Snapshot, error) {
	l := &lookup{id: id}
	if err := s.lookups.Do(ctx, l); err != nil {
		return ports.Snapshot{}, domain.ErrUnavailable.Because(err)
	}
	return l.snapshot, l.err
}

// lookFor finds events. There is one round at a time, so that readings needs no lock.
func (s *Store) lookFor(ctx context.Context, lookups []*lookup) {
	ctx, cancel := context.WithTimeout(ctx, operationTime)
	defer cancel()
	ids := make([]domain.EventID, len(lookups))
	for i, l := range lookups {
		ids[i] = l.id
	}
	news, err := s.news(ctx, ids)
	if err == nil {
		s.readings.take(news)
	}
	for _, l := range lookups {
		if l.err = err; err == nil {
			l.snapshot.Epoch = news.epoch
			l.snapshot.Event, l.err = s.readings.find(l.id, news)
		}
	}
	s.readings.bound()
}

// news asks for what has become of the events that are remembered, and for those of ids that are
// not. When nothing that is remembered can be relied on, it asks for all of ids.
func (s *Store) news(ctx context.Context, ids []domain.EventID) (*news, error) {
	unknown := s.readings.unknown(ids)
	n, err := s.newsSince(ctx, s.readings.source, s.readings.seq, unknown)
	if err == nil && !n.known && len(unknown) < len(ids) {
		return s.newsSince(ctx, "", 0, ids)
	}
	return n, err
}

func (s *Store) newsSince(ctx context.Context, source string, seq int64, ids []domain.EventID) (*news, error) {
	args := make([]any, 0, 4+len(ids))
	args = append(args, randomName(), source, seq, maxChanges)
	for _, id := range ids {
		args = append(args, int64(id))
	}
	r, err := s.run(ctx, lookupScript, s.keys.with(s.keys.changes), args...)
	if err != nil {
		return nil, err
	}
	return readNews(r)
}
