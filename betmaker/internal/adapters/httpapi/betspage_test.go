package httpapi

import (
	"net/http/httptest"
	"reflect"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// A page of bets equals, byte by byte, the JSON that encoding/json makes of the generated types.
func TestBetsPageMatchesEncodingJSON(t *testing.T) {
	t.Parallel()
	drawn := map[string]bool{} // fields that were not zero
	rapid.Check(t, func(t *rapid.T) {
		page := betsPage{bets: rapid.SliceOfN(rapid.Custom(anyBet), 0, 3).Draw(t, "bets")}
		for _, bet := range page.bets {
			for _, field := range reflect.VisibleFields(reflect.TypeOf(bet)) {
				drawn[field.Name] = drawn[field.Name] || !reflect.ValueOf(bet).FieldByIndex(field.Index).IsZero()
			}
		}
		if rapid.Bool().Draw(t, "more") {
			page.link = new(`</api/bets?after=Mg&limit=1>; rel="next"`)
		}
		want := httptest.NewRecorder()
		reference := oapi.ListBets200JSONResponse{Body: all(page.bets, WireBet), Headers: oapi.ListBets200ResponseHeaders{Link: page.link}}
		if err := reference.VisitListBetsResponse(want); err != nil {
			t.Fatal(err)
		}
		got := httptest.NewRecorder()
		if err := page.VisitListBetsResponse(got); err != nil {
			t.Fatal(err)
		}
		if got.Body.String() != want.Body.String() {
			t.Errorf("got\n%swant\n%s", got.Body, want.Body)
		}
		if times := len(sixDecimals.FindAllString(got.Body.String(), -1)); times != 2*len(page.bets) {
			t.Errorf("%d times are null or have six decimals, want all %d:\n%s", times, 2*len(page.bets), got.Body)
		}
		for _, name := range []string{"Content-Type", "Link"} {
			if got.Header().Get(name) != want.Header().Get(name) {
				t.Errorf("%s: got %q, want %q", name, got.Header().Get(name), want.Header().Get(name))
			}
		}
	})
	for field, was := range drawn {
		if !was {
			t.Errorf("anyBet does not draw the field %s", field)
		}
	}
}

var sixDecimals = regexp.MustCompile(`"(created|settled)_at":("\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"|null)`)

// anyBet draws a bet as a store may return it.
func anyBet(t *rapid.T) domain.Bet {
	amount := func(name string) money.Amount {
		return money.FromMinor(rapid.Int64Range(0, 99_999_999_999_99).Draw(t, name))
	}
	instant := func(name string) time.Time {
		zone := rapid.SampledFrom([]*time.Location{time.UTC, time.FixedZone("", 3*3600)}).Draw(t, name+"'s zone")
		return time.UnixMicro(rapid.Int64Range(-62135596800_000_000, 253402200000_000_000).Draw(t, name)).In(zone)
	}
	coefficient, err := odds.FromHundredths(rapid.Int64Range(100, 9_999_999).Draw(t, "coefficient"))
	if err != nil {
		t.Fatal(err)
	}
	bet := domain.Bet{
		ID:           domain.BetID(rapid.Int64().Draw(t, "id")),
		UserID:       domain.UserID(rapid.Int64().Draw(t, "user")),
		EventID:      domain.EventID(rapid.Int64().Draw(t, "event")),
		Stake:        amount("stake"),
		Coefficient:  coefficient,
		EventVersion: rapid.Int64().Draw(t, "version"),
		AcceptedAt:   instant("accepted"),
		HalfEven:     rapid.Bool().Draw(t, "half even"),
	}
	bet.Status = domain.Status(rapid.IntRange(int(domain.StatusPending), int(domain.StatusVoid)).Draw(t, "status"))
	if bet.Status == domain.StatusPending {
		return bet
	}
	bet.Revision, bet.SettledAt, bet.Payout = rapid.Int64().Draw(t, "revision"), instant("settled"), amount("payout")
	if bet.Status == domain.StatusVoid {
		bet.VoidReason = domain.VoidReason(rapid.IntRange(int(domain.VoidEventCancelled), int(domain.VoidCancelledByUser)).Draw(t, "reason"))
	}
	return bet
}

func BenchmarkBetsPage(b *testing.B) {
	bet := domain.Bet{
		ID: 1234567, UserID: 12345, EventID: 123, Stake: money.MustParse("10.50"), Coefficient: odds.MustParse("1.85"),
		EventVersion: 1, AcceptedAt: time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC),
		Standing: domain.Standing{Settlement: domain.Settlement{Status: domain.StatusPending}},
	}
	page := betsPage{bets: make([]domain.Bet, 50)}
	for i := range page.bets {
		page.bets[i] = bet
	}
	b.Run("appended", func(b *testing.B) {
		for b.Loop() {
			_ = page.VisitListBetsResponse(httptest.NewRecorder())
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			_ = oapi.ListBets200JSONResponse{Body: all(page.bets, WireBet)}.VisitListBetsResponse(httptest.NewRecorder())
		}
	})
}
