// Package decimal reads and writes numbers with at most two decimals from and to their digits. It
// is the one place where outside text becomes an exact number; packages odds and money give the
// numbers their meaning.
//
// A number is never converted through a float: 0.1 has no exact float64, and a value that was
// rounded on the way in cannot become exact again.
package decimal

import (
	"errors"
	"fmt"
	"strconv"
)

// MaxLength is the longest text that Parse accepts, in bytes. It is enough for all numbers of
// Stavka and keeps hostile input cheap.
const MaxLength = 20

// The reasons for which Parse refuses a text.
var (
	ErrSyntax   = errors.New("not a decimal number in plain digits")
	ErrTooLong  = fmt.Errorf("longer than %d characters", MaxLength)
	ErrDecimals = errors.New("more than two decimals")
	ErrRange    = errors.New("out of range")
)

// Parse returns text in hundredths. It accepts what JSON accepts as a number (an optional minus, an
// integer part without superfluous leading zeros, an optional fraction) except exponents, with at
// most two decimals: "10", "10.5" and "10.50", not "+1", ".5", "1.", "01", "1e2" or "1.005". The
// absolute value may not exceed limit hundredths.
//
// The error is one of the reasons above.
func Parse(text string, limit int64) (int64, error) {
	if len(text) > MaxLength {
		return 0, ErrTooLong
	}
	digits := text
	negative := false
	if digits != "" && digits[0] == '-' {
		negative = true
		digits = digits[1:]
	}
	whole, fraction, dotted := digits, "", false
	for i := range len(digits) {
		if digits[i] == '.' {
			whole, fraction, dotted = digits[:i], digits[i+1:], true
			break
		}
	}
	if !allDigits(whole) || (len(whole) > 1 && whole[0] == '0') || (dotted && !allDigits(fraction)) {
		return 0, ErrSyntax
	}
	if len(fraction) > 2 {
		return 0, ErrDecimals
	}
	for len(fraction) < 2 {
		fraction += "0"
	}
	hundredths, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || hundredths > limit {
		return 0, ErrRange
	}
	if negative {
		hundredths = -hundredths
	}
	return hundredths, nil
}

// Append appends hundredths to dst with exactly two decimals: 1050 as "10.50".
func Append(dst []byte, hundredths int64) []byte {
	magnitude := uint64(hundredths) // of a negative number: negated below
	if hundredths < 0 {
		dst = append(dst, '-')
		magnitude = -magnitude
	}
	dst = strconv.AppendUint(dst, magnitude/100, 10)
	return append(dst, '.', byte('0'+magnitude/10%10), byte('0'+magnitude%10))
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
