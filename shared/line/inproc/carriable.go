package inproc

import (
	"strings"
	"time"
	"unicode/utf8"

	"stavka.local/shared/line"
)

// plainName is a length in bytes up to which a name makes no message too long, however it is
// escaped.
const plainName = 1 << 10

// checkCarriable returns the codec's error for a change that the codec would refuse. A
// change that another bus cannot carry must not pass on this one.
//
// The rules stay in the codec. Encoding allocates a lot, so a change that is certainly
// valid is not encoded.
func checkCarriable(change line.Change) error {
	if isPlain(change) {
		return nil
	}
	_, err := line.EncodeChange(change)
	return err
}

// isPlain reports whether the codec certainly accepts the change.
func isPlain(change line.Change) bool {
	e := change.Event
	_, err := line.ParseEpoch(change.Epoch.String())
	return err == nil &&
		e.ID > 0 && e.Version > 0 && e.Seq > 0 && e.ResultRevision >= 0 &&
		e.State.IsValid() && e.Coefficient.Hundredths() >= 100 &&
		len(e.Name) <= plainName && utf8.ValidString(e.Name) && !strings.ContainsRune(e.Name, 0) &&
		isPlainTime(e.Deadline) && isPlainTime(e.CreatedAt) && isPlainTime(e.UpdatedAt) &&
		(e.EffectiveAt.IsZero() || isPlainTime(e.EffectiveAt)) &&
		(e.RecordedAt.IsZero() || isPlainTime(e.RecordedAt))
}

// isPlainTime reports whether t is in the years from 1970 to 6324.
func isPlainTime(t time.Time) bool { return t.Unix() >= 0 && t.Unix() < 1<<37 }
