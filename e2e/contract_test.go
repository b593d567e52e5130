package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/nullable"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
	"stavka.local/stavka/e2e/contract"
	"stavka.local/stavka/e2e/system"
)

// The tests of this package provoke every answer that the OpenAPI documents list; TestMain
// checks this. Each exchange is checked against its document.

// operation is one operation of a document with an existing path.
type operation struct {
	*openapi3.Operation
	method, path string
}

// request returns a request for the operation with the required headers.
func (o operation) request(token, body string) system.Request {
	header := make(http.Header)
	for _, parameter := range o.Parameters {
		if parameter.Value.In == openapi3.ParameterInHeader && parameter.Value.Required {
			header.Set(parameter.Value.Name, fmt.Sprintf("%x", rand.Uint64()))
		}
	}
	return system.Request{Method: o.method, Path: o.path, Token: token, Body: body, Header: header}
}

// operations returns the operations of a document that answer a failure with a code.
func operations(spec *contract.Spec, status int, code string, ids map[string]int64) []operation {
	documented := spec.Documented()
	var found []operation
	for path, item := range spec.Document.Paths.Map() {
		for method, op := range item.Operations() {
			if !slices.Contains(documented, contract.Answer{Operation: op.OperationID, Status: status, Code: code}) {
				continue
			}
			filled := path
			for name, id := range ids {
				filled = strings.ReplaceAll(filled, "{"+name+"}", fmt.Sprint(id))
			}
			common := *op // a copy with the parameters of the path
			common.Parameters = slices.Concat(op.Parameters, item.Parameters)
			found = append(found, operation{&common, method, filled})
		}
	}
	return found
}

// validBody returns the shortest example of the JSON body of an operation, or "". Longer ones
// name times that have passed since they were written.
func (o operation) validBody(t *testing.T) string {
	t.Helper()
	if o.RequestBody == nil {
		return ""
	}
	var shortest string
	for _, example := range o.RequestBody.Value.Content.Get("application/json").Examples {
		if body := encodeJSON(t, example.Value.Value); shortest == "" || len(body) < len(shortest) {
			shortest = body
		}
	}
	if shortest == "" {
		t.Fatalf("%s has no example of its body", o.OperationID)
	}
	return shortest
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	refuseMalformed(t, start(t, system.Options{}))
}

func refuseMalformed(t *testing.T, s *system.System) {
	t.Helper()
	for _, target := range targets(t, s) {
		for _, op := range operations(target.spec, http.StatusBadRequest, "invalid_request", target.ids) {
			request := op.request(target.token, "")
			switch {
			case op.RequestBody != nil:
				request.Body = `{"no_such_field":1}`
			case op.Parameters.GetByInAndName("query", "limit") != nil:
				request.Path += "?limit=many"
			case op.Parameters.GetByInAndName("query", "user_id") != nil:
				request.Path += "?user_id=all"
			default:
				request.Path = "/" + strings.Join(withoutNumber(strings.Split(op.path[1:], "/")), "/")
			}
			if request.Path != op.path || request.Body != "" {
				target.expect(t, request, http.StatusBadRequest, "invalid_request")
			}
			refuseWhatIsNotTaken(t, target, op)
		}
		for _, op := range operations(target.spec, http.StatusRequestEntityTooLarge, "body_too_large", target.ids) {
			large := op.request(target.token, `{"name":"`+strings.Repeat("x", 64<<10)+`"}`)
			target.expect(t, large, http.StatusRequestEntityTooLarge, "body_too_large")
		}
		for _, op := range operations(target.spec, http.StatusUnsupportedMediaType, "unsupported_media_type", target.ids) {
			text := op.request(target.token, op.validBody(t))
			text.ContentType = "text/plain"
			target.expect(t, text, http.StatusUnsupportedMediaType, "unsupported_media_type")
		}
		target.expect(t, system.Request{Method: http.MethodGet, Path: "/nowhere", Token: target.token}, http.StatusNotFound, "not_found")
		got := target.expect(t, system.Request{Method: http.MethodPut, Path: target.collection, Token: target.token}, http.StatusMethodNotAllowed, "method_not_allowed")
		if allow := got.Header.Get("Allow"); !strings.Contains(allow, http.MethodGet) {
			t.Errorf("%s: Allow is %q, want GET in it", target.Name, allow)
		}
		if target.spec.Document.Paths.Value("/api/users/me") == nil {
			continue
		}
		for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete} {
			got := target.expect(t, system.Request{Method: method, Path: "/api/users/me", Token: target.token}, http.StatusMethodNotAllowed, "method_not_allowed")
			if allow := got.Header.Get("Allow"); allow != http.MethodGet {
				t.Errorf("%s /api/users/me: Allow is %q, want GET", method, allow)
			}
		}
	}
}

// refuseWhatIsNotTaken sends to an operation what others take: a parameter, each header, and a body.
func refuseWhatIsNotTaken(t *testing.T, target target, op operation) {
	t.Helper()
	expect := func(field string, change func(*system.Request)) {
		request := op.request(target.token, op.validBody(t))
		change(&request)
		got := target.expect(t, request, http.StatusBadRequest, "invalid_request")
		if want := fmt.Sprintf(`"field":%q`, field); !strings.Contains(string(got.Body), want) {
			t.Errorf("%s: got %s, want %s", op.OperationID, got.Body, want)
		}
	}
	expect("no_such_parameter", func(r *system.Request) { r.Path += "?no_such_parameter=1" })
	for _, parameter := range target.spec.Document.Components.Parameters {
		header := parameter.Value.Name
		if parameter.Value.In == openapi3.ParameterInHeader && op.Parameters.GetByInAndName(openapi3.ParameterInHeader, header) == nil {
			expect(header, func(r *system.Request) { r.Header.Set(header, "x") })
		}
	}
	if op.RequestBody == nil {
		expect("body", func(r *system.Request) { r.Body = "{}" })
	}
}

