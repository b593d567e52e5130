package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/instant"
	"stavka.local/shared/money"
)

func TestCancelledBets(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 3)
	bet := func(event int) string {
		t.Helper()
		placed := decode[oapi.Bet](t, s.place(t, s.anna, "", fmt.Sprintf(`{"event_id":%d,"amount":10}`, event)), http.StatusCreated)
		return fmt.Sprintf("/api/bets/%d/cancel", placed.ID)
	}
	own, other, won, suspended := bet(1), bet(1), bet(2), bet(3)
	cancelled := decode[oapi.Bet](t, s.post(t, s.anna, own, ""), http.StatusOK)
	if cancelled.Status != oapi.BetStatusVoid || cancelled.VoidReason == nil || *cancelled.VoidReason != "cancelled_by_user" ||
		!isAmount(cancelled.Payout, "10") || cancelled.SettledAt == nil {
		t.Errorf("got %+v", cancelled)
	}
	if again := decode[oapi.Bet](t, s.post(t, s.anna, own, ""), http.StatusOK); !reflect.DeepEqual(again, cancelled) {
		t.Errorf("got %+v, want %+v", again, cancelled)
	}
	if got := s.wallet(t, s.anna); got.Balance != money.MustParse("970") || got.Held != money.MustParse("30") {
		t.Errorf("got %+v", got)
	}
	refusal(t, s.post(t, s.bella, other, ""), http.StatusNotFound, "bet_not_found")
	refusal(t, s.post(t, s.anna, "/api/bets/999/cancel", ""), http.StatusNotFound, "bet_not_found")
	decode[oapi.Bet](t, s.post(t, s.admin, other, ""), http.StatusOK)

	s.change(t, 3, func(e *domain.Event) { e.Suspended = true })
	refusal(t, s.post(t, s.anna, suspended, ""), http.StatusConflict, "event_suspended")
	s.change(t, 3, func(e *domain.Event) { e.Suspended, e.Deadline = false, time.Now().Add(-time.Hour) })
	refusal(t, s.post(t, s.anna, suspended, ""), http.StatusConflict, "event_closed")
	s.win(t, 2)
	refusal(t, s.post(t, s.anna, won, ""), http.StatusConflict, "bet_not_pending")
}

func TestBetsCannotBeCancelledWithoutAWindow(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 1)
	bet := decode[oapi.Bet](t, s.place(t, s.anna, "", `{"event_id":1,"amount":10}`), http.StatusCreated)
	s.server.Dependencies.CancelBet.Window = 0
	ctx, err := s.server.authenticate(t.Context(), s.anna.token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.server.CancelBet(ctx, oapi.CancelBetRequestObject{BetID: bet.ID}); !errors.Is(err, domain.ErrCancelNotAllowed) {
		t.Errorf("got %v", err)
	}
}

