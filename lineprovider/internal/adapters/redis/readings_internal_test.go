package redis

import (
	"errors"
	"strconv"
	"testing"

	"stavka.local/lineprovider/internal/domain"
)

// valuesOf are the values that Redis has of an event.
func valuesOf(version, seq int, coefficient string) [3]string {
	body := `{"coefficient":` + coefficient + `,"deadline":1,"state":1,"create_date":1,"update_date":1,"suspended":false,"result_revision":0}`
	return [3]string{strconv.Itoa(version), strconv.Itoa(seq), body}
}

func TestReadingsFollowTheValues(t *testing.T) {
	t.Parallel()
	var r readings
	for _, values := range [][3]string{
		valuesOf(1, 1, "1.50"), valuesOf(1, 1, "1.50"), valuesOf(1, 1, "1.60"), valuesOf(2, 1, "1.60"), valuesOf(2, 7, "1.60"), valuesOf(1, 1, "1.50"),
	} {
		want, err := found(1, values)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.read(1, values); err != nil || got != want {
			t.Errorf("%v: got %+v, %v, want %+v", values, got, err, want)
		}
	}
	if got, err := r.read(2, valuesOf(1, 1, "1.50")); err != nil || got.ID != 2 {
		t.Errorf("another event with the same values: got %+v, %v", got, err)
	}
}

func TestReadingsOfNoEvent(t *testing.T) {
	t.Parallel()
	var r readings
	if _, err := r.read(1, valuesOf(1, 1, "1.50")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.read(1, [3]string{}); !errors.Is(err, domain.ErrEventNotFound) {
		t.Errorf("after it is gone: got %v", err)
	}
	if got, err := r.read(1, [3]string{"1", "1", "{"}); err == nil {
		t.Errorf("got %+v of what is none", got)
	}
	if len(r.of) != 0 {
		t.Errorf("%d are remembered", len(r.of))
	}
}

func TestReadingsAreBounded(t *testing.T) {
	t.Parallel()
	var r readings
	for id := domain.EventID(1); id <= 2*maxReadings+1; id++ {
		if got, err := r.read(id, valuesOf(1, 1, "1.50")); err != nil || got.ID != id {
			t.Fatalf("event %d: got %+v, %v", id, got, err)
		}
		if len(r.of) > maxReadings {
			t.Fatalf("%d are remembered", len(r.of))
		}
	}
}
