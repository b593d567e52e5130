package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"stavka.local/stavka/e2e/system"
)

// mark stands in every secret that the test sends.
const mark = "Zq7mArKeD"

// A malformed request with a secret leaves it in no answer, no log and no metric, not even at the level
// debug.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	keepSecrets(t, start(t, system.Options{Env: map[string]string{"LOG_LEVEL": "debug"}}))
}

func TestEmbeddedSecretsStaySecret(t *testing.T) {
	t.Parallel()
	keepSecrets(t, startEmbedded(t, map[string]string{"LOG_LEVEL": "debug"}))
}

// secretRequest is a well-formed request with a secret in the field.
type secretRequest struct {
	system.Request

	field string
	other string // the other members of the object
}

// malformed returns texts of a JSON object in which something is wrong with the secret or near it.
func (r secretRequest) malformed() map[string]string {
	long := strings.Repeat(mark, 20)
	bodies := map[string]string{
		"beside an unknown field": fmt.Sprintf(`{%s,%q:%q,"extra":1}`, r.other, r.field, mark),
		"twice":                   fmt.Sprintf(`{%s,%q:%q,%q:%q}`, r.other, r.field, mark, r.field, mark),
		"cut off":                 fmt.Sprintf(`{%s,%q:"%s`, r.other, r.field, mark),
		"without a quote":         fmt.Sprintf(`{%s,%q:%s}`, r.other, r.field, mark),
		"after an escape":         fmt.Sprintf(`{%s,%q:"\%s"}`, r.other, r.field, mark),
		"with a quote within":     fmt.Sprintf(`{%s,%q:"a"%s"}`, r.other, r.field, mark),
		"half a character":        fmt.Sprintf(`{%s,%q:"\ud800%s"}`, r.other, r.field, mark),
		"a NUL":                   fmt.Sprintf(`{%s,%q:"\u0000%s"}`, r.other, r.field, mark),
		"not UTF-8":               fmt.Sprintf("{%s,%q:\"\xff%s\"}", r.other, r.field, mark),
		"two values":              fmt.Sprintf(`{%s,%q:%q}{%q:%q}`, r.other, r.field, mark, r.field, mark),
		"in an array":             fmt.Sprintf(`{%s,%q:[%q]}`, r.other, r.field, mark),
		"in an object":            fmt.Sprintf(`{%s,%q:{%q:%q}}`, r.other, r.field, mark, mark),
		"twice in an object":      fmt.Sprintf(`{%s,%q:{%q:1,%q:2}}`, r.other, r.field, mark, mark),
		"NULs in an object":       fmt.Sprintf(`{%s,%q:{"\u0000%s":1}}`, r.other, r.field, mark),
		"a NUL in an object":      fmt.Sprintf(`{%s,%q:{%q:"\u0000"}}`, r.other, r.field, mark),
		"too long":                fmt.Sprintf(`{%s,%q:%q}`, r.other, r.field, long),
		"too deep":                fmt.Sprintf(`{%s,%q:%s%q%s}`, r.other, r.field, strings.Repeat("[", 20), mark, strings.Repeat("]", 20)),
		"alone":                   fmt.Sprintf(`{%q:%q,"extra":1}`, r.field, mark),
		"a text":                  fmt.Sprintf(`%q`, mark),
		"a list":                  fmt.Sprintf(`[%q]`, mark),
		"no JSON":                 mark,
		"with control characters": fmt.Sprintf("{%s,%q:\"%s\u0085\u202e\"}", r.other, r.field, mark),
	}
	// Everything else is wrong beside a good secret.
	for i, pair := range strings.Split(r.other, ",") {
		name, _, _ := strings.Cut(pair, ":")
		bodies[fmt.Sprint("beside a wrong type ", i)] = fmt.Sprintf(`{%s:[true],%q:%q}`, name, r.field, mark)
		bodies[fmt.Sprint("beside a null ", i)] = fmt.Sprintf(`{%s:null,%q:%q}`, name, r.field, mark)
		bodies[fmt.Sprint("beside an empty text ", i)] = fmt.Sprintf(`{%s:"",%q:%q}`, name, r.field, mark)
	}
	return bodies
}

