package usecase

import (
	"reflect"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/fieldtest"
	"stavka.local/shared/line"
	"stavka.local/shared/line/linetest"
	"stavka.local/shared/odds"
)

// TestReadsTheGoldenMessages decodes the messages that line-provider's tests send.
func TestReadsTheGoldenMessages(t *testing.T) {
	t.Parallel()
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
	created := domain.LineEvent{
		ID: 1, Dataset: "f3b1c29a7d04", Seq: 1, Version: 1, Coefficient: odds.MustParse("1.45"), Deadline: at(1737178310),
		State: domain.StateNew, CreatedAt: at(1737173310), UpdatedAt: at(1737173310),
	}
	won := created
	won.State, won.Name, won.ResultRevision = domain.StateFinishedWin, "Lions - Tigers", 1
	won.UpdatedAt, won.EffectiveAt, won.Version, won.Seq = at(1737178400), at(1737176587), 3, 42
	won.RecordedBy = at(1737178330).Add(250 * time.Millisecond)

	for file, want := range map[string]domain.LineEvent{"change_created.json": created, "change_won.json": won} {
		body, err := linetest.Golden.ReadFile("golden/" + file)
		if err != nil {
			t.Fatal(err)
		}
		change, err := line.DecodeChange(body)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if got := lineEvent(change, asItIs); got != want || got.Validate() != nil {
			t.Errorf("%s: got %+v, want %+v", file, got, want)
		}
	}
}

// asItIs is RecordedBy for clocks that agree exactly.
func asItIs(at time.Time) time.Time { return at }

// TestLineEvent compares a message with the domain's event field by field. They differ only in the
// types of the id and the state.
func TestLineEvent(t *testing.T) {
	t.Parallel()
	change := line.Change{Epoch: line.Epoch{Dataset: "d", Generation: 1}, Event: fieldtest.Full[line.Event](t)}
	got := lineEvent(change, asItIs)
	if got.Dataset != "d" {
		t.Errorf("the data set is %q", got.Dataset)
	}
	from, to := reflect.ValueOf(change.Event), reflect.ValueOf(got)
	for i := range from.NumField() {
		name := from.Type().Field(i).Name
		if name == "RecordedAt" {
			name = "RecordedBy"
		}
		field := to.FieldByName(name)
		if !field.IsValid() || !field.CanConvert(from.Field(i).Type()) || !field.Convert(from.Field(i).Type()).Equal(from.Field(i)) {
			t.Errorf("%s: %v became %v", name, from.Field(i), field)
		}
	}
}
