package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/stavka/e2e/contract"
	"stavka.local/stavka/e2e/system"
)

// The actors of the table in the order of its columns. Every operation that needs a token
// refuses the actors of noOne.
const (
	userA = iota // owns the resources of the requests
	userB
	admin
	service
	noToken
	expired
	algNone
	wrongSignature
	actorCount
)

var actorNames = [actorCount]string{"user A", "user B", "admin", "service token", "no token", "expired", "alg=none", "wrong signature"}

// row is the expected status of one operation for each actor, and a request that is valid in
// every other respect.
type row struct {
	request func() system.Request
	// want is the status for user A, user B, the admin and the service token.
	want [4]int
	// as holds other tokens than those of the table for user A, user B and the admin, of users who may
	// lose them.
	as [3]string
	// public: the operation needs no token and answers 200 to every actor.
	public bool
}

func TestAuthorisation(t *testing.T) {
	t.Parallel()
	checkAuthorisation(t, start(t, system.Options{Env: tight}))
}

func checkAuthorisation(t *testing.T, s *system.System) {
	t.Helper()
	a, b, root := s.NewUser(t, 0), s.NewUser(t, 0), s.Admin(t, 0)
	leaving := s.NewUser(t, 0)
	line := s.Line(t, 0)
	event := line.Create("1.45").EventID
	placed := a.Place(t, event, "1")
	bet, window := placed.ID, voidOnly(t, root, placed)

	get := func(format string, args ...any) func() system.Request {
		return func() system.Request {
			return system.Request{Method: http.MethodGet, Path: fmt.Sprintf(format, args...)}
		}
	}
	send := func(method, path string, body func() string) func() system.Request {
		return func() system.Request { return system.Request{Method: method, Path: path, Body: body()} }
	}
	text := func(format string, args ...any) func() string {
		return func() string { return fmt.Sprintf(format, args...) }
	}
	pay := func(what string) func() system.Request {
		return func() system.Request { return paying(root, what, a, "1", "R") }
	}
	newUser := func() string {
		name := fmt.Sprintf("authz-%x", rand.Uint64())
		return fmt.Sprintf(`{"name":"N","username":%q,"email":"%s@example.com","password":"a long password"}`, name, name)
	}
	newEvent := func() string { return fmt.Sprintf("/event/%d", line.Create("1.45").EventID) }

	const ok, created, gone, forbidden, hidden, unknown = http.StatusOK, http.StatusCreated, http.StatusNoContent,
		http.StatusForbidden, http.StatusNotFound, http.StatusUnauthorized
	betMaker := map[string][]row{
		"issueToken":     {{request: send(http.MethodPost, "/token", text(`{"username":%q,"password":%q}`, a.Username, a.Password)), public: true}},
		"getCurrentUser": {{request: get("/api/users/me"), want: [4]int{ok, ok, ok, unknown}}},
		"signOut": {{
			request: send(http.MethodPost, "/api/users/me/sign-out", text("")),
			want:    [4]int{gone, gone, gone, unknown}, as: spareUsers(t, s, root),
		}},
		"deactivateCurrentUser": {{
			request: send(http.MethodPost, "/api/users/me/deactivate", text(`{"current_password":%q}`, sparePassword)),
			want:    [4]int{gone, gone, gone, unknown}, as: spareUsers(t, s, root),
		}},
		"getUser": {{request: get("/api/users/%d", a.ID), want: [4]int{ok, hidden, ok, unknown}}},
		"changeUser": {
			{request: send(http.MethodPatch, fmt.Sprintf("/api/users/%d", a.ID), text(`{"name":"Alice"}`)), want: [4]int{ok, hidden, ok, unknown}},
			{request: send(http.MethodPatch, fmt.Sprintf("/api/users/%d", a.ID), text(`{"role":"user"}`)), want: [4]int{forbidden, hidden, ok, unknown}},
			{request: send(http.MethodPatch, fmt.Sprintf("/api/users/%d", a.ID), text(`{"email":"alice@example.com"}`)), want: [4]int{forbidden, hidden, ok, unknown}},
			{
				request: send(http.MethodPatch, fmt.Sprintf("/api/users/%d", a.ID), text(`{"email":"alice@example.com","current_password":%q}`, a.Password)),
				want:    [4]int{ok, hidden, ok, unknown},
			},
		},
		"deactivateUser": {{request: send(http.MethodDelete, fmt.Sprintf("/api/users/%d", leaving.ID), text("")), want: [4]int{hidden, hidden, gone, unknown}}},
		"listUsers":      {{request: get("/api/users"), want: [4]int{forbidden, forbidden, ok, unknown}}},
		"createUser":     {{request: send(http.MethodPost, "/api/users", newUser), want: [4]int{forbidden, forbidden, created, unknown}}},
		"listEvents":     {{request: get("/api/events"), want: [4]int{ok, ok, ok, unknown}}},
		"getEvent":       {{request: get("/api/events/%d", event), want: [4]int{ok, ok, ok, unknown}}},
		"placeBet":       {{request: send(http.MethodPost, "/api/bets", text(`{"event_id":%d,"amount":1}`, event)), want: [4]int{created, created, created, unknown}}},
		"listBets": {
			{request: get("/api/bets"), want: [4]int{ok, ok, ok, unknown}},
			{request: get("/api/bets?user_id=%d", a.ID), want: [4]int{ok, forbidden, ok, unknown}},
		},
		"getBet":    {{request: get("/api/bets/%d", bet), want: [4]int{ok, hidden, ok, unknown}}},
		"cancelBet": {{request: send(http.MethodPost, fmt.Sprintf("/api/bets/%d/cancel", a.Place(t, event, "1").ID), text("")), want: [4]int{ok, hidden, ok, unknown}}},
		"listVoids": {{request: get("/api/events/%d/voids", event), want: [4]int{forbidden, forbidden, ok, unknown}}},
		"voidBets": {{
			request: send(http.MethodPost, fmt.Sprintf("/api/events/%d/voids", event), text(`{"from":"2025-01-18T05:03:07Z","to":"2025-01-18T05:04:00Z","reason":"R"}`)),
			want:    [4]int{forbidden, forbidden, created, unknown},
		}},
		"undoVoid": {{
			request: send(http.MethodPost, fmt.Sprintf("/api/events/%d/voids/%d/undo", event, window), text(`{"reason":"R"}`)),
			want:    [4]int{forbidden, forbidden, ok, unknown},
		}},
		"getWallet": {
			{request: get("/api/wallet"), want: [4]int{ok, ok, ok, unknown}},
			{request: get("/api/wallet?user_id=%d", a.ID), want: [4]int{ok, forbidden, ok, unknown}},
		},
		"listTransfers": {
			{request: get("/api/wallet/transfers"), want: [4]int{ok, ok, ok, unknown}},
			{request: get("/api/wallet/transfers?user_id=%d", a.ID), want: [4]int{ok, forbidden, ok, unknown}},
		},
		"setStakeLimit": {{request: send(http.MethodPut, "/api/wallet/limit", text(`{"daily_stake_limit":50}`)), want: [4]int{ok, ok, ok, unknown}}},
		"setExclusion": {{
			request: send(http.MethodPut, "/api/wallet/exclusion", text(`{"until":%q}`, time.Now().UTC().Add(48*time.Hour).Format(time.RFC3339))),
			want:    [4]int{ok, ok, ok, unknown},
		}},
		"deposit":          {{request: pay("deposits"), want: [4]int{forbidden, forbidden, created, unknown}}},
		"withdraw":         {{request: pay("withdrawals"), want: [4]int{forbidden, forbidden, created, unknown}}},
		"listAuditRecords": {{request: get("/api/audit"), want: [4]int{forbidden, forbidden, ok, unknown}}},
		"healthz":          {{request: get("/healthz"), public: true}},
		"readyz":           {{request: get("/readyz"), public: true}},
		"metrics":          {{request: get("/metrics"), public: true}},
		"docs":             {{request: get("/docs"), public: true}},
		"openapi":          {{request: get("/openapi.yaml"), public: true}},
	}
	onlyService := func(status int) [4]int { return [4]int{unknown, unknown, unknown, status} }
	lineProvider := map[string][]row{
		"createEvent": {{request: send(http.MethodPost, "/event", text(`{"coefficient":1.45}`)), want: onlyService(created)}},
		"listEvents":  {{request: get("/events"), want: onlyService(ok)}},
		"eventChanges": {
			{request: get("/events/changes"), want: onlyService(ok)},
		},
		"getEvent":      {{request: get("/event/%d", event), want: onlyService(ok)}},
		"changeEvent":   {{request: send(http.MethodPatch, newEvent(), text(`{"coefficient":1.50}`)), want: onlyService(ok)}},
		"removeEvent":   {{request: send(http.MethodDelete, newEvent(), text("")), want: onlyService(gone)}},
		"setEventState": {{request: send(http.MethodPatch, newEvent()+"/status", text(`{"state":2}`)), want: onlyService(ok)}},
		"eventHistory":  {{request: get("/event/%d/history", event), want: onlyService(ok)}},
		"healthz":       {{request: get("/healthz"), public: true}},
		"readyz":        {{request: get("/readyz"), public: true}},
		"metrics":       {{request: get("/metrics"), public: true}},
		"docs":          {{request: get("/docs"), public: true}},
		"openapi":       {{request: get("/openapi.yaml"), public: true}},
	}
	tokens := [actorCount]string{
		userA: a.Token, userB: b.Token, admin: root.Token, service: system.ServiceToken, noToken: "",
		expired:        forge(t, root.Token, system.SecretKey, map[string]any{"alg": "HS256", "typ": "JWT"}, -2*time.Hour),
		algNone:        forge(t, root.Token, "", map[string]any{"alg": "none", "typ": "JWT"}, 0),
		wrongSignature: forge(t, root.Token, "another secret key that is long enough", map[string]any{"alg": "HS256", "typ": "JWT"}, 0),
	}
	t.Run("a token made here like a real one is accepted", func(t *testing.T) {
		genuine := forge(t, root.Token, system.SecretKey, map[string]any{"alg": "HS256", "typ": "JWT"}, 0)
		got, err := s.Do(s.BetMakers[0], system.Request{Method: http.MethodGet, Path: "/api/users/me", Token: genuine})
		if err != nil || got.Status != http.StatusOK {
			t.Fatalf("got %d %s %v, so the refusals below prove nothing", got.Status, got.Body, err)
		}
	})
	checkTable(t, s, s.BetMakers[0], system.BetMakerSpec(), betMaker, tokens)
	checkTable(t, s, s.LineProviders[0], system.LineProviderSpec(), lineProvider, tokens)
}

