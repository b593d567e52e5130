// Package money holds exact amounts of the one currency of Stavka as whole minor units (cents).
// They are read from their digits, never through a float.
package money

import (
	"fmt"
	"math/bits"

	"stavka.local/shared/internal/decimal"
	"stavka.local/shared/odds"
)

// maxMinor bounds the amounts that Parse accepts, so that the payout of any parsed amount at any
// odds fits 64 bits: 10^13 minor units x 10^7 hundredths / 100 < 2^63.
const maxMinor = 99_999_999_999_99

// Amount is a sum of money in minor units. The zero value is zero. Amounts are comparable with ==.
type Amount struct{ minor int64 }

// Parse reads an amount from its digits: "10", "10.5" or "10.50". It accepts at most two decimals,
// an optional minus, no exponent, at most 20 characters, and values within plus or minus
// 99,999,999,999.99. For any other text it returns an error with the text and the reason.
func Parse(text string) (Amount, error) {
	minor, err := decimal.Parse(text, maxMinor)
	if err != nil {
		return Amount{}, fmt.Errorf("amount %.32q: %w", text, err)
	}
	return Amount{minor}, nil
}

// MustParse is Parse for constants in code and tests. It panics on an error.
func MustParse(text string) Amount {
	a, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return a
}

// FromMinor returns the amount of n minor units, as stores hold it.
func FromMinor(n int64) Amount { return Amount{n} }

// Minor returns the amount as a whole number of minor units.
func (a Amount) Minor() int64 { return a.minor }

// Less reports whether a is smaller than b.
func (a Amount) Less(b Amount) bool { return a.minor < b.minor }

// IsPositive reports whether a is more than zero.
func (a Amount) IsPositive() bool { return a.minor > 0 }

// IsZero reports whether a is zero.
func (a Amount) IsZero() bool { return a.minor == 0 }

// Plus returns a + b. It panics if the sum does not fit 64 bits, because a wrong sum must not be
// stored. A sum of fewer than 900,000 amounts that Parse accepts fits.
func (a Amount) Plus(b Amount) Amount {
	sum := a.minor + b.minor
	if (sum > a.minor) != (b.minor > 0) {
		panic(fmt.Sprintf("money: %s + %s does not fit", a, b))
	}
	return Amount{sum}
}

// Minus returns a - b. It panics as Plus does.
func (a Amount) Minus(b Amount) Amount {
	difference := a.minor - b.minor
	if (difference < a.minor) != (b.minor > 0) {
		panic(fmt.Sprintf("money: %s - %s does not fit", a, b))
	}
	return Amount{difference}
}

// Neg returns -a.
func (a Amount) Neg() Amount { return Amount{}.Minus(a) }

// Min returns the smaller of a and b.
func Min(a, b Amount) Amount { return Amount{min(a.minor, b.minor)} }

// Max returns the larger of a and b.
func Max(a, b Amount) Amount { return Amount{max(a.minor, b.minor)} }

// Payout returns the payout of a stake of a at odds o: stake x odds, rounded once, down to the minor
// unit. So a stake that is divided among several bets never pays more than in one. The stake must not
// be negative and must be one that Parse accepts; then the result fits.
func (a Amount) Payout(o odds.Decimal) Amount {
	payout, _ := a.times(o)
	return payout
}

// PayoutHalfEven is Payout, but rounded half to even. It is for bets that were accepted under that
// rule.
func (a Amount) PayoutHalfEven(o odds.Decimal) Amount {
	payout, rest := a.times(o)
	if rest > 50 || (rest == 50 && payout.minor%2 == 1) {
		payout.minor++
	}
	return payout
}

// times returns a x o in whole minor units, and the rest in hundredths of one.
func (a Amount) times(o odds.Decimal) (Amount, uint64) {
	hi, lo := bits.Mul64(uint64(a.minor), uint64(o.Hundredths()))
	quotient, rest := bits.Div64(hi, lo, 100)
	return Amount{int64(quotient)}, rest
}

// Append appends the digits with two decimals to dst.
func (a Amount) Append(dst []byte) []byte { return decimal.Append(dst, a.minor) }

// String returns the digits with two decimals.
func (a Amount) String() string { return string(decimal.Append(nil, a.minor)) }

// MarshalJSON writes a JSON number with two decimals.
func (a Amount) MarshalJSON() ([]byte, error) { return decimal.Append(nil, a.minor), nil }

// UnmarshalJSON reads a JSON number by the rules of Parse. It refuses strings, null and other
// values.
func (a *Amount) UnmarshalJSON(data []byte) error {
	parsed, err := Parse(string(data))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}