// withoutNumber replaces the id in a path by a word.
func withoutNumber(segments []string) []string {
	for i, segment := range segments {
		if segment != "" && strings.Trim(segment, "0123456789") == "" {
			segments[i] = "one"
		}
	}
	return segments
}

// target is a service under a test of its whole document.
type target struct {
	*system.Service
	s          *system.System
	spec       *contract.Spec
	token      string
	ids        map[string]int64
	collection string
}

func targets(t *testing.T, s *system.System) []target {
	t.Helper()
	admin := s.Admin(t, 0)
	event := s.Line(t, 0).Create("1.45").EventID
	bet := admin.Place(t, event, "1")
	return []target{
		{s.BetMakers[0], s, system.BetMakerSpec(), admin.Token, map[string]int64{"event_id": event, "bet_id": bet.ID, "user_id": admin.ID, "void_id": 1}, "/api/bets"},
		{s.LineProviders[0], s, system.LineProviderSpec(), system.ServiceToken, map[string]int64{"event_id": event}, "/events"},
	}
}

func (target target) expect(t *testing.T, request system.Request, status int, code string) system.Response {
	t.Helper()
	got, err := target.s.Do(target.Service, request)
	switch {
	case err != nil:
		t.Errorf("%s %s: %v", request.Method, request.Path, err)
	case got.Status != status || got.Code() != code:
		t.Errorf("%s %s %.100s: got %d %s, want %d %s", request.Method, request.Path, request.Body, got.Status, got.Body, status, code)
	}
	return got
}

func TestInactiveUserIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	refuseAnInactiveUser(t, start(t, system.Options{}))
}

func refuseAnInactiveUser(t *testing.T, s *system.System) {
	t.Helper()
	admin, leaver := s.Admin(t, 0), s.NewUser(t, 0)
	all := targets(t, s)[0]
	all.ids["user_id"] = leaver.ID
	if got, err := admin.API.DeactivateUserWithResponse(t.Context(), leaver.ID); err != nil || got.StatusCode() != http.StatusNoContent {
		t.Fatalf("deactivate: %+v %v", got, err)
	}
	system.Eventually(t, allowed, "the user is refused", func() error {
		got, err := s.Do(s.BetMakers[0], system.Request{Method: http.MethodGet, Path: "/api/users/me", Token: leaver.Token})
		if err != nil || got.Status != http.StatusForbidden {
			return fmt.Errorf("got %d %w", got.Status, err)
		}
		return nil
	})
	for _, op := range operations(all.spec, http.StatusForbidden, "user_inactive", all.ids) {
		request := op.request(leaver.Token, op.validBody(t))
		if op.OperationID == "issueToken" {
			request.Token, request.Body = "", fmt.Sprintf(`{"username":%q,"password":%q}`, leaver.Username, leaver.Password)
		}
		all.expect(t, request, http.StatusForbidden, "user_inactive")
	}
}

func TestRulesAboutUsers(t *testing.T) {
	t.Parallel()
	checkRulesAboutUsers(t, start(t, system.Options{}))
}

