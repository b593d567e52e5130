package redis

import "stavka.local/lineprovider/internal/domain"

// maxDecoded bounds the memory for decoded events to some megabytes.
const maxDecoded = 10_000

// fields are what Redis holds of an event: its version, its seq and the event itself. They are empty
// when there is no such event.
type fields [3]string

// decoded keeps the events that were decoded last, so that an event is not decoded again while its
// fields are the same. The fields are read from Redis every time, so an event is never out of date. It
// is not safe for concurrent use.
type decoded map[domain.EventID]decodedEvent

type decodedEvent struct {
	from  fields
	event domain.Event
}

// event returns the event that the fields hold.
func (d decoded) event(id domain.EventID, from fields) (domain.Event, error) {
	if known, ok := d[id]; ok && known.from == from {
		return known.event, nil
	}
	event, err := decode(id, from)
	if err != nil {
		delete(d, id)
		return event, err
	}
	if len(d) >= maxDecoded {
		clear(d)
	}
	d[id] = decodedEvent{from, event}
	return event, nil
}

func decode(id domain.EventID, from fields) (domain.Event, error) {
	if from[2] == "" {
		return domain.Event{}, domain.ErrEventNotFound.Detailf("There is no event %s.", id)
	}
	r := reply{values: append([]string{id.String()}, from[:]...)}
	event := r.event()
	return event, r.done()
}
