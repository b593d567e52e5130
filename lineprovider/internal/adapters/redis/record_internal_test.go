package redis

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/odds"
)

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		coefficient, err := odds.FromHundredths(rapid.Int64Range(100, 9_999_999).Draw(t, "coefficient"))
		if err != nil {
			t.Fatal(err)
		}
		seconds := rapid.Int64Range(0, 253_402_300_799)
		want := domain.Event{
			Coefficient:    coefficient,
			Deadline:       instant(seconds.Draw(t, "deadline")),
			State:          domain.State(rapid.IntRange(1, 4).Draw(t, "state")),
			CreatedAt:      instant(seconds.Draw(t, "created")),
			UpdatedAt:      instant(seconds.Draw(t, "updated")),
			Name:           rapid.String().Draw(t, "name"),
			Suspended:      rapid.Bool().Draw(t, "suspended"),
			ResultRevision: rapid.Int64().Draw(t, "revision"),
		}
		if rapid.Bool().Draw(t, "effective") {
			want.EffectiveAt = instant(seconds.Draw(t, "effective at"))
		}
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