func keepSecrets(t *testing.T, s *system.System) {
	t.Helper()
	admin := s.Admin(t, 0)
	me := fmt.Sprintf("/api/users/%d", admin.ID)
	const user = `"name":"Ann","username":"ann-of-secrets","email":"ann-of-secrets@example.com","role":"user"`
	targets := []secretRequest{
		{system.Request{Method: http.MethodPost, Path: "/token"}, "password", `"username":"admin"`},
		{system.Request{Method: http.MethodPost, Path: "/api/users", Token: admin.Token}, "password", user},
		{system.Request{Method: http.MethodPatch, Path: me, Token: admin.Token}, "password", `"name":"Admin","current_password":"` + mark + `"`},
		{system.Request{Method: http.MethodPatch, Path: me, Token: admin.Token}, "current_password", `"name":"Admin","password":"` + mark + `"`},
		{system.Request{Method: http.MethodPatch, Path: me, Token: admin.Token}, "current_password", `"email":"admin-of-secrets@example.com"`},
		{system.Request{Method: http.MethodPost, Path: "/api/users/me/deactivate", Token: admin.Token}, "current_password", `"reason":"R"`},
	}
	sent := 0
	send := func(what string, service *system.Service, r system.Request) {
		t.Helper()
		got, err := s.Do(service, r)
		sent++
		switch {
		case err != nil:
			t.Errorf("%s to %s %s: %v", what, r.Method, r.Path, err)
		case got.Status < 400 || got.Status > 499:
			t.Errorf("%s to %s %s: got %d %s, want a 4xx", what, r.Method, r.Path, got.Status, got.Body)
		case strings.Contains(string(got.Body)+fmt.Sprint(got.Header), mark):
			t.Errorf("%s to %s %s: the answer holds the secret: %s", what, r.Method, r.Path, got.Body)
		}
	}
	betMaker, lineProvider := s.BetMakers[0], s.LineProviders[0]
	for _, target := range targets {
		for what, body := range target.malformed() {
			r := target.Request
			r.Body = body
			send(target.field+" "+what, betMaker, r)
			for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"} {
				r.ContentType = contentType
				send(target.field+" "+what+" as "+contentType, betMaker, r)
			}
		}
	}
	for what, form := range map[string]string{
		"twice":              "username=admin&password=" + mark + "&password=" + mark,
		"a NUL":              "username=admin&password=%00" + mark,
		"not UTF-8":          "username=admin&password=%ff" + mark,
		"a bad escape":       "username=admin&password=%" + mark,
		"a semicolon":        "username=admin&password=;" + mark,
		"an ampersand":       "username=admin&grant_type=x&password=a&" + mark,
		"two ampersands":     "username=admin&password=a&" + mark + "&" + mark,
		"a NUL in a name":    "username=admin&password=a&%00" + mark,
		"an unknown grant":   "username=admin&grant_type=x&password=" + mark,
		"no name":            "password=" + mark,
		"wrong":              "username=admin&password=" + mark,
		"too long":           "username=admin&password=" + strings.Repeat(mark, 20),
		"the client's twice": "username=admin&password=a&client_secret=" + mark + "&client_secret=" + mark,
		"as a name":          "username=" + mark + "&password=" + mark,
	} {
		send("a form: "+what, betMaker, system.Request{Method: http.MethodPost, Path: "/token", Body: form, ContentType: "application/x-www-form-urlencoded"})
	}
	send("in the query", betMaker, system.Request{Method: http.MethodPost, Path: "/token?username=admin&password=" + mark, Body: "{}"})
	for service, paths := range map[*system.Service][]string{betMaker: {"/api/users/me", "/api/bets"}, lineProvider: {"/events"}} {
		for _, path := range paths {
			for _, token := range []string{mark, mark + "." + mark + "." + mark, "eyJhbGciOiJIUzI1NiJ9." + mark + ".x", "{" + mark + "}", admin.Token + mark} {
				send("a token", service, system.Request{Method: http.MethodGet, Path: path, Token: token})
			}
			send("another scheme", service, system.Request{Method: http.MethodGet, Path: path, Header: http.Header{"Authorization": {"Basic " + mark}}})
		}
	}
	for _, service := range s.Services() {
		got, err := s.Do(service, system.Request{Method: http.MethodGet, Path: "/metrics"})
		if err != nil || strings.Contains(string(got.Body), mark) {
			t.Errorf("the metrics of %s hold the secret, or cannot be read: %v", service.Name, err)
		}
	}
	// The access log is written after the answer.
	for _, p := range s.Processes() {
		system.Eventually(t, 10*time.Second, "the log of "+p.Name+" is complete", func() error {
			if !strings.Contains(p.Log(), "route=/metrics") {
				return errors.New("no line about /metrics")
			}
			return nil
		})
		for line := range strings.Lines(p.Log()) {
			if strings.Contains(line, mark) {
				t.Errorf("the log of %s holds the secret: %s", p.Name, line)
			}
		}
	}
	if log := betMaker.Process.Log(); !strings.Contains(log, "request refused") || !strings.Contains(log, "password must have at most 128 characters") {
		t.Error("the log does not have the path, the rule and the field of a refusal")
	}
	t.Logf("%d requests with a secret", sent)
}