func TestVoidWindows(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 1)
	bet := decode[oapi.Bet](t, s.place(t, s.anna, "", `{"event_id":1,"amount":10}`), http.StatusCreated)
	current := func() oapi.Bet {
		t.Helper()
		return decode[oapi.Bet](t, s.get(t, s.anna, fmt.Sprintf("/api/bets/%d", bet.ID)), http.StatusOK)
	}
	from, to := bet.CreatedAt.Time, bet.CreatedAt.Add(time.Microsecond)
	body := fmt.Sprintf(`{"from":%q,"to":%q,"reason":"wrong price"}`, from.Format(time.RFC3339Nano), to.In(time.FixedZone("", -7200)).Format(time.RFC3339Nano))
	const path = "/api/events/1/voids"
	if got := s.get(t, s.admin, path); got.Body.String() != "[]\n" {
		t.Errorf("no windows are %s, want an empty list", got.Body)
	}
	window := decode[oapi.VoidWindow](t, s.post(t, s.admin, path, body), http.StatusCreated)
	want := oapi.VoidWindow{
		ID: 1, EventID: 1, From: instant.Of(from), To: instant.Of(to), Reason: "wrong price", By: int64(s.admin.ID), CreatedAt: window.CreatedAt,
	}
	if !reflect.DeepEqual(window, want) || window.CreatedAt.IsZero() {
		t.Errorf("got %+v\nwant %+v", window, want)
	}
	if got := current(); got.Status != oapi.BetStatusVoid || got.VoidReason == nil || *got.VoidReason != "void_window" || got.SettleRevision != 1 {
		t.Errorf("got %+v", got)
	}
	if again := decode[oapi.VoidWindow](t, s.post(t, s.admin, path, body), http.StatusCreated); !reflect.DeepEqual(again, window) {
		t.Errorf("got %+v, want the same window", again)
	}
	const undo = path + "/1/undo"
	refusal(t, s.post(t, s.anna, undo, `{"reason":"it was right"}`), http.StatusForbidden, "forbidden")
	undone := decode[oapi.VoidWindow](t, s.post(t, s.admin, undo, `{"reason":"it was right"}`), http.StatusOK)
	want.UndoneAt, want.UndoneBy, want.UndoReason = undone.UndoneAt, new(int64(s.admin.ID)), new("it was right")
	if !reflect.DeepEqual(undone, want) || undone.UndoneAt == nil {
		t.Errorf("got %+v\nwant %+v", undone, want)
	}
	if got := current(); got != bet {
		t.Errorf("got %+v, want the bet as it was, %+v", got, bet)
	}
	listed := decode[[]oapi.VoidWindow](t, s.get(t, s.admin, path), http.StatusOK)
	if !reflect.DeepEqual(listed, []oapi.VoidWindow{want}) {
		t.Errorf("got %+v", listed)
	}
	refusal(t, s.post(t, s.admin, undo, `{"reason":"once more"}`), http.StatusConflict, "void_undone")
	refusal(t, s.post(t, s.admin, path+"/2/undo", `{"reason":"another"}`), http.StatusNotFound, "void_not_found")
	refusal(t, s.post(t, s.admin, "/api/events/999/voids/1/undo", `{"reason":"another"}`), http.StatusNotFound, "event_not_found")
	refusal(t, s.post(t, s.admin, "/api/events/999/voids", body), http.StatusNotFound, "event_not_found")
	refusal(t, s.get(t, s.admin, "/api/events/999/voids"), http.StatusNotFound, "event_not_found")
	refusal(t, s.get(t, s.anna, path), http.StatusForbidden, "forbidden")
	refusal(t, s.post(t, s.anna, path, body), http.StatusForbidden, "forbidden")
}

func TestInvalidVoidWindowsAreRefused(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 1)
	const early, late = `"2025-01-18T05:03:07Z"`, `"2025-01-18T05:04:00.123456Z"`
	for name, tt := range map[string]struct{ body, field string }{
		"without an end":              {`{"from":` + early + `,"reason":"r"}`, "to"},
		"without a reason":            {`{"from":` + early + `,"to":` + late + `}`, "reason"},
		"with an empty reason":        {`{"from":` + early + `,"to":` + late + `,"reason":""}`, "reason"},
		"with a long reason":          {`{"from":` + early + `,"to":` + late + `,"reason":"` + strings.Repeat("x", 501) + `"}`, "reason"},
		"that ends before it begins":  {`{"from":` + late + `,"to":` + early + `,"reason":"r"}`, "to"},
		"that is not over":            {`{"from":` + early + `,"to":"2999-01-01T00:00:00Z","reason":"r"}`, "to"},
		"finer than microseconds":     {`{"from":` + early + `,"to":"2025-01-18T05:04:00.1234567Z","reason":"r"}`, "to"},
		"before there were computers": {`{"from":"0000-01-01T00:00:00+14:00","to":` + late + `,"reason":"r"}`, "from"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p := refusal(t, s.post(t, s.admin, "/api/events/1/voids", tt.body), http.StatusBadRequest, "invalid_request"); p.Field != tt.field {
				t.Errorf("the field is %q, want %q", p.Field, tt.field)
			}
		})
	}
	s.change(t, 1, func(e *domain.Event) {
		for id := range int64(100) {
			e.VoidWindows = append(e.VoidWindows, domain.VoidWindow{
				ID: id + 1, From: time.Unix(id, 0).UTC(), To: time.Unix(id+1, 0).UTC(), Reason: "r", By: s.admin.ID, At: time.Unix(id+1, 0).UTC(),
			})
		}
	})
	refusal(t, s.post(t, s.admin, "/api/events/1/voids", `{"from":`+early+`,"to":`+late+`,"reason":"r"}`), http.StatusConflict, "too_many_voids")
}
