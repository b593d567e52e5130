package instant_test

import (
	"encoding/json"
	"testing"
	"time"

	"stavka.local/shared/instant"
)

func TestWidthIsFixed(t *testing.T) {
	t.Parallel()
	second := time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600))
	for nanos, want := range map[int]string{
		0:           "2026-02-03T03:05:06.000000Z",
		500_000_000: "2026-02-03T03:05:06.500000Z",
		20_000:      "2026-02-03T03:05:06.000020Z",
		123_456_789: "2026-02-03T03:05:06.123456Z",
		999_999_999: "2026-02-03T03:05:06.999999Z",
	} {
		at := second.Add(time.Duration(nanos))
		if got := instant.Of(at).String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		encoded, err := json.Marshal(map[string]any{"at": instant.Optional(at), "never": instant.Optional(time.Time{})})
		if err != nil || string(encoded) != `{"at":"`+want+`","never":null}` {
			t.Errorf("got %s, %v", encoded, err)
		}
		var decoded struct {
			At instant.Time `json:"at"`
		}
		if err := json.Unmarshal(encoded, &decoded); err != nil || !decoded.At.Equal(at.Truncate(time.Microsecond)) {
			t.Errorf("%s becomes %s, %v", encoded, decoded.At, err)
		}
	}
	if got := string(instant.Append(nil, time.Date(9, 1, 1, 0, 0, 0, 0, time.UTC))); got != "0009-01-01T00:00:00.000000Z" {
		t.Errorf("got %s", got)
	}
}
