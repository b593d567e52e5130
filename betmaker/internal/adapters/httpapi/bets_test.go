package httpapi

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// place places a bet under a key, or none.
func (s *service) place(t *testing.T, as session, key, body string) *httptest.ResponseRecorder {
	t.Helper()
	header := map[string]string{}
	if key != "" {
		header["Idempotency-Key"] = key
	}
	return s.send(t, as, http.MethodPost, "/api/bets", body, header)
}

// win finishes an event as won and settles its bets.
func (s *service) win(t *testing.T, id domain.EventID) {
	t.Helper()
	s.change(t, id, func(e *domain.Event) {
		e.State, e.ResultRevision, e.SettleRevision = domain.StateFinishedWin, 1, 1
		e.ClosedAt, e.ResultedAt = time.Now(), time.Now()
	})
	s.settle(t, id)
}

func TestPlaceBet(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 1)
	for name, body := range map[string]string{
		"at any price":              `{"event_id":1,"amount":10.5}`,
		"at any price, in words":    `{"event_id":1,"amount":10.5,"odds_change":"any"}`,
		"at no price in particular": `{"event_id":1,"amount":10.5,"coefficient":null}`,
		"at the price seen":         `{"event_id":1,"amount":10.50,"coefficient":1.45}`,
		"at a better price":         `{"event_id":1,"amount":10.50,"coefficient":1.40,"odds_change":"higher"}`,
		"at any, with a price seen": `{"event_id":1,"amount":10.50,"coefficient":9.99,"odds_change":"any"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.place(t, s.anna, "", body)
			bet := decode[oapi.Bet](t, got, http.StatusCreated)
			want := oapi.Bet{
				ID: bet.ID, EventID: 1, UserID: int64(s.anna.ID), Amount: money.MustParse("10.50"), Coefficient: odds.MustParse("1.45"),
				EventVersion: 1, Status: oapi.BetStatusPending, PotentialPayout: money.MustParse("15.22"), CreatedAt: bet.CreatedAt,
			}
			if bet != want || time.Since(bet.CreatedAt.Time).Abs() > time.Minute {
				t.Errorf("got %+v\nwant %+v", bet, want)
			}
			if location := fmt.Sprintf("/api/bets/%d", bet.ID); got.Header().Get("Location") != location {
				t.Errorf("Location is %q, want %q", got.Header().Get("Location"), location)
			}
			if got.Header().Get("Idempotent-Replayed") != "" {
				t.Error("the first answer is marked as a replay")
			}
			read := s.get(t, s.anna, got.Header().Get("Location"))
			if !bytes.Equal(read.Body.Bytes(), got.Body.Bytes()) {
				t.Errorf("read %s, want %s", read.Body, got.Body)
			}
		})
	}
	for name, tt := range map[string]struct {
		body, code, field string
		status            int
	}{
		"at another price":        {`{"event_id":1,"amount":1,"coefficient":1.40}`, "price_changed", "", http.StatusConflict},
		"at a worse price":        {`{"event_id":1,"amount":1,"coefficient":1.50,"odds_change":"higher"}`, "price_changed", "", http.StatusConflict},
		"higher, without a price": {`{"event_id":1,"amount":1,"odds_change":"higher"}`, "invalid_request", "coefficient", http.StatusBadRequest},
		"none, without a price":   {`{"event_id":1,"amount":1,"odds_change":"none"}`, "invalid_request", "coefficient", http.StatusBadRequest},
		"at zero":                 {`{"event_id":1,"amount":1,"coefficient":0}`, "invalid_request", "coefficient", http.StatusBadRequest},
		"at zero, though any":     {`{"event_id":1,"amount":1,"coefficient":0,"odds_change":"any"}`, "invalid_request", "coefficient", http.StatusBadRequest},
		"at less than the stake":  {`{"event_id":1,"amount":1,"coefficient":0.99}`, "invalid_request", "coefficient", http.StatusBadRequest},
		"for nothing":             {`{"event_id":1,"amount":0}`, "stake_out_of_limits", "", http.StatusUnprocessableEntity},
		"with three decimals":     {`{"event_id":1,"amount":1.001}`, "invalid_request", "amount", http.StatusBadRequest},
		"on a missing event":      {`{"event_id":99,"amount":1}`, "event_not_found", "", http.StatusNotFound},
		"with an unknown member":  {`{"event_id":1,"amount":1,"user_id":2}`, "invalid_request", "user_id", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p := refusal(t, s.place(t, s.anna, "", tt.body), tt.status, tt.code); p.Field != tt.field {
				t.Errorf("the field is %q, want %q", p.Field, tt.field)
			}
		})
	}
}

func TestBetsAreRefusedWhileTheFeedIsDown(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 1)
	before := s.place(t, s.anna, "before", `{"event_id":1,"amount":1}`)
	s.feed = domain.ErrFeedUnavailable
	got := s.place(t, s.anna, "during", `{"event_id":1,"amount":1}`)
	refusal(t, got, http.StatusServiceUnavailable, "feed_unavailable")
	if got.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	replayed := s.place(t, s.anna, "before", `{"event_id":1,"amount":1}`)
	if replayed.Code != http.StatusCreated || !bytes.Equal(replayed.Body.Bytes(), before.Body.Bytes()) {
		t.Errorf("a bet decided before: got %d %s, want %s", replayed.Code, replayed.Body, before.Body)
	}
}

func TestReplayShowsTheBetAsAccepted(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 1)
	const key = `odd, but printable: a%20b;"c"`
	first := s.place(t, s.anna, key, `{"event_id":1,"amount":10}`)
	bet := decode[oapi.Bet](t, first, http.StatusCreated)
	s.win(t, 1)
	settled := decode[oapi.Bet](t, s.get(t, s.anna, fmt.Sprintf("/api/bets/%d", bet.ID)), http.StatusOK)
	if settled.Status != oapi.BetStatusWon || settled.Payout == nil || *settled.Payout != money.MustParse("14.50") ||
		settled.SettleRevision != 1 || settled.SettledAt == nil || settled.VoidReason != nil {
		t.Fatalf("settled as %+v", settled)
	}
	again := s.place(t, s.anna, key, `{"amount":10.00,"event_id":1}`)
	if again.Code != http.StatusCreated || !bytes.Equal(again.Body.Bytes(), first.Body.Bytes()) {
		t.Errorf("got %d %s, want %s", again.Code, again.Body, first.Body)
	}
	if again.Header().Get("Idempotent-Replayed") != "true" || again.Header().Get("Location") != first.Header().Get("Location") {
		t.Errorf("the header is %v", again.Header())
	}
	refusal(t, s.place(t, s.anna, key, `{"event_id":1,"amount":11}`), http.StatusUnprocessableEntity, "idempotency_key_reused")
	// Keys are compared byte by byte and belong to one user.
	for name, other := range map[string]*httptest.ResponseRecorder{
		"another key":  s.place(t, s.anna, `odd, but printable: a b;"c"`, `{"event_id":1,"amount":10}`),
		"another user": s.place(t, s.bella, key, `{"event_id":1,"amount":10}`),
	} {
		t.Log(name)
		refusal(t, other, http.StatusConflict, "event_closed")
	}
}

func TestReplayShowsTheSameRefusal(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 1)
	body := `{"event_id":1,"amount":10,"coefficient":1.50}`
	first := s.place(t, s.anna, "key", body)
	want := refusal(t, first, http.StatusConflict, "price_changed")
	if want.RequestID == "" || want.RequestID != first.Header().Get("X-Request-Id") || first.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("the first answer: %s %v", first.Body, first.Header())
	}
	s.change(t, 1, func(e *domain.Event) { e.Coefficient = odds.MustParse("1.50") })
	again := s.place(t, s.anna, "key", body)
	if again.Code != first.Code || !bytes.Equal(again.Body.Bytes(), first.Body.Bytes()) {
		t.Errorf("got %d %s, want %s", again.Code, again.Body, first.Body)
	}
	if again.Header().Get("Idempotent-Replayed") != "true" {
		t.Error("the replay is not marked as one")
	}
	if id := again.Header().Get("X-Request-Id"); id == "" || id == want.RequestID {
		t.Errorf("X-Request-Id is %q: want the id of the second request", id)
	}
}

func TestListBets(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 2)
	var bets []oapi.Bet
	for i, user := range []session{s.anna, s.bella, s.anna, s.anna} {
		body := fmt.Sprintf(`{"event_id":%d,"amount":1}`, i%2+1)
		bets = append(bets, decode[oapi.Bet](t, s.place(t, user, "", body), http.StatusCreated))
	}
	s.win(t, 1)
	for name, tt := range map[string]struct {
		as   session
		path string
		want []int // of bets
	}{
		"a user's own":               {s.anna, "/api/bets", []int{3, 2, 0}},
		"a user's own, by user_id":   {s.anna, fmt.Sprintf("/api/bets?user_id=%d", s.anna.ID), []int{3, 2, 0}},
		"a user's own, page by page": {s.anna, "/api/bets?limit=1", []int{3, 2, 0}},
		"an admin's, everybody's":    {s.admin, "/api/bets?limit=3", []int{3, 2, 1, 0}},
		"one user's":                 {s.admin, fmt.Sprintf("/api/bets?limit=1&user_id=%d", s.anna.ID), []int{3, 2, 0}},
		"on an event":                {s.admin, "/api/bets?event_id=2&limit=1", []int{3, 1}},
		"won":                        {s.anna, "/api/bets?status=won&limit=1", []int{2, 0}},
		"lost":                       {s.admin, "/api/bets?status=lost", nil},
		"all filters, page by page":  {s.admin, fmt.Sprintf("/api/bets?status=won&event_id=1&user_id=%d&limit=1", s.anna.ID), []int{2, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got, want []int64
			for _, bet := range pages[oapi.Bet](t, s, tt.as, tt.path) {
				got = append(got, bet.ID)
			}
			for _, i := range tt.want {
				want = append(want, bets[i].ID)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	own, other := fmt.Sprintf("/api/bets/%d", bets[0].ID), fmt.Sprintf("/api/bets/%d", bets[1].ID)
	for _, as := range []session{s.anna, s.admin} {
		if bet := decode[oapi.Bet](t, s.get(t, as, own), http.StatusOK); bet.ID != bets[0].ID {
			t.Errorf("got %+v", bet)
		}
	}
	refusal(t, s.get(t, s.anna, other), http.StatusNotFound, "bet_not_found")
	refusal(t, s.get(t, s.anna, "/api/bets/999"), http.StatusNotFound, "bet_not_found")
	refusal(t, s.get(t, s.anna, fmt.Sprintf("/api/bets?user_id=%d", s.bella.ID)), http.StatusForbidden, "forbidden")
	for _, after := range []string{"0", "MA", "LTE", "MDE", "_", "MTAwMDAwMDAwMDAwMDAwMDAwMDAw"} {
		if p := refusal(t, s.get(t, s.anna, "/api/bets?after="+after), http.StatusBadRequest, "invalid_request"); p.Field != "after" {
			t.Errorf("after=%s: the field is %q", after, p.Field)
		}
	}
	if got := s.get(t, s.bella, "/api/bets?status=lost"); got.Body.String() != "[]\n" {
		t.Errorf("no bets are %s, want an empty list", got.Body)
	}
}
