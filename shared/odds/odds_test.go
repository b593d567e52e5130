package odds_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"stavka.local/shared/odds"
)

func ExampleParse() {
	price, err := odds.Parse("1.45")
	fmt.Println(price, price.Hundredths(), err)
	_, err = odds.Parse("1.455")
	fmt.Println(err)
	// Output:
	// 1.45 145 <nil>
	// odds "1.455": more than two decimals
}

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "0.00": 0, "1": 100, "1.0": 100, "1.01": 101, "1.45": 145, "1000.00": 1000_00, "99999.99": 99999_99,
	} {
		got, err := odds.Parse(text)
		if err != nil || got.Hundredths() != want {
			t.Errorf("Parse(%q) = %v, %v; want %d hundredths", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "-0", "-0.00", "100000", "100000.00", "1.455", "1e1", "abc", strings.Repeat("1", 5000)} {
		got, err := odds.Parse(text)
		if err == nil || !got.IsZero() {
			t.Errorf("Parse(%q) = %v, %v; want an error and no odds", text, got, err)
			continue
		}
		if len(err.Error()) > 120 {
			t.Errorf("Parse of %d characters: the error repeats them: %d characters", len(text), len(err.Error()))
		}
	}
}

func TestFromHundredths(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, 145, 99999_99} {
		got, err := odds.FromHundredths(n)
		if err != nil || got.Hundredths() != n {
			t.Errorf("FromHundredths(%d) = %v, %v", n, got, err)
		}
	}
	for _, n := range []int64{-1, 99999_99 + 1} {
		if got, err := odds.FromHundredths(n); err == nil || !got.IsZero() {
			t.Errorf("FromHundredths(%d) = %v, %v; want an error and no odds", n, got, err)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	low, high := odds.MustParse("1.45"), odds.MustParse("1.46")
	if !low.Less(high) || high.Less(low) || low.Less(low) {
		t.Error("Less is not the order of the numbers")
	}
	if low != odds.MustParse("1.45") || low.IsZero() || !(odds.Decimal{}).IsZero() {
		t.Error("equal odds are not ==, or IsZero is wrong")
	}
}

func TestMustParsePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("MustParse accepted 1.455")
		}
	}()
	odds.MustParse("1.455")
}

func TestJSON(t *testing.T) {
	t.Parallel()
	type offer struct {
		Price odds.Decimal `json:"price"`
	}
	data, err := json.Marshal(offer{odds.MustParse("1.4")})
	if err != nil || string(data) != `{"price":1.40}` {
		t.Errorf("Marshal = %s, %v", data, err)
	}
	var got offer
	if err := json.Unmarshal([]byte(`{"price": 1.45}`), &got); err != nil || got.Price.Hundredths() != 145 {
		t.Errorf("Unmarshal = %v, %v", got, err)
	}
	for _, text := range []string{`"1.45"`, `null`, `true`, `[1.45]`, `{}`, `1.455`, `145e-2`, `-1.45`} {
		kept := offer{odds.MustParse("2.00")}
		if err := json.Unmarshal([]byte(`{"price":`+text+`}`), &kept); err == nil {
			t.Errorf("Unmarshal of %s gave %v", text, kept.Price)
		} else if kept.Price != odds.MustParse("2.00") {
			t.Errorf("Unmarshal of %s failed but changed the value to %v", text, kept.Price)
		}
	}
}

// FuzzJSON checks that accepted text round-trips and that JSON and text accept the same numbers.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{"1.45", "1.4", "1", "0", "-1", "1e2", `"1.45"`, "null", "1.455", " 1.45", "99999.99"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var fromJSON odds.Decimal
		err := fromJSON.UnmarshalJSON([]byte(text))
		fromText, textErr := odds.Parse(text)
		if fromJSON != fromText || (err == nil) != (textErr == nil) {
			t.Fatalf("%q: JSON %v, %v; text %v, %v", text, fromJSON, err, fromText, textErr)
		}
		if err != nil {
			return
		}
		data, err := json.Marshal(fromJSON)
		if err != nil {
			t.Fatal(err)
		}
		var again odds.Decimal
		if err := json.Unmarshal(data, &again); err != nil || again != fromJSON {
			t.Fatalf("%q became %s became %v, %v", text, data, again, err)
		}
	})
}