const sparePassword = "a spare password"

// spareUsers returns the tokens of two users and an admin who may lose them.
func spareUsers(t *testing.T, s *system.System, root *system.User) (tokens [3]string) {
	t.Helper()
	for i, role := range []betmaker.Role{betmaker.RoleUser, betmaker.RoleUser, betmaker.RoleAdmin} {
		name := fmt.Sprintf("spare-%x", rand.Uint64())
		created, err := root.API.CreateUserWithResponse(t.Context(), betmaker.NewUser{
			Name: "Spare", Username: name, Email: name + "@example.com", Password: sparePassword, Role: &role,
		})
		if err != nil || created.JSON201 == nil {
			t.Fatalf("create %s: %v %+v", name, err, created)
		}
		tokens[i] = s.SignIn(t, 0, name, sparePassword).Token
	}
	return tokens
}

// checkTable sends every row as every actor. It fails the test for an operation without a row
// and for a row without an operation.
func checkTable(t *testing.T, s *system.System, service *system.Service, spec *contract.Spec, table map[string][]row, tokens [actorCount]string) {
	t.Helper()
	var operations []string
	for _, item := range spec.Document.Paths.Map() {
		for _, operation := range item.Operations() {
			operations = append(operations, operation.OperationID)
			if len(table[operation.OperationID]) == 0 {
				t.Errorf("%s: the operation %s has no row", service.Name, operation.OperationID)
			}
		}
	}
	for _, operation := range slices.Sorted(maps.Keys(table)) { // setExclusion comes after placeBet: an excluded user places no more bets
		if !slices.Contains(operations, operation) {
			t.Errorf("%s: the row %s has no operation", service.Name, operation)
		}
		for _, row := range table[operation] {
			for actor, token := range tokens {
				want := http.StatusOK
				switch {
				case row.public:
				case actor < len(row.want):
					want = row.want[actor]
				default:
					want = http.StatusUnauthorized
				}
				request := row.request()
				request.Token = token
				if actor < len(row.as) && row.as[actor] != "" {
					request.Token = row.as[actor]
				}
				got, err := s.Do(service, request)
				if err != nil {
					t.Errorf("%s as %s: %v", operation, actorNames[actor], err)
					continue
				}
				if got.Status != want {
					t.Errorf("%s %s as %s: got %d %s, want %d", operation, request.Path, actorNames[actor], got.Status, got.Body, want)
				}
				if got.Status == http.StatusUnauthorized && !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Bearer") {
					t.Errorf("%s as %s: WWW-Authenticate is %q", operation, actorNames[actor], got.Header.Get("WWW-Authenticate"))
				}
			}
		}
	}
}

