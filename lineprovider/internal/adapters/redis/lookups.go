package redis

import (
	"context"
	"fmt"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/together"
)

// maxLookups is how many events one script reads. Lua passes at most 8,000 values to a command,
// and Redis serves no other client while a script runs.
const maxLookups = 256

// newLookups batches concurrent look-ups into one script, because most of a script's cost does
// not depend on how many events it reads. One script at a time lets the most look-ups gather.
func newLookups(s *Store) *together.Group[*lookup] {
	known := make(decoded) // used by one batch at a time
	return together.New(1, maxLookups, func(ctx context.Context, batch []*lookup) { s.lookUp(ctx, batch, known) })
}

// lookup is one call of Event.
type lookup struct {
	id domain.EventID

	snapshot ports.Snapshot
	err      error
}

// Event implements ports.Events. A look-up that begins after a change was acknowledged returns
// that change.
func (s *Store) Event(ctx context.Context, id domain.EventID) (ports.Snapshot, error) {
	l := &lookup{id: id}
	if err := s.lookups.Do(ctx, l); err != nil {
		return ports.Snapshot{}, domain.ErrUnavailable.Because(err)
	}
	return l.snapshot, l.err
}

// lookUp reads the events of a batch. An event that cannot be decoded fails its own look-up only.
func (s *Store) lookUp(ctx context.Context, lookups []*lookup, known decoded) {
	ctx, cancel := context.WithTimeout(ctx, operationTime)
	defer cancel()
	args := make([]any, 0, 1+3*len(lookups))
	args = append(args, randomName())
	for _, l := range lookups {
		id := l.id.String()
		args = append(args, id+":version", id+":seq", id)
	}
	r, err := s.run(ctx, lookupScript, s.keys.with(), args...)
	var found ports.Snapshot
	if err == nil {
		found.Epoch, err = r.epoch(), r.err
	}
	if err == nil && len(r.values) != 3*len(lookups) {
		err = fmt.Errorf("%w: %d values for %d events", errReply, len(r.values), len(lookups))
	}
	for i, l := range lookups {
		if err != nil {
			l.err = err
			continue
		}
		l.snapshot = found
		l.snapshot.Event, l.err = known.event(l.id, [3]string(r.values[3*i:]))
	}
}
