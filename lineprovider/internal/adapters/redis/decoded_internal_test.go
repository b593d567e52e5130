package redis

import (
	"errors"
	"strconv"
	"testing"

	"stavka.local/lineprovider/internal/domain"
)

// fieldsOf are the fields that Redis has of an event.
func fieldsOf(version, seq int, coefficient string) fields {
	body := `{"coefficient":` + coefficient + `,"deadline":1,"state":1,"create_date":1,"update_date":1,"suspended":false,"result_revision":0}`
	return fields{strconv.Itoa(version), strconv.Itoa(seq), body}
}

func TestDecodedFollowsTheFields(t *testing.T) {
	t.Parallel()
	d := make(decoded)
	for _, from := range []fields{
		fieldsOf(1, 1, "1.50"), fieldsOf(1, 1, "1.50"), fieldsOf(1, 1, "1.60"), fieldsOf(2, 1, "1.60"), fieldsOf(2, 7, "1.60"), fieldsOf(1, 1, "1.50"),
	} {
		want, err := decode(1, from)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.event(1, from); err != nil || got != want {
			t.Errorf("%v: got %+v, %v, want %+v", from, got, err, want)
		}
	}
	if got, err := d.event(2, fieldsOf(1, 1, "1.50")); err != nil || got.ID != 2 {
		t.Errorf("another event with the same fields: got %+v, %v", got, err)
	}
}

func TestDecodedForgetsWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	d := make(decoded)
	if _, err := d.event(1, fieldsOf(1, 1, "1.50")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.event(1, fields{}); !errors.Is(err, domain.ErrEventNotFound) {
		t.Errorf("after the event is gone: got %v", err)
	}
	if got, err := d.event(1, fields{"1", "1", "{"}); err == nil {
		t.Errorf("an event that cannot be decoded: got %+v", got)
	}
	if len(d) != 0 {
		t.Errorf("%d events are kept, want none", len(d))
	}
}

func TestDecodedIsBounded(t *testing.T) {
	t.Parallel()
	d := make(decoded)
	for id := domain.EventID(1); id <= 2*maxDecoded+1; id++ {
		if got, err := d.event(id, fieldsOf(1, 1, "1.50")); err != nil || got.ID != id {
			t.Fatalf("event %d: got %+v, %v", id, got, err)
		}
		if len(d) > maxDecoded {
			t.Fatalf("%d events are kept", len(d))
		}
	}
}
