package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
	"stavka.local/stavka/e2e/system"
)

// promised is how soon a bet follows its event. Tests allow five times as much.
const (
	promised = time.Second
	allowed  = 5 * promised
)

func TestStory(t *testing.T) {
	t.Parallel()
	tellStory(t, start(t, system.Options{}))
}

// tellStory walks through the product from end to end, on any shape.
func tellStory(t *testing.T, s *system.System) {
	t.Helper()
	line := s.Line(t, 0)
	alice, bob := s.NewUser(t, 0), s.NewUser(t, 0)

	t.Run("a token comes by JSON and by form", func(t *testing.T) { tokenByJSONAndForm(t, s) })
	t.Run("an event takes the default deadline", func(t *testing.T) {
		before := time.Now().Unix()
		event := line.Create("1.45")
		if got := event.Deadline - before; got < 5000 || got > 5005 {
			t.Errorf("the deadline is in %d s, want 5000", got)
		}
	})
	t.Run("bets follow their events", func(t *testing.T) { betsFollowTheirEvents(t, line, alice, bob) })
	t.Run("another user's bet is not found", func(t *testing.T) {
		bet := alice.Place(t, line.Create("2.00").EventID, "1")
		got, err := bob.API.GetBetWithResponse(t.Context(), bet.ID)
		if err != nil || got.StatusCode() != http.StatusNotFound {
			t.Errorf("got %+v %v, want 404", got, err)
		}
	})
	t.Run("a bet cannot be cancelled unless the operator allows it", func(t *testing.T) {
		bet := alice.Place(t, line.Create("2.00").EventID, "1")
		refused(t, s, canceling(alice, bet.ID), http.StatusConflict, "cancel_not_allowed")
	})
	t.Run("invalid bets are refused", func(t *testing.T) { refusals(t, s, line, alice) })
}

func tokenByJSONAndForm(t *testing.T, s *system.System) {
	t.Helper()
	admin := s.Admin(t, 0)
	form := url.Values{"grant_type": {"password"}, "username": {admin.Username}, "password": {admin.Password}}
	got, err := s.Do(s.BetMakers[0], system.Request{
		Method: http.MethodPost, Path: "/token", Body: form.Encode(), ContentType: "application/x-www-form-urlencoded",
	})
	if err != nil || got.Status != http.StatusOK {
		t.Fatalf("a token by form: %d %s %v", got.Status, got.Body, err)
	}
	minutes, err := strconv.Atoi(s.Env["TOKEN_EXPIRED_MINUTES"])
	if err != nil {
		t.Fatal(err)
	}
	var token betmaker.Token
	err = json.Unmarshal(got.Body, &token)
	if err != nil || token.TokenType != "bearer" || int(token.ExpiresIn) != 60*minutes {
		t.Errorf("got %+v %v, want a bearer token for %d minutes", token, err, minutes)
	}
	me, err := s.BetMaker(t, 0, token.AccessToken).GetCurrentUserWithResponse(t.Context())
	if err != nil || me.JSON200 == nil || me.JSON200.Role != betmaker.RoleAdmin {
		t.Errorf("read the signed-in user: %+v %v", me, err)
	}
}

func betsFollowTheirEvents(t *testing.T, line *system.Line, alice, bob *system.User) {
	t.Helper()
	for _, tt := range []struct {
		name   string
		state  lineprovider.EventState
		status betmaker.BetStatus
		payout [2]string
		reason string
	}{
		{"win", lineprovider.EventStateFinishedWin, betmaker.BetStatusWon, [2]string{"14.51", "2.90"}, ""},
		{"lose", lineprovider.EventStateFinishedLose, betmaker.BetStatusLost, [2]string{"0.00", "0.00"}, ""},
		{"cancelled", lineprovider.EventStateCancelled, betmaker.BetStatusVoid, [2]string{"10.01", "2.00"}, "event_cancelled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			event := line.Create("1.45")
			bets := [2]betmaker.Bet{alice.Place(t, event.EventID, "10.01"), bob.Place(t, event.EventID, "2")}
			if bets[0].Status != betmaker.BetStatusPending || bets[0].Payout != nil || bets[0].PotentialPayout != money.MustParse("14.51") {
				t.Errorf("a new bet: %+v", bets[0])
			}
			line.Finish(event.EventID, tt.state)
			answered := time.Now()
			for i, user := range []*system.User{alice, bob} {
				got := user.AwaitStatus(t, bets[i].ID, tt.status, allowed)
				if got.Payout == nil || *got.Payout != money.MustParse(tt.payout[i]) || got.SettledAt == nil || got.SettleRevision != 1 {
					t.Errorf("settled as %+v, want the payout %s", got, tt.payout[i])
				}
				if reason := deref(got.VoidReason); reason != tt.reason {
					t.Errorf("void reason %q, want %q", reason, tt.reason)
				}
			}
			t.Logf("both bets followed within %s", time.Since(answered).Round(time.Millisecond))
		})
	}
}

// deref returns the value of a pointer, or the zero value for nil.
func deref[T any](pointer *T) (value T) {
	if pointer != nil {
		value = *pointer
	}
	return value
}

