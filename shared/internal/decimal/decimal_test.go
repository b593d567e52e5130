package decimal

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const limit = 1_000_000_00
	tests := []struct {
		text string
		want int64
		err  error
	}{
		{"0", 0, nil},
		{"-0", 0, nil},
		{"7", 700, nil},
		{"10", 1000, nil},
		{"10.5", 1050, nil},
		{"10.50", 1050, nil},
		{"0.01", 1, nil},
		{"0.1", 10, nil},
		{"1.45", 145, nil},
		{"-1.45", -145, nil},
		{"-0.01", -1, nil},
		{"1000000.00", limit, nil},
		{"-1000000.00", -limit, nil},

		{"1000000.01", 0, ErrRange},
		{"-1000000.01", 0, ErrRange},
		{"99999999999999999", 0, ErrRange},   // times 100 it no longer fits 64 bits
		{"92233720368547759", 0, ErrRange},   // the smallest such
		{"-9999999999999999.9", 0, ErrRange}, // 19 characters
		{"999999999999999999999", 0, ErrTooLong},
		{"0.00000000000000000001", 0, ErrTooLong},

		{"1.005", 0, ErrDecimals},
		{"1.450", 0, ErrDecimals},
		{"1.000", 0, ErrDecimals},

		{"", 0, ErrSyntax},
		{"-", 0, ErrSyntax},
		{".", 0, ErrSyntax},
		{"-.", 0, ErrSyntax},
		{"+1", 0, ErrSyntax},
		{"--1", 0, ErrSyntax},
		{".5", 0, ErrSyntax},
		{"1.", 0, ErrSyntax},
		{"01", 0, ErrSyntax},
		{"-01", 0, ErrSyntax},
		{"00", 0, ErrSyntax},
		{"1e2", 0, ErrSyntax},
		{"1E2", 0, ErrSyntax},
		{"1.4.5", 0, ErrSyntax},
		{"1,45", 0, ErrSyntax},
		{"1_000", 0, ErrSyntax},
		{" 1", 0, ErrSyntax},
		{"1 ", 0, ErrSyntax},
		{"0x10", 0, ErrSyntax},
		{`"1"`, 0, ErrSyntax},
		{"null", 0, ErrSyntax},
		{"NaN", 0, ErrSyntax},
		{"Inf", 0, ErrSyntax},
		{"1\x00", 0, ErrSyntax},
		{"\u0661", 0, ErrSyntax}, // a digit outside ASCII
	}
	for _, test := range tests {
		got, err := Parse(test.text, limit)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("Parse(%q) = %d, %v; want %d, %v", test.text, got, err, test.want, test.err)
		}
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	for hundredths, want := range map[int64]string{
		0: "0.00", 1: "0.01", 10: "0.10", 99: "0.99", 100: "1.00", 145: "1.45", 123456: "1234.56",
		-1: "-0.01", -100: "-1.00", -145: "-1.45",
		math.MaxInt64: "92233720368547758.07", math.MinInt64: "-92233720368547758.08",
	} {
		if got := string(Append([]byte("x="), hundredths)); got != "x="+want {
			t.Errorf("Append(%d) = %q, want %q", hundredths, got, "x="+want)
		}
	}
}

// grammar is the syntax that Parse accepts before it checks the value.
var grammar = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]{1,2})?$`)

// FuzzParse compares Parse with a regular expression and math/big.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "0", "-0", "10", "10.5", "10.50", "1.005", "01", "1e2", "+1", ".5", "5.", "-1.45",
		"99999999999.99", "100000000000.00", "92233720368547758.07", "99999999999999999999", "\xff", "1\n"} {
		f.Add(text)
	}
	const limit = 99_999_999_999_99
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text, limit)

		exact, isNumber := new(big.Rat), false
		if len(text) <= MaxLength && grammar.MatchString(text) && !strings.HasSuffix(text, "\n") {
			exact, isNumber = exact.SetString(text)
		}
		exact.Mul(exact, big.NewRat(100, 1))
		accepted := isNumber && new(big.Rat).Abs(exact).Cmp(big.NewRat(limit, 1)) <= 0
		if accepted != (err == nil) {
			t.Fatalf("Parse(%q) = %d, %v; acceptable: %t", text, got, err, accepted)
		}
		if err != nil {
			if got != 0 {
				t.Fatalf("Parse(%q) = %d beside error %v", text, got, err)
			}
			return
		}
		if exact.Cmp(big.NewRat(got, 1)) != 0 {
			t.Fatalf("Parse(%q) = %d, want %s", text, got, exact)
		}
		again, err := Parse(string(Append(nil, got)), limit)
		if err != nil || again != got {
			t.Fatalf("Parse(Append(%d)) = %d, %v", got, again, err)
		}
	})
}