func checkRulesAboutUsers(t *testing.T, s *system.System) {
	t.Helper()
	admin, user := s.Admin(t, 0), s.NewUser(t, 0)
	all := targets(t, s)[0]
	newUser := func(username, email string) string {
		return fmt.Sprintf(`{"name":"N","username":%q,"email":%q,"password":"a long password"}`, username, email)
	}
	free := func() string { return fmt.Sprintf("free-%x", rand.Uint64()) }

	self, nobody := fmt.Sprintf("/api/users/%d", admin.ID), "/api/users/999999"
	other := fmt.Sprintf("/api/users/%d", user.ID)
	for _, tt := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{http.MethodPost, "/api/users", newUser(strings.ToUpper(user.Username), free()+"@example.com"), http.StatusConflict, "username_taken"},
		{http.MethodPost, "/api/users", newUser(free(), strings.ToUpper(user.Username)+"@example.com"), http.StatusConflict, "email_taken"},
		{http.MethodPatch, other, `{"username":"ADMIN"}`, http.StatusConflict, "username_taken"},
		{http.MethodPatch, other, `{"email":"ADMIN@example.com"}`, http.StatusConflict, "email_taken"},
		{http.MethodPatch, self, `{"role":"user"}`, http.StatusConflict, "last_admin"},
		{http.MethodDelete, self, "", http.StatusForbidden, "current_password_required"},
		{http.MethodPost, "/api/users/me/deactivate", `{"current_password":"wrong"}`, http.StatusForbidden, "current_password_required"},
		{http.MethodPost, "/api/users/me/deactivate", fmt.Sprintf(`{"current_password":%q}`, admin.Password), http.StatusConflict, "last_admin"},
		{http.MethodPatch, self, `{"email":"root@example.com"}`, http.StatusForbidden, "current_password_required"},
		{http.MethodPatch, self, `{"password":"another password","current_password":"wrong"}`, http.StatusForbidden, "current_password_required"},
		{http.MethodPost, "/api/users", strings.Replace(newUser(free(), free()+"@example.com"), "a long password", "trustno1", 1), http.StatusBadRequest, "invalid_request"},
		{http.MethodPost, "/api/users", newUser("a-long-password", "a long password@example.com"), http.StatusBadRequest, "invalid_request"},
		{http.MethodPatch, other, fmt.Sprintf(`{"password":%q}`, strings.ToUpper(user.Username)), http.StatusBadRequest, "invalid_request"},
		{http.MethodPatch, other, `{"name":"\u202eanna"}`, http.StatusBadRequest, "invalid_request"},
		{http.MethodPatch, other, `{"username":"an\u200bna"}`, http.StatusBadRequest, "invalid_request"},
		{http.MethodPatch, other, `{"username":"ＡＤＭＩＮ"}`, http.StatusConflict, "username_taken"},
		{http.MethodGet, nobody, "", http.StatusNotFound, "user_not_found"},
		{http.MethodPatch, nobody, `{"name":"N"}`, http.StatusNotFound, "user_not_found"},
		{http.MethodDelete, nobody, "", http.StatusNotFound, "user_not_found"},
		{http.MethodPost, "/token", `{"username":"admin","password":"wrong"}`, http.StatusUnauthorized, "invalid_credentials"},
		{http.MethodPost, "/token", `{"username":"missing","password":"wrong"}`, http.StatusUnauthorized, "invalid_credentials"},
		{http.MethodGet, "/api/events/999999", "", http.StatusNotFound, "event_not_found"},
		{http.MethodGet, "/api/bets/999999", "", http.StatusNotFound, "bet_not_found"},
	} {
		all.expect(t, system.Request{Method: tt.method, Path: tt.path, Token: admin.Token, Body: tt.body}, tt.status, tt.code)
	}
	t.Run("a new password ends the tokens before it", func(t *testing.T) {
		if got, err := user.API.ChangeUserWithResponse(t.Context(), user.ID, betmaker.UserPatch{
			Password: new("another password"), CurrentPassword: &user.Password,
		}); err != nil || got.JSON200 == nil {
			t.Fatalf("change the password: %+v %v", got, err)
		}
		system.Eventually(t, allowed, "the old token is refused", func() error {
			got, err := s.Do(s.BetMakers[0], system.Request{Method: http.MethodGet, Path: "/api/users/me", Token: user.Token})
			if err != nil || got.Status != http.StatusUnauthorized {
				return fmt.Errorf("got %d %w", got.Status, err)
			}
			return nil
		})
		s.SignIn(t, 0, user.Username, "another password")
	})
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	signOut(t, start(t, system.Options{}))
}

func signOut(t *testing.T, s *system.System) {
	t.Helper()
	user, event := s.NewUser(t, 0), s.Line(t, 0).Create("1.45").EventID
	other := s.SignIn(t, 0, user.Username, user.Password)
	if got, err := user.API.SignOutWithResponse(t.Context()); err != nil || got.StatusCode() != http.StatusNoContent {
		t.Fatalf("sign out: %+v %v", got, err)
	}
	for _, token := range []string{user.Token, other.Token} {
		bet := system.Request{Method: http.MethodPost, Path: "/api/bets", Token: token, Body: fmt.Sprintf(`{"event_id":%d,"amount":1}`, event)}
		if got, err := s.Do(s.BetMakers[0], bet); err != nil || got.Status != http.StatusUnauthorized {
			t.Errorf("a bet after signing out: got %d %s %v", got.Status, got.Body, err)
		}
		system.Eventually(t, allowed, "the token is refused", func() error {
			got, err := s.Do(s.BetMakers[0], system.Request{Method: http.MethodGet, Path: "/api/users/me", Token: token})
			if err != nil || got.Status != http.StatusUnauthorized {
				return fmt.Errorf("got %d %w", got.Status, err)
			}
			return nil
		})
	}
	s.SignIn(t, 0, user.Username, user.Password).Place(t, event, "1")
}

// A token is remembered for a second, so an administrator who has just been deactivated may still try to
// deactivate the one who is left.
func TestLastAdminIsNotDeactivatedByAnother(t *testing.T) {
	t.Parallel()
	keepTheLastAdmin(t, start(t, system.Options{}))
}

func keepTheLastAdmin(t *testing.T, s *system.System) {
	t.Helper()
	root := s.Admin(t, 0)
	role := betmaker.RoleAdmin
	system.Eventually(t, allowed, "the deactivated administrator is quick enough", func() error {
		name := fmt.Sprintf("leaving-%x", rand.Uint64())
		created, err := root.API.CreateUserWithResponse(t.Context(), betmaker.NewUser{
			Name: "Leaving", Username: name, Email: name + "@example.com", Password: sparePassword, Role: &role,
		})
		if err != nil || created.JSON201 == nil {
			t.Fatalf("create %s: %v %+v", name, err, created)
		}
		leaving := s.SignIn(t, 0, name, sparePassword)
		if got, err := root.API.DeactivateUserWithResponse(t.Context(), leaving.ID); err != nil || got.StatusCode() != http.StatusNoContent {
			t.Fatalf("deactivate: %+v %v", got, err)
		}
		got, err := s.Do(s.BetMakers[0], system.Request{Method: http.MethodDelete, Path: fmt.Sprintf("/api/users/%d", root.ID), Token: leaving.Token})
		if err != nil || got.Code() != "last_admin" && got.Code() != "user_inactive" {
			t.Fatalf("got %d %s %v", got.Status, got.Body, err)
		}
		if got.Code() != "last_admin" {
			return fmt.Errorf("got %d %s", got.Status, got.Body)
		}
		return nil
	})
}