func refusals(t *testing.T, s *system.System, line *system.Line, user *system.User) {
	t.Helper()
	open := line.Create("1.45").EventID
	finished, cancelled, suspended := line.Create("1.45").EventID, line.Create("1.45").EventID, line.Create("1.45").EventID
	line.Finish(finished, lineprovider.EventStateFinishedWin)
	if _, err := line.API.RemoveEventWithResponse(t.Context(), cancelled, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := line.API.ChangeEventWithResponse(t.Context(), suspended, nil, lineprovider.EventPatch{Suspended: new(true)}); err != nil || got.JSON200 == nil {
		t.Fatalf("suspend: %+v %v", got, err)
	}
	soon, err := line.API.CreateEventWithResponse(t.Context(), nil, lineprovider.NewEvent{
		Coefficient: odds.MustParse("1.45"), Deadline: new(time.Now().Unix() + 1),
	})
	if err != nil || soon.JSON201 == nil {
		t.Fatalf("an event with a deadline: %+v %v", soon, err)
	}
	over := soon.JSON201.EventID
	final := func(e betmaker.Event) bool { return e.State != betmaker.EventStateNew }
	awaitEvent(t, user, finished, "finished", final)
	awaitEvent(t, user, cancelled, "cancelled", final)
	awaitEvent(t, user, suspended, "suspended", func(e betmaker.Event) bool { return e.Suspended })
	awaitEvent(t, user, over, "past its deadline", func(e betmaker.Event) bool { return time.Now().Unix() > e.Deadline })
	id := func(event int64) string { return strconv.FormatInt(event, 10) }

	for name, tt := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"after the deadline":       {`{"event_id":` + id(over) + `,"amount":10}`, http.StatusConflict, "event_closed"},
		"on a finished event":      {`{"event_id":` + id(finished) + `,"amount":10}`, http.StatusConflict, "event_closed"},
		"on a cancelled event":     {`{"event_id":` + id(cancelled) + `,"amount":10}`, http.StatusConflict, "event_closed"},
		"on a suspended event":     {`{"event_id":` + id(suspended) + `,"amount":10}`, http.StatusConflict, "event_suspended"},
		"on an unknown event":      {`{"event_id":999999,"amount":10}`, http.StatusNotFound, "event_not_found"},
		"at a changed price":       {`{"event_id":` + id(open) + `,"amount":10,"coefficient":1.44}`, http.StatusConflict, "price_changed"},
		"for nothing":              {`{"event_id":` + id(open) + `,"amount":0}`, http.StatusUnprocessableEntity, "stake_out_of_limits"},
		"for less than nothing":    {`{"event_id":` + id(open) + `,"amount":-10}`, http.StatusUnprocessableEntity, "stake_out_of_limits"},
		"for too much":             {`{"event_id":` + id(open) + `,"amount":1000000.01}`, http.StatusUnprocessableEntity, "stake_out_of_limits"},
		"with three decimals":      {`{"event_id":` + id(open) + `,"amount":10.005}`, http.StatusBadRequest, "invalid_request"},
		"with a textual amount":    {`{"event_id":` + id(open) + `,"amount":"10"}`, http.StatusBadRequest, "invalid_request"},
		"with an exponent":         {`{"event_id":` + id(open) + `,"amount":1e1}`, http.StatusBadRequest, "invalid_request"},
		"with a huge amount":       {`{"event_id":` + id(open) + `,"amount":99999999999999999999999}`, http.StatusBadRequest, "invalid_request"},
		"without an amount":        {`{"event_id":` + id(open) + `}`, http.StatusBadRequest, "invalid_request"},
		"with a policy, no price":  {`{"event_id":` + id(open) + `,"amount":10,"odds_change":"higher"}`, http.StatusBadRequest, "invalid_request"},
		"with an unknown field":    {`{"event_id":` + id(open) + `,"amount":10,"odds":2}`, http.StatusBadRequest, "invalid_request"},
		"with an unknown policy":   {`{"event_id":` + id(open) + `,"amount":10,"odds_change":"some"}`, http.StatusBadRequest, "invalid_request"},
		"with an impossible event": {`{"event_id":0,"amount":10}`, http.StatusBadRequest, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Do(s.BetMakers[0], system.Request{Method: http.MethodPost, Path: "/api/bets", Token: user.Token, Body: tt.body})
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != tt.status || got.Code() != tt.code {
				t.Errorf("got %d %s, want %d %s", got.Status, got.Body, tt.status, tt.code)
			}
		})
	}
}

// awaitEvent waits until check accepts the event of bet-maker.
func awaitEvent(t *testing.T, user *system.User, event int64, what string, check func(betmaker.Event) bool) {
	t.Helper()
	system.Eventually(t, allowed, fmt.Sprintf("bet-maker knows event %d as %s", event, what), func() error {
		got, err := user.API.GetEventWithResponse(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		if got.JSON200 == nil || !check(*got.JSON200) {
			return fmt.Errorf("it is %s", got.Body)
		}
		return nil
	})
}
