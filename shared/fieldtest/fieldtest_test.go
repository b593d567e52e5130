package fieldtest_test

import (
	"reflect"
	"testing"
	"time"

	"stavka.local/shared/fieldtest"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

type subject struct {
	Price    odds.Decimal
	Stake    money.Amount
	At       time.Time
	Name     string
	Open     bool
	Count    int64
	State    uint8
	Deadline *time.Time
	Stopped  *bool
}

func TestFullLeavesNoFieldZero(t *testing.T) {
	t.Parallel()
	full := reflect.ValueOf(fieldtest.Full[subject](t))
	for i := range full.NumField() {
		if full.Field(i).IsZero() {
			t.Errorf("%s is zero", full.Type().Field(i).Name)
		}
	}
}

func TestCompletedKeepsValues(t *testing.T) {
	t.Parallel()
	want := fieldtest.Full[subject](t)
	want.Name = "kept"
	if got := fieldtest.Completed(t, subject{Name: "kept"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDrawnIsZeroForZeros(t *testing.T) {
	t.Parallel()
	if got := fieldtest.Drawn[subject](t, func(string) int64 { return 0 }); got != (subject{}) {
		t.Errorf("got %+v", got)
	}
}

func TestVariantsDifferInOneField(t *testing.T) {
	t.Parallel()
	for _, of := range []subject{{}, fieldtest.Full[subject](t)} {
		variants := 0
		for name, variant := range fieldtest.Variants(t, of) {
			variants++
			got, want := reflect.ValueOf(variant), reflect.ValueOf(of)
			for i := range want.NumField() {
				field := want.Type().Field(i).Name
				if same := reflect.DeepEqual(got.Field(i).Interface(), want.Field(i).Interface()); same == (field == name) {
					t.Errorf("the variant of %s: %s is %v, was %v", name, field, got.Field(i), want.Field(i))
				}
			}
		}
		if variants != reflect.TypeFor[subject]().NumField() {
			t.Errorf("%d variants", variants)
		}
	}
}
