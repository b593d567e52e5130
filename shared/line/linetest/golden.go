package linetest

import (
	"embed"
	"math"
	"time"

	"stavka.local/shared/line"
	"stavka.local/shared/odds"
)

// Golden holds the bodies of messages of the contract, in the folder golden. Changing these
// files changes the contract: they are equal to the examples of api/line-messages.yaml.
//
//go:embed golden/*.json
var Golden embed.FS

// GoldenChanges returns the changes of the bodies of event.changed, by file name.
func GoldenChanges() map[string]line.Change {
	epoch := line.Epoch{Dataset: "f3b1c29a7d04", Generation: 1}
	created := line.Event{
		ID:          1,
		Coefficient: odds.MustParse("1.45"),
		Deadline:    at(1737178310),
		State:       line.StateNew,
		CreatedAt:   at(1737173310),
		UpdatedAt:   at(1737173310),
		Version:     1,
		Seq:         1,
	}
	won := created
	won.State, won.Name, won.ResultRevision = line.StateFinishedWin, "Lions - Tigers", 1
	won.UpdatedAt, won.EffectiveAt = at(1737178400), at(1737176587)
	won.RecordedAt = at(1737178330).Add(250 * time.Millisecond)
	won.Version, won.Seq = 3, 42

	suspended := created
	suspended.Suspended, suspended.Name = true, `Ørsta <"B"> & Пермь 🏒`
	suspended.Version, suspended.Seq = 2, 7

	largest := line.Event{
		ID:             math.MaxInt64,
		Coefficient:    odds.MustParse("99999.99"),
		Deadline:       at(253402300799),
		State:          line.StateCancelled,
		CreatedAt:      at(0),
		UpdatedAt:      at(253402300799),
		Version:        math.MaxInt64,
		Seq:            math.MaxInt64,
		ResultRevision: math.MaxInt64,
		EffectiveAt:    at(0),
	}
	return map[string]line.Change{
		"change_created.json":   {Epoch: epoch, Event: created},
		"change_won.json":       {Epoch: epoch, Event: won},
		"change_suspended.json": {Epoch: epoch, Event: suspended},
		"change_largest.json":   {Epoch: line.Epoch{Dataset: "A-Z_0-9", Generation: math.MaxInt64}, Event: largest},
	}
}

// GoldenHeartbeats returns the heartbeats of the bodies of feed.alive, by file name.
func GoldenHeartbeats() map[string]line.Heartbeat {
	return map[string]line.Heartbeat{
		"heartbeat.json": {
			Epoch:   line.Epoch{Dataset: "f3b1c29a7d04", Generation: 1},
			LastSeq: 42,
			SentAt:  time.UnixMilli(1737178402250).UTC(),
		},
		"heartbeat_first.json": {
			Epoch:  line.Epoch{Dataset: "f3b1c29a7d04", Generation: 1},
			SentAt: time.UnixMilli(0).UTC(),
		},
	}
}

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