func TestPasswordGuessesAreThrottled(t *testing.T) {
	t.Parallel()
	throttleGuessing(t, start(t, system.Options{BetMakers: 2}))
}

func throttleGuessing(t *testing.T, s *system.System) {
	t.Helper()
	user := s.NewUser(t, 0)
	var last system.Response
	for i := range 101 { // ASVS 2.2.1: no more than 100 an hour on one account
		var err error
		last, err = s.Do(s.BetMakers[i%len(s.BetMakers)], system.Request{
			Method: http.MethodPost, Path: "/token", Body: fmt.Sprintf(`{"username":%q,"password":"guess-%d"}`, user.Username, i),
		})
		if err != nil {
			t.Fatal(err)
		}
		if last.Status == http.StatusTooManyRequests {
			t.Logf("throttled after %d guesses, over %d replicas", i, len(s.BetMakers))
			throttleGuessingWithAToken(t, s, user)
			return
		}
	}
	t.Errorf("the 101st guess got %d %s, want 429", last.Status, last.Body)
}

// throttleGuessingWithAToken guesses the password of a user, whose sign-in is throttled, with the user's token.
// Each guess that passes makes the next wait longer.
func throttleGuessingWithAToken(t *testing.T, s *system.System, user *system.User) {
	t.Helper()
	for _, request := range []system.Request{
		{Method: http.MethodPatch, Path: fmt.Sprintf("/api/users/%d", user.ID), Body: `{"password":"another password","current_password":"guess"}`},
		{Method: http.MethodPost, Path: "/api/users/me/deactivate", Body: `{"current_password":"guess"}`},
	} {
		request.Token = user.Token
		var got system.Response
		for i := 0; i < 10 && got.Status != http.StatusTooManyRequests; i++ {
			var err error
			if got, err = s.Do(s.BetMakers[0], request); err != nil {
				t.Fatal(err)
			}
		}
		if got.Status != http.StatusTooManyRequests || got.Code() != "throttled" {
			t.Errorf("%s %s: got %d %s, want 429", request.Method, request.Path, got.Status, got.Body)
		}
	}
}

func TestRulesOfTheLine(t *testing.T) {
	t.Parallel()
	checkRulesOfTheLine(t, start(t, system.Options{}))
}

