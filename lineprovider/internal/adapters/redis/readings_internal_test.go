package redis

import (
	"errors"
	"slices"
	"testing"

	"stavka.local/lineprovider/internal/domain"
)

// body is what Redis has of an event.
const body = `{"coefficient":1.50,"deadline":1,"state":1,"create_date":1,"update_date":1}`

// told are news by a script's answer, from the source on.
func told(t *testing.T, values ...string) *news {
	t.Helper()
	n, err := readNews(&reply{values: append([]string{"dataset", "1"}, values...)})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReadingsFollowTheNews(t *testing.T) {
	t.Parallel()
	var r readings
	r.take(told(t, "here", "9", "0", "1", "1", "3", body, "2", "1", "4", body))
	r.take(told(t, "here", "12", "1", "2", "2", "11", body, "3", "1", "12", body))
	if r.source != "here" || r.seq != 12 {
		t.Errorf("what is remembered is of %q at %d", r.source, r.seq)
	}
	for id, version := range map[domain.EventID]int64{1: 1, 2: 2, 3: 1} {
		if got, err := r.find(id, &news{}); err != nil || got.ID != id || got.Version != version {
			t.Errorf("event %d: got %+v, %v, want version %d", id, got, err, version)
		}
	}
	if unknown := r.unknown([]domain.EventID{1, 4, 2, 5}); !slices.Equal(unknown, []domain.EventID{4, 5}) {
		t.Errorf("%v are said to be unknown", unknown)
	}
	if _, err := r.find(4, &news{}); !errors.Is(err, domain.ErrEventNotFound) {
		t.Errorf("an event that was not told: got %v", err)
	}

	r.take(told(t, "elsewhere", "5", "0", "2", "7", "5", body))
	if unknown := r.unknown([]domain.EventID{1, 2, 3}); !slices.Equal(unknown, []domain.EventID{1, 3}) || r.source != "elsewhere" || r.seq != 5 {
		t.Errorf("after nothing could be relied on, %v are unknown of %q at %d", unknown, r.source, r.seq)
	}
}

// An event that cannot be read is not remembered as it was before.
func TestReadingsOfUnreadableEvents(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"body":    {"1", "2", "7", "{"},
		"version": {"1", "", "7", body},
		"seq":     {"1", "2", "", body},
	} {
		var r readings
		r.take(told(t, "here", "3", "0", "1", "1", "3", body))
		n := told(t, slices.Concat([]string{"here", "7", "1"}, values, []string{"2", "1", "4", body})...)
		r.take(n)
		if got, err := r.find(1, n); err == nil || errors.Is(err, domain.ErrEventNotFound) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
		if _, err := r.find(2, n); err != nil {
			t.Errorf("%s: the one beside it: got %v", name, err)
		}
	}
}

func TestNewsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, values := range [][]string{
		{}, {"dataset", "1"}, {"dataset", "1", "here", "x", "1"}, {"dataset", "1", "here", "1", "1", "x", "1", "1", body},
	} {
		if n, err := readNews(&reply{values: values}); !errors.Is(err, errReply) {
			t.Errorf("%q: got %+v, %v, want %v", values, n, err, errReply)
		}
	}
}

func TestReadingsAreBounded(t *testing.T) {
	t.Parallel()
	var r readings
	for id := domain.EventID(1); id <= 2*maxReadings+1; id++ {
		r.take(&news{known: r.of != nil, events: []domain.Event{{ID: id}}})
		if _, err := r.find(id, &news{}); err != nil {
			t.Fatal(err)
		}
		r.bound()
		if len(r.of) > maxReadings {
			t.Fatalf("%d are remembered", len(r.of))
		}
	}
}
