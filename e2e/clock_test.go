package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/stavka/e2e/system"
)

// bet-maker hears of results by its polls alone, up to a second after line-provider has recorded them. A
// bet that it accepts in between is void, and one from before the record is not.
func TestLateBetsAreVoid(t *testing.T) {
	t.Parallel()
	s := start(t, system.Options{BetMakerEnv: func(env map[string]string) {
		env["RABBIT_EXCHANGE"] += "-deaf"
		env["RABBIT_QUEUE"] += "-deaf"
	}})
	user, line := s.NewUser(t, 0), s.Line(t, 0)
	late := 0
	for range 10 {
		event := line.Create("2.00").EventID
		early := user.Place(t, event, "10")
		recorded := line.Finish(event, lineprovider.EventStateFinishedWin).RecordedAt
		if recorded == nil {
			t.Fatal("the result is not recorded")
		}
		system.Eventually(t, allowed, "the margin has passed", func() error {
			if past := time.Since(time.UnixMilli(*recorded)); past < 100*time.Millisecond {
				return fmt.Errorf("%s have", past)
			}
			return nil
		})
		placed, err := user.API.PlaceBetWithResponse(t.Context(), nil, betmaker.NewBet{EventID: event, Amount: early.Amount})
		if err != nil {
			t.Fatal(err)
		}
		if placed.JSON201 != nil {
			late++
			if got := user.AwaitStatus(t, placed.JSON201.ID, betmaker.BetStatusVoid, allowed); deref(got.VoidReason) != "past_post" {
				t.Errorf("void reason %q, want past_post", deref(got.VoidReason))
			}
			// A correction does not make it a bet in time.
			replaceResult(t, line, event, lineprovider.NewState{State: lineprovider.EventStateFinishedLose, Reason: new("goal disallowed")})
			user.AwaitStatus(t, early.ID, betmaker.BetStatusLost, allowed)
			user.AwaitStatus(t, placed.JSON201.ID, betmaker.BetStatusVoid, allowed)
			continue
		}
		user.AwaitStatus(t, early.ID, betmaker.BetStatusWon, allowed)
	}
	if late == 0 {
		t.Error("every late bet was refused, so the test shows nothing")
	}
	checkMoney(t, s)
}

func TestClocksDiffer(t *testing.T) {
	t.Parallel()
	setBackClock(t, start(t, system.Options{}))
}

func TestEmbeddedClocksDiffer(t *testing.T) {
	t.Parallel()
	setBackClock(t, startEmbedded(t, nil))
}

// setBackClock sets the clock of the store's machine back by an hour while bet-maker does not run: to the
// store it is the same if it has read an instant an hour later. No bets are taken
// until the clocks agree again.
func setBackClock(t *testing.T, s *system.System) {
	t.Helper()
	user, line := s.NewUser(t, 0), s.Line(t, 0)
	event := line.Create("2.00").EventID
	user.Place(t, event, "10")
	read := func(ahead time.Duration) {
		t.Helper()
		s.BetMakers[0].Stop()
		s.Records(t).SetClock(ahead)
		s.BetMakers[0].Start()
	}
	place := system.Request{Method: http.MethodPost, Path: "/api/bets", Token: user.Token, Body: fmt.Sprintf(`{"event_id":%d,"amount":1}`, event)}
	wantCode := func(code string) func() error {
		return func() error {
			if err := s.BetMakers[0].Ready(); err != nil {
				return err
			}
			got, err := s.Do(s.BetMakers[0], place)
			if err == nil && got.Code() != code {
				err = fmt.Errorf("got %d %s", got.Status, got.Body)
			}
			return err
		}
	}
	read(time.Hour)
	system.Eventually(t, 30*time.Second, "bets are refused", wantCode("feed_unavailable"))
	ready, err := s.Do(s.BetMakers[0], system.Request{Method: http.MethodGet, Path: "/readyz"})
	if err != nil || ready.Status != http.StatusOK {
		t.Fatalf("got %d %s %v", ready.Status, ready.Body, err)
	}
	var is struct {
		Feed struct {
			Alive bool  `json:"alive"`
			Store int64 `json:"store_clock_ahead_ms"`
			Line  int64 `json:"line_clock_ahead_ms"`
		} `json:"feed"`
	}
	if err := json.Unmarshal(ready.Body, &is); err != nil {
		t.Fatal(err)
	}
	if is.Feed.Alive || is.Feed.Store < 3_500_000 || is.Feed.Line > -3_500_000 {
		t.Errorf("/readyz does not show the clocks: %s", ready.Body)
	}
	read(0)
	system.Eventually(t, 30*time.Second, "bets are taken again", wantCode(""))
}
