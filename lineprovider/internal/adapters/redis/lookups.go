package redis

import (
	"context"
	"fmt"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/line"
	"stavka.local/shared/together"
)

// maxLookups is how many events one script reads. Lua passes no more than 8,000 values to a
// command, and Redis does nothing else meanwhile.
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

// lookFor finds events.
func (s *Store) lookFor(ctx context.Context, lookups []*lookup) {
	ctx, cancel := context.WithTimeout(ctx, operationTime)
	defer cancel()
	args := make([]any, 0, 1+3*len(lookups))
	args = append(args, randomName())
	for _, l := range lookups {
		id := l.id.String()
		args = append(args, id+":version", id+":seq", id)
	}
	r, err := s.run(ctx, lookupScript, s.keys.with(), args...)
	var epoch line.Epoch
	if err == nil {
		epoch, err = r.epoch(), r.err
	}
	if err == nil && len(r.values) != 3*len(lookups) {
		err = fmt.Errorf("%w: %d values for %d events", errReply, len(r.values), len(lookups))
	}
	for i, l := range lookups {
		if err != nil {
			l.err = err
			continue
		}
		l.snapshot.Epoch = epoch
		l.snapshot.Event, l.err = s.readings.read(l.id, [3]string(r.values[3*i:]))
	}
}

// found reads one event out of a script's answer, so that one which cannot be read does
// not fail those beside it.
func found(id domain.EventID, values [3]string) (domain.Event, error) {
	if values[2] == "" {
		return domain.Event{}, domain.ErrEventNotFound.Detailf("There is no event %s.", id)
	}
	r := reply{values: append([]string{id.String()}, values[:]...)}
	event := r.event()
	return event, r.done()
}
