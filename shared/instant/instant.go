// Package instant writes instants in one form: RFC 3339 in UTC with six decimals, as in
// 2026-11-29T19:42:27.500000Z. All have the same width, so that texts sort like the instants, and
// columns of them line up.
package instant

import "time"

// Time is a time.Time that JSON shows in that form.
type Time struct{ time.Time }

// Of returns t in UTC.
func Of(t time.Time) Time { return Time{t.UTC()} }

// Optional returns t in UTC, or nil for the zero time.
func Optional(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return new(Of(t))
}

// String returns the form. It cuts off what is finer than microseconds.
func (t Time) String() string { return string(Append(nil, t.Time)) }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, len(`"2006-01-02T15:04:05.000000Z"`)), '"')
	return append(Append(b, t.Time), '"'), nil
}

// Append appends the form of t, whose year must be from 0 to 9999. It formats the seconds as RFC 3339,
// for which package time is fast, and adds the decimals.
func Append(b []byte, t time.Time) []byte {
	t = t.UTC()
	b = t.AppendFormat(b, time.RFC3339)
	b[len(b)-1] = '.' // instead of Z
	micros := t.Nanosecond() / int(time.Microsecond)
	for unit := 100_000; unit > 0; unit /= 10 {
		b = append(b, byte('0'+micros/unit%10))
	}
	return append(b, 'Z')
}
