package usecase

import (
	"bytes"
	"testing"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/line"
	"stavka.local/shared/line/linetest"
	"stavka.local/shared/odds"
)

// TestSendsTheGoldenMessages compares the messages that line-provider sends with the ones that
// bet-maker's tests read.
func TestSendsTheGoldenMessages(t *testing.T) {
	t.Parallel()
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
	created := domain.Event{
		ID: 1, Coefficient: odds.MustParse("1.45"), Deadline: at(1737178310), State: domain.StateNew,
		CreatedAt: at(1737173310), UpdatedAt: at(1737173310), Version: 1, Seq: 1,
	}
	won := created
	won.State, won.Name, won.ResultRevision = domain.StateFinishedWin, "Lions - Tigers", 1
	won.UpdatedAt, won.EffectiveAt, won.Version, won.Seq = at(1737178400), at(1737176587), 3, 42
	won.RecordedAt = at(1737178330).Add(250 * time.Millisecond)

	for file, event := range map[string]domain.Event{"change_created.json": created, "change_won.json": won} {
		want, err := linetest.Golden.ReadFile("golden/" + file)
		if err != nil {
			t.Fatal(err)
		}
		epoch := line.Epoch{Dataset: "f3b1c29a7d04", Generation: 1}
		got, err := line.EncodeChange(line.Change{Epoch: epoch, Event: onTheWire(event)})
		if err != nil || !bytes.Equal(bytes.TrimSpace(got), bytes.TrimSpace(want)) {
			t.Errorf("%s: got %s, %v, want %s", file, got, err, want)
		}
	}
}
