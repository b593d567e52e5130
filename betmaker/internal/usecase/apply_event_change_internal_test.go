package usecase

import (
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/line"
	"stavka.local/shared/line/linetest"
	"stavka.local/shared/odds"
)

// TestReadsTheGoldenMessages decodes the messages that line-provider's tests send.
func TestReadsTheGoldenMessages(t *testing.T) {
	t.Parallel()
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
	created := domain.LineEvent{
		ID: 1, Dataset: "f3b1c29a7d04", Seq: 1, Version: 1, Coefficient: odds.MustParse("1.45"), Deadline: at(1737178310),
		State: domain.StateNew, CreatedAt: at(1737173310), UpdatedAt: at(1737173310),
	}
	won := created
	won.State, won.Name, won.ResultRevision = domain.StateFinishedWin, "Lions - Tigers", 1
	won.UpdatedAt, won.EffectiveAt, won.Version, won.Seq = at(1737178400), at(1737176587), 3, 42

	for file, want := range map[string]domain.LineEvent{"change_created.json": created, "change_won.json": won} {
		body, err := linetest.Golden.ReadFile("golden/" + file)
		if err != nil {
			t.Fatal(err)
		}
		change, err := line.DecodeChange(body)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if got := lineEvent(change); got != want || got.Validate() != nil {
			t.Errorf("%s: got %+v, want %+v", file, got, want)
		}
	}
}
