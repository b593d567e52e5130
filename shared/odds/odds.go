// Package odds holds decimal odds: the return per unit staked, including the stake. 1.45 means that
// a stake of 10.00 returns 14.50. On the wire the same number is called coefficient.
//
// Odds are exact. They are read from their digits and held as hundredths.
package odds

import (
	"fmt"

	"stavka.local/shared/internal/decimal"
)

// maxHundredths bounds every Decimal, so that the payout of any money.Amount at any Decimal fits 64
// bits. Services may have lower limits.
const maxHundredths = 99_999_99

// Decimal is decimal odds with two decimals. The zero value means no odds, see IsZero. Decimals are
// comparable with ==.
type Decimal struct{ hundredths int64 }

// Parse reads odds from their digits: "1.45". It accepts at most two decimals, no sign, no
// exponent, at most 20 characters, and values from 0.00 to 99999.99. The line decides which of them
// may be offered. For any other text it returns an error with the text and the reason.
func Parse(text string) (Decimal, error) {
	hundredths, err := decimal.Parse(text, maxHundredths)
	if err == nil && (hundredths < 0 || text[0] == '-') {
		err = decimal.ErrRange
	}
	if err != nil {
		return Decimal{}, fmt.Errorf("odds %.32q: %w", text, err)
	}
	return Decimal{hundredths}, nil
}

// FromHundredths returns the odds of n hundredths, as stores hold them: 145 is 1.45. It returns an
// error if n is negative or beyond 99999.99.
func FromHundredths(n int64) (Decimal, error) {
	if n < 0 || n > maxHundredths {
		return Decimal{}, fmt.Errorf("odds of %d hundredths: %w", n, decimal.ErrRange)
	}
	return Decimal{n}, nil
}

// MustParse is Parse for constants in code and tests. It panics on an error.
func MustParse(text string) Decimal {
	d, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return d
}

// Hundredths returns the odds as a whole number of hundredths.
func (d Decimal) Hundredths() int64 { return d.hundredths }

// IsZero reports whether d is the zero value, which means no odds.
func (d Decimal) IsZero() bool { return d.hundredths == 0 }

// Less reports whether d is lower than o.
func (d Decimal) Less(o Decimal) bool { return d.hundredths < o.hundredths }

// Append appends the digits with two decimals to dst.
func (d Decimal) Append(dst []byte) []byte { return decimal.Append(dst, d.hundredths) }

// String returns the digits with two decimals.
func (d Decimal) String() string { return string(decimal.Append(nil, d.hundredths)) }

// MarshalJSON writes a JSON number with two decimals.
func (d Decimal) MarshalJSON() ([]byte, error) { return decimal.Append(nil, d.hundredths), nil }

// UnmarshalJSON reads a JSON number by the rules of Parse. It refuses strings, null and other
// values.
func (d *Decimal) UnmarshalJSON(data []byte) error {
	parsed, err := Parse(string(data))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
