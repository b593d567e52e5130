package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
)

func TestPrivilegedActionsAreRecorded(t *testing.T) {
	t.Parallel()
	s := newService(t)
	deposit := s.pay(t, s.admin, s.anna, "deposits", "key", `{"amount":5,"reference":"transfer 4711"}`)
	decode[oapi.Transfer](t, deposit, http.StatusCreated)
	changed := s.send(t, s.admin, http.MethodPatch, fmt.Sprintf("/api/users/%d", s.bella.ID), `{"name":"Isabella"}`, nil)
	decode[oapi.User](t, changed, http.StatusOK)
	anna, bella := domain.UserSubject(s.anna.ID), domain.UserSubject(s.bella.ID)
	for name, tt := range map[string]struct {
		query string
		want  []string
	}{
		"all, page by page":      {"limit=1", []string{"user.change " + bella, "wallet.deposit " + anna, "user.create " + bella, "user.create " + anna}},
		"of an actor and action": {fmt.Sprintf("limit=1&actor_id=%d&action=user.create", s.admin.ID), []string{"user.create " + bella, "user.create " + anna}},
		"about a subject":        {"limit=1&subject=" + bella, []string{"user.change " + bella, "user.create " + bella}},
		"of another actor":       {fmt.Sprintf("actor_id=%d", s.anna.ID), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, record := range pages[oapi.AuditRecord](t, s, s.admin, "/api/audit?"+tt.query) {
				if record.ActorID != nil {
					got = append(got, record.Action+" "+record.Subject)
				}
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
	record := pages[oapi.AuditRecord](t, s, s.admin, "/api/audit?action=wallet.deposit")[0]
	if record.ActorID == nil || *record.ActorID != int64(s.admin.ID) || record.Address != "192.0.2.1" ||
		record.RequestID != deposit.Header().Get("X-Request-Id") || record.Reason == nil || *record.Reason != "transfer 4711" || record.At.IsZero() {
		t.Errorf("got %+v", record)
	}
	if record.Before == nil || record.After == nil ||
		!strings.Contains(string(*record.Before), "1000.00") || !strings.Contains(string(*record.After), "1005.00") {
		t.Errorf("before %v, after %v", record.Before, record.After)
	}
	if record.ServerRequestID != record.RequestID {
		t.Errorf("got the server's id %q, want the other, because the client chose none", record.ServerRequestID)
	}
	created := pages[oapi.AuditRecord](t, s, s.admin, "/api/audit?action=user.create&subject="+anna)[0]
	if created.Before != nil || created.After == nil || created.Reason != nil {
		t.Errorf("got %+v", created)
	}
	refusal(t, s.get(t, s.anna, "/api/audit"), http.StatusForbidden, "forbidden")
	if p := refusal(t, s.get(t, s.admin, "/api/audit?after=MA"), http.StatusBadRequest, "invalid_request"); p.Field != "after" {
		t.Errorf("the field is %q", p.Field)
	}
}

// A client may choose the id of another request, but not the one that the server makes.
func TestTheServersRequestIDIsRecorded(t *testing.T) {
	t.Parallel()
	s := newService(t)
	seen := map[string]bool{}
	for _, name := range []string{"One", "Two", "Three"} {
		path, header := fmt.Sprintf("/api/users/%d", s.bella.ID), map[string]string{"X-Request-Id": "chosen"}
		changed := s.send(t, s.admin, http.MethodPatch, path, `{"name":"`+name+`"}`, header)
		decode[oapi.User](t, changed, http.StatusOK)
		record := pages[oapi.AuditRecord](t, s, s.admin, "/api/audit?action=user.change")[0]
		if record.RequestID != "chosen" || record.ServerRequestID == "" || record.ServerRequestID == "chosen" || seen[record.ServerRequestID] {
			t.Errorf("got the ids %q and %q, want the chosen one and a new one", record.RequestID, record.ServerRequestID)
		}
		seen[record.ServerRequestID] = true
		if fmt.Sprint(record.Changed) != "[name]" {
			t.Errorf("changed %v, want the name", record.Changed)
		}
	}
}