func checkRulesOfTheLine(t *testing.T, s *system.System) {
	t.Helper()
	all, line := targets(t, s)[1], s.Line(t, 0)
	open, finished := line.Create("1.45"), line.Create("1.45")
	line.Finish(finished.EventID, lineprovider.EventStateFinishedWin)
	over, err := line.API.CreateEventWithResponse(t.Context(), nil, lineprovider.NewEvent{
		Coefficient: odds.MustParse("1.45"), Deadline: new(time.Now().Unix() + 1),
	})
	if err != nil || over.JSON201 == nil {
		t.Fatalf("create: %+v %v", over, err)
	}
	system.Eventually(t, allowed, "the deadline has passed", func() error {
		if time.Now().Unix() <= over.JSON201.Deadline {
			return fmt.Errorf("it is at %d", over.JSON201.Deadline)
		}
		return nil
	})
	path := func(event int64) string { return fmt.Sprintf("/event/%d", event) }
	stale := http.Header{"If-Match": {`"99"`}}
	for _, tt := range []struct {
		method, path, body string
		header             http.Header
		status             int
		code               string
	}{
		{http.MethodPost, "/event", `{"coefficient":0.99}`, nil, http.StatusUnprocessableEntity, "coefficient_out_of_range"},
		{http.MethodPost, "/event", `{"coefficient":1000.01}`, nil, http.StatusUnprocessableEntity, "coefficient_out_of_range"},
		{http.MethodPost, "/event", `{"coefficient":1.45,"deadline":1}`, nil, http.StatusUnprocessableEntity, "deadline_in_past"},
		{http.MethodPost, "/event", `{"coefficient":1.45,"name":"Reds\u202e - Blues"}`, nil, http.StatusBadRequest, "invalid_request"},
		{http.MethodPatch, path(open.EventID), `{"name":"  "}`, nil, http.StatusBadRequest, "invalid_request"},
		{http.MethodPatch, path(finished.EventID) + "/status", `{"state":3,"reason":"\u200b"}`, nil, http.StatusBadRequest, "invalid_request"},
		{http.MethodPost, "/event", `{"coefficient":1.455}`, nil, http.StatusBadRequest, "invalid_request"},
		{http.MethodPost, "/event", `{"coefficient":"1.45"}`, nil, http.StatusBadRequest, "invalid_request"},
		{http.MethodPatch, path(open.EventID), `{"coefficient":0.5}`, nil, http.StatusUnprocessableEntity, "coefficient_out_of_range"},
		{http.MethodPatch, path(open.EventID), `{"deadline":1}`, nil, http.StatusUnprocessableEntity, "deadline_in_past"},
		{http.MethodPatch, path(finished.EventID), `{"coefficient":2}`, nil, http.StatusConflict, "event_not_open"},
		{http.MethodPatch, path(over.JSON201.EventID), `{"coefficient":2}`, nil, http.StatusConflict, "deadline_passed"},
		{http.MethodPatch, path(over.JSON201.EventID), fmt.Sprintf(`{"deadline":%d}`, time.Now().Unix()+1000), nil, http.StatusConflict, "deadline_passed"},
		{http.MethodPatch, path(open.EventID), `{"suspended":true}`, stale, http.StatusPreconditionFailed, "version_mismatch"},
		{http.MethodPatch, path(open.EventID) + "/status", `{"state":2}`, stale, http.StatusPreconditionFailed, "version_mismatch"},
		{http.MethodDelete, path(open.EventID), "", stale, http.StatusPreconditionFailed, "version_mismatch"},
		{http.MethodPatch, path(finished.EventID) + "/status", `{"state":1}`, nil, http.StatusConflict, "event_finished"},
		{http.MethodPatch, path(finished.EventID) + "/status", `{"state":3}`, nil, http.StatusUnprocessableEntity, "reason_required"},
		{http.MethodPatch, path(open.EventID) + "/status", fmt.Sprintf(`{"state":2,"effective_at":%d}`, time.Now().Unix()+1000), nil, http.StatusUnprocessableEntity, "effective_at_invalid"},
		{http.MethodDelete, path(finished.EventID), "", nil, http.StatusConflict, "event_finished"},
		{http.MethodGet, path(999999), "", nil, http.StatusNotFound, "event_not_found"},
		{http.MethodPatch, path(999999), `{"suspended":true}`, nil, http.StatusNotFound, "event_not_found"},
		{http.MethodPatch, path(999999) + "/status", `{"state":2}`, nil, http.StatusNotFound, "event_not_found"},
		{http.MethodDelete, path(999999), "", nil, http.StatusNotFound, "event_not_found"},
		{http.MethodGet, path(999999) + "/history", "", nil, http.StatusNotFound, "event_not_found"},
	} {
		all.expect(t, system.Request{Method: tt.method, Path: tt.path, Token: all.token, Body: tt.body, Header: tt.header}, tt.status, tt.code)
	}
	t.Run("a version that the client has is not sent again", func(t *testing.T) {
		get := system.Request{Method: http.MethodGet, Path: path(open.EventID), Token: all.token, Header: http.Header{"If-None-Match": {`"7", "1"`}}}
		if got := all.expect(t, get, http.StatusNotModified, ""); len(got.Body) > 0 || got.Header.Get("ETag") != `"1"` {
			t.Errorf("got %q %v", got.Body, got.Header)
		}
		get.Header = http.Header{"If-None-Match": {`"2"`}}
		all.expect(t, get, http.StatusOK, "")
	})
	t.Run("any version", func(t *testing.T) {
		star := http.Header{"If-Match": {"*"}}
		all.expect(t, system.Request{Method: http.MethodPatch, Path: path(open.EventID), Token: all.token, Body: `{"name":"N"}`, Header: star}, http.StatusOK, "")
		all.expect(t, system.Request{Method: http.MethodPatch, Path: path(999999), Token: all.token, Body: `{"name":"N"}`, Header: star}, http.StatusNotFound, "event_not_found")
	})
	t.Run("the same state again changes nothing", func(t *testing.T) {
		before, after := line.Finish(finished.EventID, lineprovider.EventStateFinishedWin), line.Finish(finished.EventID, lineprovider.EventStateFinishedWin)
		if before.Version != after.Version || before.Seq != after.Seq {
			t.Errorf("version %d seq %d became %d and %d", before.Version, before.Seq, after.Version, after.Seq)
		}
	})
	t.Run("a cancelled event may be removed again", func(t *testing.T) {
		event := line.Create("1.45").EventID
		for range 2 {
			all.expect(t, system.Request{Method: http.MethodDelete, Path: path(event), Token: all.token}, http.StatusNoContent, "")
		}
	})
}

// A corrected result settles the same bets again, and its history says why.
func TestCorrection(t *testing.T) {
	t.Parallel()
	correctAResult(t, start(t, system.Options{}))
}

func correctAResult(t *testing.T, s *system.System) {
	t.Helper()
	user, line := s.NewUser(t, 0), s.Line(t, 0)
	event := line.Create("2.00").EventID
	bet := user.Place(t, event, "10").ID
	line.Finish(event, lineprovider.EventStateFinishedWin)
	user.AwaitStatus(t, bet, betmaker.BetStatusWon, allowed)

	corrected, err := line.API.SetEventStateWithResponse(t.Context(), event, &lineprovider.SetEventStateParams{Actor: new("referee")},
		lineprovider.NewState{State: lineprovider.EventStateFinishedLose, Reason: new("the goal did not count")})
	if err != nil || corrected.JSON200 == nil || corrected.JSON200.ResultRevision != 2 {
		t.Fatalf("correct: %+v %v", corrected, err)
	}
	if got := user.AwaitStatus(t, bet, betmaker.BetStatusLost, allowed); got.SettleRevision != 2 {
		t.Errorf("settled at revision %d, want 2", got.SettleRevision)
	}
	history, err := line.API.EventHistoryWithResponse(t.Context(), event, nil)
	if err != nil || history.JSON200 == nil || len(*history.JSON200) != 3 {
		t.Fatalf("history: %+v %v, want 3 entries", history, err)
	}
	if body := string(history.Body); !strings.Contains(body, "the goal did not count") || !strings.Contains(body, "referee") {
		t.Errorf("the history lacks the actor or the reason: %s", body)
	}
}

