package app

import (
	"encoding/csv"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/httpapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// CSV has a column for every member of the API's bets, with the digits of JSON.
func TestCSVHasEveryMemberOfABet(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 20, 32, 59, 649373000, time.UTC)
	text, err := json.Marshal(httpapi.WireBet(domain.Bet{
		ID: 1<<62 + 1, UserID: 2, EventID: 3, Stake: money.MustParse("10.50"), Coefficient: odds.MustParse("1.40"), EventVersion: 4, AcceptedAt: at,
		Standing: domain.Standing{
			Settlement: domain.Settlement{Status: domain.StatusVoid, Payout: money.MustParse("10.50"), VoidReason: domain.VoidPastPost},
			Revision:   5, SettledAt: at.Add(time.Second),
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	w, err := newBetWriter(exportCSV, &out)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("got %v %v", rows, err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(slices.Values(rows[0])), slices.Sorted(maps.Keys(members)); !slices.Equal(got, want) {
		t.Fatalf("the columns are %v, the members %v", got, want)
	}
	for i, name := range rows[0] {
		if got, want := rows[1][i], strings.Trim(string(members[name]), `"`); got != want {
			t.Errorf("%s is %s, in JSON %s", name, got, want)
		}
	}
}