// forge returns a token with the claims of a real one, but another header, another key and
// moved times.
func forge(t *testing.T, token, key string, header map[string]any, move time.Duration) string {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatalf("decode a token: %v", err)
	}
	claims := make(map[string]any)
	decoder := json.NewDecoder(strings.NewReader(string(payload)))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil {
		t.Fatalf("decode the claims: %v", err)
	}
	for _, claim := range []string{"exp", "nbf", "iat"} {
		number, ok := claims[claim].(json.Number)
		if !ok {
			t.Fatalf("the token has no %s: %s", claim, payload)
		}
		at, err := number.Int64()
		if err != nil {
			t.Fatalf("the claim %s: %v", claim, err)
		}
		claims[claim] = at + int64(move/time.Second)
	}
	signed := encode(t, header) + "." + encode(t, claims)
	if key == "" {
		return signed + "."
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func encode(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// Authentication comes before validation: a request without a token is answered 401, also
// if it is malformed.
func TestAuthenticationComesFirst(t *testing.T) {
	t.Parallel()
	authenticationComesFirst(t, start(t, system.Options{}))
}

func authenticationComesFirst(t *testing.T, s *system.System) {
	t.Helper()
	broken := url.QueryEscape("\x00")
	for _, service := range s.Services() {
		for _, r := range []system.Request{
			{Method: http.MethodPost, Path: "/api/bets", Body: "{"},
			{Method: http.MethodPost, Path: "/event", Body: "{"},
			{Method: http.MethodPost, Path: "/event", Body: strings.Repeat("x", 70_000)},
			{Method: http.MethodPost, Path: "/api/bets", Body: "{}", ContentType: "text/plain"},
			{Method: http.MethodGet, Path: "/events?limit=none"},
			{Method: http.MethodGet, Path: "/api/bets?limit=" + broken},
		} {
			if strings.HasPrefix(service.Name, "betmaker") != strings.HasPrefix(r.Path, "/api") {
				continue
			}
			got, err := s.Do(service, r)
			if err != nil || got.Status != http.StatusUnauthorized {
				t.Errorf("%s %s %s: got %d %s %v, want 401", service.Name, r.Method, r.Path, got.Status, got.Body, err)
			}
		}
	}
}