// Bets accepted at or after the instant at which the result became fact are void.
func TestPastPost(t *testing.T) {
	t.Parallel()
	voidPastPost(t, start(t, system.Options{}))
}

func voidPastPost(t *testing.T, s *system.System) {
	t.Helper()
	user, line := s.NewUser(t, 0), s.Line(t, 0)
	event := line.Create("2.00").EventID
	early := user.Place(t, event, "10")
	fact := early.CreatedAt.Truncate(time.Second).Add(time.Second)
	system.Eventually(t, allowed, "the goal has fallen", func() error {
		if time.Now().Before(fact.Add(time.Second)) {
			return fmt.Errorf("it falls at %s", fact)
		}
		return nil
	})
	late := user.Place(t, event, "10")
	set, err := line.API.SetEventStateWithResponse(t.Context(), event, nil,
		lineprovider.NewState{State: lineprovider.EventStateFinishedWin, EffectiveAt: nullable.NewNullableWithValue(fact.Unix())})
	if err != nil || set.JSON200 == nil {
		t.Fatalf("finish: %+v %v", set, err)
	}
	user.AwaitStatus(t, early.ID, betmaker.BetStatusWon, allowed)
	if got := user.AwaitStatus(t, late.ID, betmaker.BetStatusVoid, allowed); deref(got.VoidReason) != "past_post" {
		t.Errorf("void reason %q, want past_post", deref(got.VoidReason))
	}

	// The same result with another instant is a correction.
	set = replaceResult(t, line, event, lineprovider.NewState{
		State: lineprovider.EventStateFinishedWin, EffectiveAt: nullable.NewNullableWithValue(fact.Unix() - 1), Reason: new("the video"),
	})
	if set.JSON200.ResultRevision != 2 || deref(set.JSON200.EffectiveAt) != fact.Unix()-1 {
		t.Errorf("an earlier instant makes %s", set.Body)
	}
	if got := user.AwaitStatus(t, early.ID, betmaker.BetStatusVoid, allowed); deref(got.VoidReason) != "past_post" {
		t.Errorf("void reason %q, want past_post", deref(got.VoidReason))
	}
	set = replaceResult(t, line, event, lineprovider.NewState{
		State: lineprovider.EventStateFinishedWin, EffectiveAt: nullable.NewNullNullable[int64](), Reason: new("no video"),
	})
	if set.JSON200.ResultRevision != 3 || set.JSON200.EffectiveAt != nil {
		t.Errorf("no instant makes %s", set.Body)
	}
	user.AwaitStatus(t, early.ID, betmaker.BetStatusWon, allowed)
	user.AwaitStatus(t, late.ID, betmaker.BetStatusWon, allowed)
	lineProvider := s.LineProviders[0]
	for body, code := range map[string]string{
		fmt.Sprintf(`{"state":2,"effective_at":%d}`, fact.Unix()):                           "reason_required",
		fmt.Sprintf(`{"state":2,"effective_at":%d,"reason":"R"}`, time.Now().Unix()+1000):   "effective_at_invalid",
		fmt.Sprintf(`{"state":2,"effective_at":%d,"reason":"R"}`, set.JSON200.CreateDate-1): "effective_at_invalid",
	} {
		got, err := s.Do(lineProvider, system.Request{
			Method: http.MethodPatch, Path: fmt.Sprintf("/event/%d/status", event), Token: system.ServiceToken, Body: body,
		})
		if err != nil || got.Status != http.StatusUnprocessableEntity || got.Code() != code {
			t.Errorf("%s: got %d %s %v, want 422 %s", body, got.Status, got.Body, err, code)
		}
	}
}

func replaceResult(
	t *testing.T, line *system.Line, event int64, state lineprovider.NewState,
) *lineprovider.SetEventStateResponse {
	t.Helper()
	set, err := line.API.SetEventStateWithResponse(t.Context(), event, nil, state)
	if err != nil || set.JSON200 == nil {
		t.Fatalf("correct: %+v %v", set, err)
	}
	return set
}

// Every page of every list links to the next, and together they hold every item once.
func TestLists(t *testing.T) {
	t.Parallel()
	walkLists(t, start(t, system.Options{}))
}

func walkLists(t *testing.T, s *system.System) {
	t.Helper()
	user, admin, line := s.NewUser(t, 0), s.Admin(t, 0), s.Line(t, 0)
	for range 5 {
		event := line.Create("1.45").EventID
		user.Place(t, event, "1")
		s.NewUser(t, 0)
	}
	for _, tt := range []struct {
		service *system.Service
		token   string
		path    string
		want    int
	}{
		{s.BetMakers[0], user.Token, "/api/bets?limit=2", 5},
		{s.BetMakers[0], user.Token, "/api/bets?limit=2&status=pending", 5},
		{s.BetMakers[0], user.Token, "/api/bets?limit=2&status=won", 0},
		{s.BetMakers[0], admin.Token, fmt.Sprintf("/api/bets?limit=2&user_id=%d", user.ID), 5},
		{s.BetMakers[0], user.Token, "/api/wallet/transfers?limit=2", 6},
		{s.BetMakers[0], admin.Token, fmt.Sprintf("/api/wallet/transfers?limit=2&user_id=%d&kind=stake", user.ID), 5},
		{s.BetMakers[0], admin.Token, fmt.Sprintf("/api/audit?limit=2&actor_id=%d", admin.ID), 6},
		{s.BetMakers[0], admin.Token, "/api/audit?limit=2&action=user.change", 0},
		{s.BetMakers[0], user.Token, "/api/events?limit=2", 5},
		{s.BetMakers[0], admin.Token, "/api/users?limit=2", 7},
		{s.LineProviders[0], system.ServiceToken, "/events?limit=2", 5},
		{s.LineProviders[0], system.ServiceToken, "/events?limit=2&state=1", 5},
		{s.LineProviders[0], system.ServiceToken, "/events?limit=2&state=2", 0},
	} {
		if got := walk(t, s, tt.service, tt.token, tt.path); got != tt.want {
			t.Errorf("%s: the pages hold %d, want %d", tt.path, got, tt.want)
		}
	}
}

