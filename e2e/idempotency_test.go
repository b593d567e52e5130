package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
	"stavka.local/stavka/e2e/system"
)

func TestIdempotency(t *testing.T) {
	t.Parallel()
	repeatRequests(t, start(t, system.Options{}))
}

func TestIdempotencyOverTwoReplicas(t *testing.T) {
	t.Parallel()
	repeatRequests(t, start(t, system.Options{BetMakers: 2, LineProviders: 2}))
}

// repeatRequests checks that a repeated request has one effect and one answer, on any shape of
// the product and spread over all its replicas.
func repeatRequests(t *testing.T, s *system.System) {
	t.Helper()
	user, line := s.NewUser(t, 0), s.Line(t, 0)
	// send sends the same request n times concurrently, to all replicas in turn.
	send := func(t *testing.T, n int, r system.Request) []system.Response {
		t.Helper()
		replicas := s.BetMakers
		if strings.HasPrefix(r.Path, "/event") {
			replicas = s.LineProviders
		}
		responses := make([]system.Response, n)
		var sending sync.WaitGroup
		for i := range responses {
			sending.Go(func() {
				var err error
				if responses[i], err = s.Do(replicas[i%len(replicas)], r); err != nil {
					t.Error(err)
				}
			})
		}
		sending.Wait()
		return responses
	}
	bet := func(key, body string) system.Request {
		return system.Request{
			Method: http.MethodPost, Path: "/api/bets", Token: user.Token, Body: body, Header: http.Header{"Idempotency-Key": {key}},
		}
	}

	t.Run("200 identical requests give one bet and identical bodies", func(t *testing.T) {
		event := line.Create("1.45").EventID
		responses := send(t, 200, bet("one", fmt.Sprintf(`{"event_id":%d,"amount":10}`, event)))
		checkSame(t, responses, http.StatusCreated)
		if replayed := countReplayed(responses); replayed != 199 {
			t.Errorf("%d of 200 answers are replays, want 199", replayed)
		}
		if bets := betsOn(t, user, event); len(bets) != 1 {
			t.Errorf("there are %d bets, want 1", len(bets))
		}
		line.Finish(event, lineprovider.EventStateFinishedWin)
		user.AwaitStatus(t, betsOn(t, user, event)[0].ID, betmaker.BetStatusWon, allowed)
		later := send(t, 1, bet("one", fmt.Sprintf(`{"amount":10.00,"event_id":%d}`, event)))
		checkSame(t, append(responses[:1:1], later...), http.StatusCreated)
	})
	t.Run("50 identical deposits pay once", func(t *testing.T) {
		before := user.Wallet(t).Balance
		responses := send(t, 50, paying(s.Admin(t, 0), "deposits", user, "7", "once"))
		checkSame(t, responses, http.StatusCreated)
		if replayed := countReplayed(responses); replayed != 49 {
			t.Errorf("%d of 50 answers are replays, want 49", replayed)
		}
		if after := user.Wallet(t).Balance; after != before.Plus(money.MustParse("7.00")) {
			t.Errorf("the balance was %s and is %s", before, after)
		}
	})
	t.Run("another body under the same key is refused", func(t *testing.T) {
		event := line.Create("1.45").EventID
		send(t, 1, bet("two", fmt.Sprintf(`{"event_id":%d,"amount":10}`, event)))
		got := send(t, 1, bet("two", fmt.Sprintf(`{"event_id":%d,"amount":11}`, event)))[0]
		if got.Status != http.StatusUnprocessableEntity || got.Code() != "idempotency_key_reused" {
			t.Errorf("got %d %s", got.Status, got.Body)
		}
		if bets := betsOn(t, user, event); len(bets) != 1 {
			t.Errorf("there are %d bets, want 1", len(bets))
		}
	})
	t.Run("a stored refusal replays after things have improved", func(t *testing.T) {
		event, better := line.Create("1.45").EventID, odds.MustParse("1.50")
		body := fmt.Sprintf(`{"event_id":%d,"amount":10,"coefficient":1.50}`, event)
		refused := send(t, 20, bet("three", body))
		checkSame(t, refused, http.StatusConflict)
		if refused[0].Code() != "price_changed" {
			t.Fatalf("got %s, want price_changed", refused[0].Body)
		}
		if got, err := line.API.ChangeEventWithResponse(t.Context(), event, nil, lineprovider.EventPatch{Coefficient: new(better)}); err != nil || got.JSON200 == nil {
			t.Fatalf("reprice: %+v %v", got, err)
		}
		awaitEvent(t, user, event, "at 1.50", func(e betmaker.Event) bool { return e.Coefficient == better })
		if fresh := send(t, 1, bet("four", body))[0]; fresh.Status != http.StatusCreated {
			t.Fatalf("a fresh key at the right price: got %d %s", fresh.Status, fresh.Body)
		}
		checkSame(t, append(refused[:1:1], send(t, 5, bet("three", body))...), http.StatusConflict)
	})
	t.Run("200 identical requests create one event", func(t *testing.T) {
		create := system.Request{
			Method: http.MethodPost, Path: "/event", Token: system.ServiceToken, Body: `{"coefficient":1.45,"name":"once"}`,
			Header: http.Header{"Idempotency-Key": {"one"}},
		}
		responses := send(t, 200, create)
		checkSame(t, responses, http.StatusCreated)
		if replayed := countReplayed(responses); replayed != 199 {
			t.Errorf("%d of 200 answers are replays, want 199", replayed)
		}
		create.Body = `{"coefficient":1.46,"name":"once"}`
		if got := send(t, 1, create)[0]; got.Status != http.StatusUnprocessableEntity || got.Code() != "idempotency_key_reused" {
			t.Errorf("another event under the same key: got %d %s", got.Status, got.Body)
		}
	})
}

// checkSame fails the test unless all responses have the status and the same body.
func checkSame(t *testing.T, responses []system.Response, status int) {
	t.Helper()
	for _, response := range responses {
		if response.Status != status || !bytes.Equal(response.Body, responses[0].Body) {
			t.Fatalf("got %d %s, want %d %s", response.Status, response.Body, status, responses[0].Body)
		}
	}
}

func countReplayed(responses []system.Response) int {
	replayed := 0
	for _, response := range responses {
		if response.Header.Get("Idempotent-Replayed") == "true" {
			replayed++
		}
	}
	return replayed
}

func betsOn(t *testing.T, user *system.User, event int64) []betmaker.Bet {
	t.Helper()
	got, err := user.API.ListBetsWithResponse(t.Context(), &betmaker.ListBetsParams{EventID: &event})
	if err != nil || got.JSON200 == nil {
		t.Fatalf("list the bets on event %d: %+v %v", event, got, err)
	}
	return *got.JSON200
}
