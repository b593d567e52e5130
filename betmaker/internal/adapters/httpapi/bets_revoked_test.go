package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"stavka.local/betmaker/internal/domain"
)

// Placing a bet checks the token itself. A revoked token gets 401 for every request, also for replays.
func TestRevokedTokenCannotPlaceBets(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 2)
	s.place(t, s.anna, "before", `{"event_id":1,"amount":1}`)
	s.win(t, 2)
	got := s.send(t, s.admin, http.MethodDelete, fmt.Sprintf("/api/users/%d", s.anna.ID), "", nil)
	if got.Code != http.StatusNoContent {
		t.Fatalf("deactivate the user: got %d %s", got.Code, got.Body)
	}
	requests := map[string]struct{ key, body string }{
		"a bet":                      {"", `{"event_id":1,"amount":1}`},
		"a repeated bet":             {"before", `{"event_id":1,"amount":1}`},
		"on a decided event":         {"", `{"event_id":2,"amount":1}`},
		"on a missing event":         {"", `{"event_id":999,"amount":1}`},
		"malformed":                  {"", `{"event_id":1,"amount":"1"}`},
		"of a price without a price": {"", `{"event_id":1,"amount":1,"odds_change":"higher"}`},
	}
	refusals := func(when string) {
		for name, request := range requests {
			got := s.place(t, s.anna, request.key, request.body)
			if got.Code != http.StatusForbidden || !strings.Contains(got.Body.String(), `"user_inactive"`) {
				t.Errorf("%s, %s: got %d %s, want 403 user_inactive", name, when, got.Code, got.Body)
			}
		}
	}
	refusals("while the line is known")
	s.feed = domain.ErrFeedUnavailable
	refusals("while it is not")
}