// walk follows the Link headers and returns the number of different items on the pages.
func walk(t *testing.T, s *system.System, service *system.Service, token, path string) int {
	t.Helper()
	seen := make(map[string]bool)
	for path != "" {
		got, err := s.Do(service, system.Request{Method: http.MethodGet, Path: path, Token: token})
		if err != nil || got.Status != http.StatusOK {
			t.Fatalf("%s: %d %s %v", path, got.Status, got.Body, err)
		}
		items := decodeArray(t, got.Body)
		if len(items) > 2 {
			t.Fatalf("%s: %d items on a page, want at most 2", path, len(items))
		}
		for _, item := range items {
			if seen[item] {
				t.Fatalf("%s: %s comes twice", path, item)
			}
			seen[item] = true
		}
		path = next(t, got.Header.Get("Link"))
	}
	return len(seen)
}

// next returns the target of a Link header with rel="next", or "".
func next(t *testing.T, link string) string {
	t.Helper()
	if link == "" {
		return ""
	}
	target, rest, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.Contains(rest, `rel="next"`) {
		t.Fatalf("Link is %q", link)
	}
	parsed, err := url.Parse(target)
	if err != nil {
		t.Fatalf("Link is %q: %v", link, err)
	}
	return parsed.RequestURI()
}

// Without its store every operation answers that it is unavailable and has no effect. All operations
// recover when the store is back.
func TestOperationsAreUnavailableWithoutTheirStore(t *testing.T) {
	t.Parallel()
	postgres, redis := system.NewPrivateServer(t, "postgres"), system.NewPrivateServer(t, "redis")
	servers := system.Shared(t)
	servers.Postgres, servers.Redis = postgres.URL, redis.URL
	s := start(t, system.Options{Servers: servers})
	all := targets(t, s)
	postgres.Kill()
	redis.Kill()
	for _, target := range all {
		for _, op := range operations(target.spec, http.StatusServiceUnavailable, "unavailable", target.ids) {
			request := op.request(target.token, op.validBody(t))
			// The admin may be cached for another second.
			system.Eventually(t, allowed, op.OperationID+" is unavailable", func() error {
				got, err := s.Do(target.Service, request)
				if err != nil {
					t.Fatal(err)
				}
				if got.Status != http.StatusServiceUnavailable || got.Code() != "unavailable" {
					return fmt.Errorf("got %d %s", got.Status, got.Body)
				}
				return nil
			})
		}
		target.Kill()
		target.Start()
		system.Eventually(t, 30*time.Second, target.Name+" starts and is not ready", func() error {
			got, err := s.Do(target.Service, system.Request{Method: http.MethodGet, Path: "/readyz"})
			if err == nil && got.Status != http.StatusServiceUnavailable {
				err = fmt.Errorf("got %d %s", got.Status, got.Body)
			}
			return err
		})
	}
	postgres.Start()
	redis.Start()
	s.AwaitReady()
	tellStory(t, s)
}

// A user who sends too many requests is refused everywhere, and another user is not.
func TestTooManyRequestsAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	refuseTooManyRequests(t, start(t, system.Options{}))
}

