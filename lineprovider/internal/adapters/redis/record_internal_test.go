package redis

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/fieldtest"
	"stavka.local/shared/odds"
)

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := fieldtest.Drawn[domain.Event](t, func(field string) int64 { return rapid.Int64().Draw(t, field) })
		want.ID, want.Version, want.Seq = 0, 0, 0 // the scripts store them
		if want.Coefficient.IsZero() {
			want.Coefficient = odds.MustParse("1.00")
		}
		want.State = domain.State(rapid.IntRange(1, 4).Draw(t, "state"))
		want.Name = rapid.String().Draw(t, "name")
		text, err := encodeEvent(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeEvent(text)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("%s\n got %+v\nwant %+v", text, got, want)
		}
	})
}

// FuzzDecodeEvent checks that decoding any stored text returns a valid event or an error.
func FuzzDecodeEvent(f *testing.F) {
	text, err := encodeEvent(domain.Event{
		Coefficient: odds.MustParse("1.45"), Deadline: time.Unix(1_800_000_000, 0), State: domain.StateNew,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(`{"coefficient":1.455,"state":9}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		event, err := decodeEvent(text)
		if err == nil && (!event.State.IsValid() || event.Coefficient.IsZero()) {
			t.Errorf("decoded %q to %+v", text, event)
		}
	})
}
