package usecase

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/fieldtest"
	"stavka.local/shared/line"
	"stavka.local/shared/odds"
)

// TestOnTheWire compares the two forms of an event field by field. They differ only in the types of
// the id and the state.
func TestOnTheWire(t *testing.T) {
	t.Parallel()
	event := fieldtest.Full[domain.Event](t)
	from, to := reflect.ValueOf(event), reflect.ValueOf(onTheWire(event))
	if from.NumField() != to.NumField() {
		t.Errorf("%d fields become %d", from.NumField(), to.NumField())
	}
	for i := range from.NumField() {
		name := from.Type().Field(i).Name
		got := to.FieldByName(name)
		if !got.IsValid() || !got.CanConvert(from.Field(i).Type()) ||
			!got.Convert(from.Field(i).Type()).Equal(from.Field(i)) {
			t.Errorf("%s: %v became %v", name, from.Field(i), got)
		}
	}
}

// TestEverythingCanBePublished checks that the codec accepts every event that the domain allows. An
// event that the codec refuses would block the relay.
func TestEverythingCanBePublished(t *testing.T) {
	t.Parallel()
	rules := domain.Rules{MinimumDuration: time.Second, MaxCoefficient: odds.MustParse("99999.99")}
	rapid.Check(t, func(t *rapid.T) {
		seconds := func(name string, from, to int64) time.Time {
			return time.Unix(rapid.Int64Range(from, to).Draw(t, name), 0).UTC()
		}
		const last = 253_402_300_799 // by the contract
		now := seconds("now", 0, 4_000_000_000)
		coefficient, err := odds.FromHundredths(rapid.Int64Range(100, 9_999_999).Draw(t, "coefficient"))
		if err != nil {
			t.Fatal(err)
		}
		// The API refuses negative numbers.
		number := func(field string) int64 { return rapid.Int64Min(0).Draw(t, field) }
		offer := fieldtest.Drawn[domain.Offer](t, number)
		offer.Coefficient, offer.Deadline = coefficient, new(seconds("deadline", now.Unix(), last))
		offer.Name = allowed(rapid.StringN(0, 200, -1).Draw(t, "name"), func(name string) bool {
			_, err := domain.Open(now, domain.Offer{Coefficient: coefficient, Name: name}, rules)
			return err == nil
		})
		opened, err := domain.Open(now, offer, rules)
		if err != nil {
			t.Fatal(err)
		}
		amendment := fieldtest.Drawn[domain.Amendment](t, number)
		amendment.Coefficient, amendment.Deadline = nil, nil // as in the offer
		amended, err := opened.After.Amend(now, amendment, rules)
		if err != nil {
			t.Fatal(err)
		}
		effective := seconds("effective", now.Unix(), now.Unix()+10)
		decided, err := amended.After.Decide(now.Add(10*time.Second), domain.Result{
			State: domain.State(rapid.IntRange(1, 4).Draw(t, "state")), EffectiveAt: &domain.Instant{At: effective},
		})
		if err != nil {
			decided = amended
		}
		event := decided.After
		event.ID, event.Seq = 1, 1 // the store's
		change := line.Change{Epoch: line.Epoch{Dataset: "d", Generation: 1}, Event: onTheWire(event)}
		body, err := line.EncodeChange(change)
		if err != nil {
			t.Fatalf("%+v: %v", event, err)
		}
		if back, err := line.DecodeChange(body); err != nil || back != change {
			t.Fatalf("%+v came back as %+v, %v", change, back, err)
		}
	})
}

// allowed returns a name without the characters that the line refuses, or "" if it refuses the rest.
func allowed(name string, accepts func(string) bool) string {
	name = strings.Map(func(r rune) rune {
		if accepts("a" + string(r)) {
			return r
		}
		return -1
	}, name)
	if !accepts(name) {
		return ""
	}
	return name
}
