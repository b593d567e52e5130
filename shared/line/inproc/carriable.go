package inproc

import (
	"strings"
	"time"
	"unicode/utf8"

	"stavka.local/shared/line"
)

// plainName is the length in bytes of a name that makes no message too long, however
// it is escaped.
const plainName = 1 << 10

// checkCarriable returns the codec's error for a change that it would refuse. A change
// that no other bus could carry must not get through on this one.
//
// The codec's rules stay in the codec. To ask it costs about two hundred allocations,
// though, so what is plainly in order is not put to it.
func checkCarriable(change line.Change) error {
	if isPlain(change) {
		return nil
	}
	_, err := line.EncodeChange(change)
	return err
}

// isPlain tells whether the codec certainly accepts the change.
func isPlain(change line.Change) bool {
	e := change.Event
	_, err := line.ParseEpoch(change.Epoch.String())
	return err == nil &&
		e.ID > 0 && e.Version > 0 && e.Seq > 0 && e.ResultRevision >= 0 &&
		e.State.IsValid() && e.Coefficient.Hundredths() >= 100 &&
		len(e.Name) <= plainName && utf8.ValidString(e.Name) && !strings.ContainsRune(e.Name, 0) &&
		isPlainTime(e.Deadline) && isPlainTime(e.CreatedAt) && isPlainTime(e.UpdatedAt) &&
		(e.EffectiveAt.IsZero() || isPlainTime(e.EffectiveAt))
}

// isPlainTime tells whether t is in the years from 1970 to 6324.
func isPlainTime(t time.Time) bool { return t.Unix() >= 0 && t.Unix() < 1<<37 }
