package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/stavka/e2e/system"
)

// behindProxy has the tests as a proxy, and a log that programs read.
var behindProxy = map[string]string{"TRUSTED_PROXIES": "127.0.0.0/8", "LOG_FORMAT": "json"}

// The log, the metrics and the audit log tell who has tried to sign in, from where, and what came of it.
func TestTheAttackerIsSeen(t *testing.T) {
	t.Parallel()
	seeTheAttacker(t, start(t, system.Options{Env: behindProxy}))
}

func TestEmbeddedTheAttackerIsSeen(t *testing.T) {
	t.Parallel()
	seeTheAttacker(t, startEmbedded(t, behindProxy))
}

func seeTheAttacker(t *testing.T, s *system.System) {
	t.Helper()
	betMaker, lineProvider := s.BetMakers[0], s.LineProviders[0]
	admin := s.Admin(t, 0)
	from := func(address string) http.Header {
		return http.Header{"X-Forwarded-For": {address}, "X-Request-Id": {"forged"}}
	}
	login := func(address, name, password string) int {
		t.Helper()
		got, err := s.Do(betMaker, system.Request{
			Method: http.MethodPost, Path: "/token", Header: from(address), Body: fmt.Sprintf(`{"username":%q,"password":%q}`, name, password),
		})
		if err != nil {
			t.Fatal(err)
		}
		return got.Status
	}
	for i := range 5 {
		if status := login("203.0.113.66", "admin", fmt.Sprint("guess ", i)); status != http.StatusUnauthorized {
			t.Fatalf("a wrong password: got %d", status)
		}
	}
	if status := login("203.0.113.66", "admin", "guess"); status != http.StatusTooManyRequests {
		t.Errorf("the sixth guess: got %d, want 429", status)
	}
	if status := login("2001:db8::66", "nobody", "guess"); status != http.StatusUnauthorized {
		t.Errorf("a missing user: got %d", status)
	}
	if status := login("203.0.113.7", "admin", s.Env["FIRST_USER_PASSWORD"]); status != http.StatusOK {
		t.Errorf("the right password: got %d", status)
	}
	wrongToken := system.Request{Method: http.MethodGet, Path: "/events", Token: "wrong", Header: from("203.0.113.99")}
	if got, err := s.Do(lineProvider, wrongToken); err != nil || got.Status != http.StatusUnauthorized {
		t.Errorf("a wrong service token: got %d, %v", got.Status, err)
	}
	own := system.Request{
		Method: http.MethodPatch, Path: fmt.Sprintf("/api/users/%d", admin.ID), Token: admin.Token, Header: from("203.0.113.7"),
		Body: fmt.Sprintf(`{"email":"chief@example.com","current_password":%q}`, s.Env["FIRST_USER_PASSWORD"]),
	}
	if got, err := s.Do(betMaker, own); err != nil || got.Status != http.StatusOK {
		t.Fatalf("change one's own address: got %d %s, %v", got.Status, got.Body, err)
	}
	odd := system.Request{Method: http.MethodGet, Path: "/%C2%85%E2%80%AE" + strings.Repeat("x", 1000), Header: from("203.0.113.8")}
	if got, err := s.Do(betMaker, odd); err != nil || got.Status != http.StatusNotFound {
		t.Errorf("a path with hidden characters: got %d, %v", got.Status, err)
	}

	record := auditRecord(t, admin, "user.change")
	if record.RequestID != "forged" || record.ServerRequestID == "" || record.ServerRequestID == "forged" ||
		record.Address != "203.0.113.7" || fmt.Sprint(record.Changed) != "[email]" {
		t.Errorf("the audit log has %+v", record)
	}
	user := fmt.Sprintf(`"user":%d`, admin.ID)
	for service, want := range map[*system.Service]map[string]int{
		betMaker: {
			lineOf(`"password checked"`, `"login"`, `"wrong"`, user, `"203.0.113.66"`):       5,
			lineOf(`"password checked"`, `"login"`, `"throttled"`, user, `"203.0.113.66"`):   1,
			lineOf(`"password checked"`, `"login"`, `"wrong"`, `"2001:db8::66"`):             1,
			lineOf(`"password checked"`, `"login"`, `"succeeded"`, user, `"203.0.113.7"`):    1,
			lineOf(`"password checked"`, `"change"`, `"succeeded"`, user, `"203.0.113.7"`):   1,
			lineOf(`"msg":"request"`, `"client":"203.0.113.66"`, `"status":401`):             5,
			lineOf(`"msg":"request"`, `"client":"203.0.113.66"`, `"status":429`):             1,
			lineOf(`"server_request_id":"`+record.ServerRequestID+`"`, `"msg":"request"`):    1,
			lineOf(`"msg":"request"`, `"client":"203.0.113.8"`, `\u0085\u202exx`, `xxx..."`): 1,
		},
		lineProvider: {lineOf(`"msg":"request"`, `"client":"203.0.113.99"`, `"status":401`): 1},
	} {
		for texts, n := range want {
			system.Eventually(t, 10*time.Second, "the log of "+service.Name, func() error {
				found := 0
				for line := range strings.Lines(service.Process.Log()) {
					if holdsAll(line, strings.Split(texts, lineOf("", ""))) {
						found++
					}
				}
				if found != n {
					return fmt.Errorf("%d lines with %s, want %d", found, texts, n)
				}
				return nil
			})
		}
	}
	got, err := s.Do(betMaker, system.Request{Method: http.MethodGet, Path: "/metrics"})
	if err != nil {
		t.Fatal(err)
	}
	for labels, n := range map[string]int{
		`purpose="login",result="wrong"`: 6, `purpose="login",result="throttled"`: 1, `purpose="login",result="succeeded"`: 2, // one by the test's own client
		`purpose="change",result="succeeded"`: 1, `purpose="change",result="wrong"`: 0,
	} {
		if line := fmt.Sprintf("stavka_password_checks_total{%s} %d\n", labels, n); !strings.Contains(string(got.Body), line) {
			t.Errorf("the metrics have no %s", line)
		}
	}
}

// lineOf joins the texts that a line must hold.
func lineOf(texts ...string) string { return strings.Join(texts, " and ") }

func holdsAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}

// auditRecord returns the newest record of an action.
func auditRecord(t *testing.T, admin *system.User, action string) betmaker.AuditRecord {
	t.Helper()
	records, err := admin.API.ListAuditRecordsWithResponse(t.Context(), &betmaker.ListAuditRecordsParams{Action: &action})
	if err != nil || records.JSON200 == nil || len(*records.JSON200) == 0 {
		t.Fatalf("the audit log of %s: %+v, %v", action, records, err)
	}
	return (*records.JSON200)[0]
}
