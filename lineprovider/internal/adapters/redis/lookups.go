package redis

import (
	"context"
	"fmt"
	"sync"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/line"
)

// maxLookups is how many events one script reads. Lua passes no more than 8,000 values to a
// command, and Redis does nothing else meanwhile.
const maxLookups = 256

// lookups collects those who look for an event: while one script is under way, the next one
// fills. Most of what a script costs does not depend on how many events it reads: reading
// single events got 1.6 times as fast by it, and 1.1 times more by having one script under
// way and not two.
//
// Nobody joins a script that has been sent already, so that who begins to look after a
// change was acknowledged sees it.
type lookups struct {
	mu      sync.Mutex
	waiting []*lookup
	looking bool // somebody does
}

// lookup is one who looks for an event.
type lookup struct {
	id   domain.EventID
	done chan struct{} // closed when the following are set

	snapshot ports.Snapshot
	err      error
}

// Event implements ports.Events.
func (s *Store) Event(ctx context.Context, id domain.EventID) (ports.Snapshot, error) {
	l := &lookup{id: id, done: make(chan struct{})}
	if s.lookups.add(l) {
		go s.look(context.WithoutCancel(ctx)) // for others, too, who may stay when this one leaves
	}
	select {
	case <-l.done:
		return l.snapshot, l.err
	case <-ctx.Done():
		return ports.Snapshot{}, domain.ErrUnavailable.Because(ctx.Err())
	}
}

// add tells whether somebody has to begin to look.
func (l *lookups) add(one *lookup) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, one)
	begin := !l.looking
	l.looking = true
	return begin
}

// next returns whom to look for next. When there is nobody, the looking has ended.
func (l *lookups) next() []*lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.looking = false
		return nil
	}
	count := min(len(l.waiting), maxLookups)
	batch := l.waiting[:count:count]
	l.waiting = l.waiting[count:]
	return batch
}

// look looks for as long as somebody waits.
func (s *Store) look(ctx context.Context) {
	for batch := s.lookups.next(); batch != nil; batch = s.lookups.next() {
		s.lookFor(ctx, batch)
		for _, l := range batch {
			close(l.done)
		}
	}
}

// lookFor finds the events of a batch.
func (s *Store) lookFor(ctx context.Context, batch []*lookup) {
	ctx, cancel := context.WithTimeout(ctx, operationTime)
	defer cancel()
	args := make([]any, 0, 1+3*len(batch))
	args = append(args, randomName())
	for _, l := range batch {
		id := l.id.String()
		args = append(args, id+":version", id+":seq", id)
	}
	r, err := s.run(ctx, lookupScript, s.keys.with(), args...)
	var epoch line.Epoch
	if err == nil {
		epoch, err = r.epoch(), r.err
	}
	if err == nil && len(r.values) != 3*len(batch) {
		err = fmt.Errorf("%w: %d values for %d events", errReply, len(r.values), len(batch))
	}
	for i, l := range batch {
		if err != nil {
			l.err = err
			continue
		}
		l.snapshot.Epoch = epoch
		l.snapshot.Event, l.err = found(l.id, r.values[3*i:3*i+3])
	}
}

// found reads one event out of a script's answer, so that one which cannot be read does
// not fail those beside it.
func found(id domain.EventID, values []string) (domain.Event, error) {
	if values[2] == "" {
		return domain.Event{}, domain.ErrEventNotFound.Detailf("There is no event %s.", id)
	}
	r := reply{values: append([]string{id.String()}, values...)}
	event := r.event()
	return event, r.done()
}