func refuseTooManyRequests(t *testing.T, s *system.System) {
	t.Helper()
	target, other := targets(t, s)[0], s.NewUser(t, 0)
	target.Stop()
	target.Start("USER_REQUESTS_PER_SECOND=1", "USER_BETS_PER_SECOND=1")
	s.AwaitReady()
	profile := system.Request{Method: http.MethodGet, Path: "/api/users/me", Token: target.token}
	isRefused := func(request system.Request) func() error {
		return func() error {
			got, err := s.Do(target.Service, request)
			if err == nil && (got.Status != http.StatusTooManyRequests || got.Code() != "too_many_requests") {
				err = fmt.Errorf("got %d %s", got.Status, got.Body)
			}
			return err
		}
	}
	// Other requests of the user keep the bucket empty meanwhile.
	var (
		asking sync.WaitGroup
		done   = make(chan struct{})
	)
	for range 8 {
		asking.Go(func() {
			for {
				if _, err := s.Do(target.Service, profile); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	system.Eventually(t, allowed, "the user is refused", isRefused(profile))
	for _, op := range operations(target.spec, http.StatusTooManyRequests, "too_many_requests", target.ids) {
		system.Eventually(t, allowed, op.OperationID+" is refused", isRefused(op.request(target.token, op.validBody(t))))
	}
	close(done)
	asking.Wait()
	if got, err := s.Do(target.Service, system.Request{Method: http.MethodGet, Path: "/api/users/me", Token: other.Token}); err != nil || got.Status != http.StatusOK {
		t.Errorf("another user: %d %s %v", got.Status, got.Body, err)
	}
}

func TestBetsAreRefusedWhileTheFeedIsSilent(t *testing.T) {
	t.Parallel()
	s := start(t, system.Options{Env: map[string]string{"FEED_TIMEOUT": "3s", "FEED_HEARTBEAT": "500ms"}})
	user, line := s.NewUser(t, 0), s.Line(t, 0)
	event := line.Create("1.45").EventID
	user.Place(t, event, "1")
	place := system.Request{Method: http.MethodPost, Path: "/api/bets", Token: user.Token, Body: fmt.Sprintf(`{"event_id":%d,"amount":1}`, event)}
	wantCode := func(code string) func() error {
		return func() error {
			got, err := s.Do(s.BetMakers[0], place)
			if err != nil {
				t.Fatal(err)
			}
			if got.Code() != code {
				return fmt.Errorf("got %d %s", got.Status, got.Body)
			}
			return nil
		}
	}
	s.LineProviders[0].Pause()
	system.Eventually(t, 15*time.Second, "bets are refused", wantCode("feed_unavailable"))
	if err := s.BetMakers[0].Ready(); err != nil {
		t.Errorf("bet-maker is not ready while the feed is silent: %v", err)
	}
	if bets := betsOn(t, user, event); len(bets) == 0 {
		t.Error("bets cannot be read")
	}
	s.LineProviders[0].Resume()
	system.Eventually(t, 15*time.Second, "bets are taken again", wantCode(""))
}

// When the connection breaks during the commit of a bet or a payment, it is unknown whether
// it exists. A repetition with the same key shows it.
func TestUnknownCommit(t *testing.T) {
	t.Parallel()
	servers := system.Shared(t)
	cutter := system.NewCommitCutter(t, servers.Postgres, "insert into verdicts")
	s := start(t, system.Options{BetMakerEnv: func(env map[string]string) {
		env["DATABASE_URL"] = cutter.Through(env["DATABASE_URL"])
	}})
	admin, user, line := s.Admin(t, 0), s.NewUser(t, 0), s.Line(t, 0)
	event := line.Create("1.45").EventID
	user.Place(t, event, "1")

	place := placing(user, event, "2")
	place.Header = http.Header{"Idempotency-Key": {"unknown"}}
	for _, request := range []system.Request{place, paying(admin, "deposits", user, "5", "D"), paying(admin, "withdrawals", user, "3", "W")} {
		cutter.Arm()
		got, err := s.Do(s.BetMakers[0], request)
		if err != nil || got.Code() != "outcome_unknown" {
			t.Fatalf("%s: got %d %s %v, want outcome_unknown", request.Path, got.Status, got.Body, err)
		}
		again, err := s.Do(s.BetMakers[0], request)
		if err != nil || again.Status != http.StatusCreated || again.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s with the same key: got %d %s %v, want it replayed", request.Path, again.Status, again.Body, err)
		}
	}
	if bets := betsOn(t, user, event); len(bets) != 2 {
		t.Errorf("there are %d bets, want 2", len(bets))
	}
	wantWallet(t, user, system.Opening.Minus(money.MustParse("1.00")).String(), "3.00", "0.00") // -1 -2 +5 -3
	checkMoney(t, s)
}

func TestServedDocuments(t *testing.T) {
	t.Parallel()
	serveTheDocuments(t, start(t, system.Options{}))
}

func serveTheDocuments(t *testing.T, s *system.System) {
	t.Helper()
	for _, service := range s.Services() {
		for path, want := range map[string]string{"/openapi.yaml": "openapi: 3.0.3", "/docs": "swagger", "/metrics": "stavka_"} {
			got, err := s.Do(service, system.Request{Method: http.MethodGet, Path: path})
			if err != nil || got.Status != http.StatusOK || !strings.Contains(strings.ToLower(string(got.Body)), want) {
				t.Errorf("%s%s: got %d %.200s %v, want %q in it", service.Name, path, got.Status, got.Body, err, want)
			}
		}
	}
}

func TestOrderlyStop(t *testing.T) {
	t.Parallel()
	s := start(t, system.Options{})
	user, line := s.NewUser(t, 0), s.Line(t, 0)
	event := line.Create("1.45").EventID
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	answers := make(chan error, 1000)
	go func() {
		defer close(answers)
		for ctx.Err() == nil {
			got, err := s.Do(s.BetMakers[0], system.Request{
				Method: http.MethodPost, Path: "/api/bets", Token: user.Token, Body: fmt.Sprintf(`{"event_id":%d,"amount":1}`, event),
			})
			if err != nil {
				return // it has stopped listening
			}
			if got.Status != http.StatusCreated && got.Status != http.StatusServiceUnavailable {
				answers <- fmt.Errorf("got %d %s", got.Status, got.Body)
				return
			}
			if got.Status == http.StatusCreated {
				select {
				case answers <- nil:
				default:
				}
			}
		}
	}()
	if err := <-answers; err != nil { // the first bet: now there are requests to interrupt
		t.Fatal(err)
	}
	for _, p := range s.Processes() {
		p.Stop()
	}
	for err := range answers {
		if err != nil {
			t.Error(err)
		}
	}
}

func encodeJSON(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func decodeArray(t *testing.T, body []byte) []string {
	t.Helper()
	var items []json.RawMessage
	if err := json.Unmarshal(body, &items); err != nil {
		t.Fatalf("%.200s: %v", body, err)
	}
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = string(item)
	}
	return texts
}
