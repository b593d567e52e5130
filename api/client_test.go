package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"stavka.local/api"
	"stavka.local/api/client/betmaker"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// TestClientReadsTheExamples sends the contract's examples of answers to a bet to the generated
// client.
func TestClientReadsTheExamples(t *testing.T) {
	t.Parallel()
	responses := load(t, api.BetMaker).Paths.Value("/api/bets").Post.Responses
	const key = "key, with %20 and more"

	place := func(t *testing.T, status int, mediaType, example string) *betmaker.PlaceBetResponse {
		t.Helper()
		response := responses.Status(status).Value
		body := response.Content.Get(mediaType).Examples[example].Value.Value
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Idempotency-Key"); got != key {
				t.Errorf("Idempotency-Key %q, want %q", got, key)
			}
			var sent map[string]json.Number
			if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || len(sent) != 2 || sent["amount"] != "10.00" {
				t.Errorf("sent %v, %v; want event_id and 10.00 only", sent, err)
			}
			w.Header().Set("Content-Type", mediaType)
			w.Header().Set("Location", "/api/bets/1")
			w.Header().Set("Idempotent-Replayed", "true")
			w.WriteHeader(status)
			if err := json.NewEncoder(w).Encode(body); err != nil {
				t.Error(err)
			}
		}))
		t.Cleanup(server.Close)
		client, err := betmaker.NewClientWithResponses(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.PlaceBetWithResponse(t.Context(),
			&betmaker.PlaceBetParams{IdempotencyKey: new(key)},
			betmaker.NewBet{EventID: 1, Amount: money.MustParse("10")})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}

	t.Run("a bet", func(t *testing.T) {
		t.Parallel()
		answer := place(t, http.StatusCreated, "application/json", "accepted")
		bet := answer.JSON201
		if bet == nil || answer.ApplicationProblemJSONDefault != nil {
			t.Fatalf("%d: %s", answer.StatusCode(), answer.Body)
		}
		if bet.Amount != money.MustParse("10") || bet.Coefficient != odds.MustParse("1.45") || bet.Status != betmaker.BetStatusPending {
			t.Errorf("bet %+v", bet)
		}
		if bet.Payout != nil || bet.VoidReason != nil || bet.SettledAt != nil {
			t.Errorf("null was read as a value: %+v", bet)
		}
		headers := answer.Headers201
		if headers.Location != "/api/bets/1" || headers.IdempotentReplayed == nil || !*headers.IdempotentReplayed {
			t.Errorf("headers %+v", headers)
		}
	})
	t.Run("a refusal", func(t *testing.T) {
		t.Parallel()
		answer := place(t, http.StatusConflict, "application/problem+json", "price_changed")
		problem := answer.ApplicationProblemJSONDefault
		if problem == nil || answer.JSON201 != nil {
			t.Fatalf("%d: %s", answer.StatusCode(), answer.Body)
		}
		if problem.Code != "price_changed" || problem.Status != http.StatusConflict ||
			problem.CurrentCoefficient == nil || *problem.CurrentCoefficient != odds.MustParse("1.40") ||
			problem.EventVersion == nil || *problem.EventVersion != 2 {
			t.Errorf("problem %+v", problem)
		}
		if problem.Min != nil || problem.Field != nil {
			t.Errorf("an absent member was read as a value: %+v", problem)
		}
	})
}
