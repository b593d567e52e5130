package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/argon2id"
	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/adapters/jwt"
	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/adapters/sqlite/sqlitetest"
	"stavka.local/betmaker/internal/adapters/ttlcache"
	"stavka.local/betmaker/internal/adapters/usercache"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/health"
	"stavka.local/shared/line"
	"stavka.local/shared/logging"
	"stavka.local/shared/metrics"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

var quiet = slog.New(slog.DiscardHandler)

// service is the API on a new database, with an administrator and two users signed in.
type service struct {
	store              *sqlite.Store
	server             *server
	handler            http.Handler
	admin, anna, bella session
	feed               error // the reason for refusing bets, if any
	line               *silentLine
}

// session is a signed-in user.
type session struct {
	domain.User
	token string
}

// silentLine is a line that has no events or does not answer.
type silentLine struct{ err error }

func (l *silentLine) Changes(context.Context, int64, int) (ports.Page, error) {
	return ports.Page{}, l.err
}

func (l *silentLine) Event(context.Context, domain.EventID) (line.Change, error) {
	return line.Change{}, l.err
}

func newService(t *testing.T) *service {
	t.Helper()
	store := sqlitetest.New(t)
	tokens, err := jwt.New(jwt.Config{Algorithm: "HS256", Secret: []byte("a secret key for tests, long enough"), TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{store: store, line: &silentLine{err: ports.ErrNotFound}}
	throttle := usecase.NewLoginThrottle(store.LoginFailures, time.Now, quiet)
	passwords, remembered := argon2id.New(2), jwt.NewCache(tokens, 100)
	catalogue := usecase.NewCatalogue(usecase.CatalogueConfig{
		Cache: ttlcache.NewEvents(100, time.Minute), Unknown: ttlcache.NewUnknown(100, time.Second),
		Events: store.Events, Line: s.line,
		Apply: func(context.Context, line.Change) error { return nil },
	})
	authenticator := &usecase.Authenticator{Tokens: remembered, Users: usercache.New(store.Users.User, 100)}
	placer := usecase.NewPlacer(usecase.PlacerConfig{
		Placements: store.Placements,
		Limits: domain.Limits{
			Stake:  domain.StakeLimits{Min: money.MustParse("0.01"), Max: money.MustParse("1000000.00")},
			Payout: money.MustParse("2000.00"),
		},
		Workers: 2, FeedAlive: func() error { return s.feed }, Confirm: authenticator.Confirm, Peek: catalogue.Peek, Fetch: catalogue.Fetch,
	})
	run(t, placer.Run)
	prepared := make(chan struct{})
	close(prepared)
	s.server = &server{Dependencies{
		Authenticator: authenticator,
		Login: &usecase.Login{
			Users: store.Users, Passwords: passwords, Tokens: tokens, Logger: quiet,
			Throttle: throttle,
		},
		Users:  &usecase.Users{Store: store.Users, Passwords: passwords, Throttle: throttle, Opening: money.MustParse("1000.00")},
		Placer: placer, Catalogue: catalogue, Bets: store.Bets,
		Wallets:   usecase.Wallets{Store: store.Wallets},
		CancelBet: usecase.CancelBet{Settlements: store.Settlements, Window: time.Hour},
		Voids:     usecase.Voids{Events: store.Events, Revised: func(id domain.EventID) { s.settle(t, id) }},
		AuditLog:  usecase.AuditLog{Store: store.AuditLog},
		Health:    health.New(), Metrics: metrics.New("betmaker"), Prepared: prepared,
	}}
	if s.handler, err = New(s.server.Dependencies); err != nil {
		t.Fatal(err)
	}
	first := usecase.FirstUser{Name: "Root", Username: "root", Email: "root@example.com", Password: "a password"}
	if err := s.server.Users.EnsureFirst(t.Context(), first, quiet); err != nil {
		t.Fatal(err)
	}
	s.admin = s.signIn(t, "root", "a password")
	s.anna, s.bella = s.newUser(t, "anna"), s.newUser(t, "bella")
	return s
}

// settle settles the bets on an event.
func (s *service) settle(t *testing.T, id domain.EventID) {
	t.Helper()
	if _, err := s.store.Settlements.SettleChunk(t.Context(), id, 0, 500, (*domain.Settling).Settle); err != nil {
		t.Errorf("settle event %d: %v", id, err)
	}
}

// run runs a loop until the test ends.
func run(t *testing.T, loop func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := loop(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

func (s *service) newUser(t *testing.T, name string) session {
	t.Helper()
	got := s.post(t, s.admin, "/api/users", fmt.Sprintf(`{"name":%q,"username":%q,"email":"%s@example.com","password":"a password"}`, name, name, name))
	if got.Code != http.StatusCreated {
		t.Fatalf("create %s: %d %s", name, got.Code, got.Body)
	}
	return s.signIn(t, name, "a password")
}

func (s *service) signIn(t *testing.T, username, password string) session {
	t.Helper()
	got := s.post(t, session{}, "/token", fmt.Sprintf(`{"username":%q,"password":%q}`, username, password))
	token := decode[oapi.Token](t, got, http.StatusOK)
	user, err := s.store.Users.ByUsername(t.Context(), username)
	if err != nil {
		t.Fatal(err)
	}
	return session{user.User, token.AccessToken}
}

// addEvents adds open events 1 to n at 1.45.
func (s *service) addEvents(t *testing.T, n int) {
	t.Helper()
	for id := range n {
		s.change(t, domain.EventID(id+1), func(event *domain.Event) {
			event.LineEvent = domain.LineEvent{
				ID: domain.EventID(id + 1), Dataset: "d", Version: 1, Name: fmt.Sprintf("Event %d", id+1),
				Coefficient: odds.MustParse("1.45"), Deadline: time.Now().Add(time.Hour).Truncate(time.Second), State: domain.StateNew,
			}
		})
	}
}

func (s *service) change(t *testing.T, id domain.EventID, edit func(*domain.Event)) {
	t.Helper()
	err := s.store.Events.Update(t.Context(), []domain.EventID{id}, func(_ time.Time, known map[domain.EventID]domain.Event) []domain.Event {
		event := known[id]
		edit(&event)
		event.Seq++
		return []domain.Event{event}
	})
	if err != nil {
		t.Fatalf("change event %d: %v", id, err)
	}
}

func (s *service) get(t *testing.T, as session, path string) *httptest.ResponseRecorder {
	t.Helper()
	return s.send(t, as, http.MethodGet, path, "", nil)
}

func (s *service) post(t *testing.T, as session, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	return s.send(t, as, http.MethodPost, path, body, nil)
}

func (s *service) send(t *testing.T, as session, method, path, body string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if as.token != "" {
		request.Header.Set("Authorization", "Bearer "+as.token)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, request)
	return recorder
}

// decode reads an answer, which must have the status and only members of T.
func decode[T any](t *testing.T, got *httptest.ResponseRecorder, status int) T {
	t.Helper()
	var value T
	if got.Code != status {
		t.Fatalf("got %d %s, want %d", got.Code, got.Body, status)
	}
	decoder := json.NewDecoder(bytes.NewReader(got.Body.Bytes()))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("decode %s: %v", got.Body, err)
	}
	return value
}

// problemOf is the part of a problem that the tests check.
type problemOf struct {
	Code      string `json:"code"`
	Field     string `json:"field"`
	RequestID string `json:"request_id"`

	Max           *money.Amount `json:"max"`
	MaxStake      *money.Amount `json:"max_stake"`
	Limit         string        `json:"limit"`
	Debt          *money.Amount `json:"debt"`
	ExcludedUntil *time.Time    `json:"excluded_until"`
}

func refusal(t *testing.T, got *httptest.ResponseRecorder, status int, code string) problemOf {
	t.Helper()
	var p problemOf
	if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil || got.Code != status || p.Code != code {
		t.Errorf("got %d %s, want %d %s", got.Code, got.Body, status, code)
	}
	return p
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := newService(t)
	form := func(values url.Values) *httptest.ResponseRecorder {
		return s.send(t, session{}, http.MethodPost, "/token", values.Encode(), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
	}
	t.Run("by the form that Swagger UI sends", func(t *testing.T) {
		t.Parallel()
		got := form(url.Values{
			"grant_type": {"password"}, "username": {"anna"}, "password": {"a password"},
			"scope": {""}, "client_id": {""}, "client_secret": {""},
		})
		token := decode[oapi.Token](t, got, http.StatusOK)
		if token.TokenType != oapi.TokenTypeBearer || token.ExpiresIn != 3600 || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("got %+v, %v", token, got.Header())
		}
		me := decode[oapi.User](t, s.get(t, session{token: token.AccessToken}, "/api/users/me"), http.StatusOK)
		if me.ID != int64(s.anna.ID) || me.Username != "anna" || me.Role != oapi.RoleUser || !me.Active {
			t.Errorf("got %+v, want anna", me)
		}
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		refusal(t, form(url.Values{"username": {"anna"}, "password": {"wrong"}}), http.StatusUnauthorized, "invalid_credentials")
		refusal(t, form(url.Values{"username": {"anna"}}), http.StatusBadRequest, "invalid_request")
		refusal(t, form(url.Values{"username": {"anna"}, "password": {"a password"}, "grant_type": {"refresh_token"}}), http.StatusBadRequest, "invalid_request")
		refusal(t, s.post(t, session{}, "/token", `{"username":"missing","password":"a password"}`), http.StatusUnauthorized, "invalid_credentials")
		refusal(t, s.post(t, session{}, "/token", `{"username":"anna"}`), http.StatusBadRequest, "invalid_request")
		refusal(t, s.get(t, session{}, "/api/users/me"), http.StatusUnauthorized, "unauthenticated")
		refusal(t, s.get(t, session{token: s.anna.token + "x"}, "/api/users/me"), http.StatusUnauthorized, "unauthenticated")
	})
	t.Run("a media type in capitals", func(t *testing.T) {
		t.Parallel()
		got := s.send(t, session{}, http.MethodPost, "/token", `{"username":"anna","password":"a password"}`, map[string]string{"Content-Type": "Application/JSON"})
		refusal(t, got, http.StatusUnsupportedMediaType, "unsupported_media_type")
	})
}

func TestOperationsAreUnavailableBeforeTheStoreIsPrepared(t *testing.T) {
	t.Parallel()
	s := newService(t)
	unprepared := s.server.Dependencies
	unprepared.Prepared = make(chan struct{})
	unprepared.Metrics = metrics.New("betmaker")
	var err error
	if s.handler, err = New(unprepared); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]*httptest.ResponseRecorder{
		"a token": s.post(t, session{}, "/token", `{"username":"root","password":"a password"}`),
		"a list":  s.get(t, s.admin, "/api/bets"),
		"a bet":   s.post(t, s.anna, "/api/bets", `{"event_id":1,"amount":1}`),
	} {
		if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s, want 503 and Retry-After", name, got.Code, got.Body)
		}
	}
}

func TestGuessesAreThrottled(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for range 5 {
		refusal(t, s.post(t, session{}, "/token", `{"username":"anna","password":"wrong"}`), http.StatusUnauthorized, "invalid_credentials")
	}
	for _, password := range []string{"wrong", "a password"} {
		got := s.post(t, session{}, "/token", fmt.Sprintf(`{"username":"anna","password":%q}`, password))
		refusal(t, got, http.StatusTooManyRequests, "throttled")
		if got.Header().Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q, want 1", got.Header().Get("Retry-After"))
		}
	}
	s.signIn(t, "bella", "a password")
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := newService(t)
	created := s.post(t, s.admin, "/api/users", `{"name":"Clara","username":"clara","email":"clara@example.com","password":"a password","role":"admin"}`)
	clara := decode[oapi.User](t, created, http.StatusCreated)
	path := fmt.Sprintf("/api/users/%d", clara.ID)
	if created.Header().Get("Location") != path {
		t.Errorf("Location is %q, want %q", created.Header().Get("Location"), path)
	}
	want := oapi.User{
		ID: clara.ID, Name: "Clara", Username: "clara", Email: "clara@example.com", Role: oapi.RoleAdmin, Active: true,
		CreatedAt: clara.CreatedAt, UpdatedAt: clara.UpdatedAt,
	}
	if got := decode[oapi.User](t, s.get(t, s.admin, path), http.StatusOK); got != want || clara != want || clara.CreatedAt.IsZero() {
		t.Errorf("created %+v, got %+v\nwant %+v", clara, got, want)
	}
	patch := func(as session, path, body string) *httptest.ResponseRecorder {
		t.Helper()
		return s.send(t, as, http.MethodPatch, path, body, nil)
	}
	own := fmt.Sprintf("/api/users/%d", s.anna.ID)
	changed := decode[oapi.User](t, patch(s.anna, own, `{"name":"Anna Maria"}`), http.StatusOK)
	if changed.Name != "Anna Maria" || changed.Username != "anna" {
		t.Errorf("got %+v", changed)
	}
	refusal(t, s.get(t, s.anna, path), http.StatusNotFound, "user_not_found")
	refusal(t, s.get(t, s.admin, "/api/users/999"), http.StatusNotFound, "user_not_found")
	refusal(t, s.get(t, s.anna, "/api/users"), http.StatusForbidden, "forbidden")
	refusal(t, patch(s.anna, own, `{"role":"admin"}`), http.StatusForbidden, "forbidden")
	refusal(t, patch(s.anna, path, `{"name":"N"}`), http.StatusNotFound, "user_not_found")
	refusal(t, patch(s.anna, own, `{"username":"BELLA"}`), http.StatusConflict, "username_taken")
	refusal(t, patch(s.anna, own, `{"email":"bella@example.com"}`), http.StatusConflict, "email_taken")
	for body, field := range map[string]string{
		`{}`: "body", `{"username":"a\u200bb"}`: "username", `{"name":" "}`: "name", `{"password":"1234567"}`: "password", `{"active":false}`: "active",
	} {
		if p := refusal(t, patch(s.anna, own, body), http.StatusBadRequest, "invalid_request"); p.Field != field {
			t.Errorf("%s: the field is %q, want %q", body, p.Field, field)
		}
	}
	refusal(t, s.post(t, s.anna, "/api/users", `{"name":"D","username":"d","email":"d@example.com","password":"a password"}`), http.StatusForbidden, "forbidden")
	refusal(t, s.post(t, s.admin, "/api/users", `{"name":"D","username":"anna","email":"d@example.com","password":"a password"}`), http.StatusConflict, "username_taken")
}

func TestDeactivation(t *testing.T) {
	t.Parallel()
	s := newService(t)
	remove := func(as session, user session) *httptest.ResponseRecorder {
		t.Helper()
		return s.send(t, as, http.MethodDelete, fmt.Sprintf("/api/users/%d", user.ID), "", nil)
	}
	refusal(t, remove(s.anna, s.bella), http.StatusNotFound, "user_not_found")
	refusal(t, remove(s.admin, s.admin), http.StatusForbidden, "current_password_required")
	leave := func(as session, password string) *httptest.ResponseRecorder {
		t.Helper()
		return s.post(t, as, "/api/users/me/deactivate", fmt.Sprintf(`{"current_password":%q}`, password))
	}
	refusal(t, leave(s.admin, "wrong"), http.StatusForbidden, "current_password_required")
	refusal(t, leave(s.admin, "a password"), http.StatusConflict, "last_admin")
	if got := leave(s.bella, "a password"); got.Code != http.StatusNoContent {
		t.Errorf("bella deactivates herself: got %d %s", got.Code, got.Body)
	}
	refusal(t, s.post(t, session{}, "/token", `{"username":"bella","password":"a password"}`), http.StatusForbidden, "user_inactive")
	for range 2 {
		if got := remove(s.admin, s.anna); got.Code != http.StatusNoContent || got.Body.Len() != 0 {
			t.Errorf("got %d %s", got.Code, got.Body)
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for s.get(t, s.anna, "/api/users/me").Code == http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatal("the token still works after 5 s")
		}
	}
	refusal(t, s.get(t, s.anna, "/api/users/me"), http.StatusForbidden, "user_inactive")
	refusal(t, s.post(t, session{}, "/token", `{"username":"anna","password":"a password"}`), http.StatusForbidden, "user_inactive")
	refusal(t, s.post(t, session{}, "/token", `{"username":"anna","password":"wrong"}`), http.StatusUnauthorized, "invalid_credentials")
}

func TestListUsersByPages(t *testing.T) {
	t.Parallel()
	s := newService(t)
	var names []string
	for _, user := range pages[oapi.User](t, s, s.admin, "/api/users?limit=2") {
		names = append(names, user.Username)
	}
	if got := strings.Join(names, " "); got != "root anna bella" {
		t.Errorf("got %q", got)
	}
	refusal(t, s.get(t, s.admin, "/api/users?after=MA"), http.StatusBadRequest, "invalid_request")
}

// pages follows the links of a list to its end.
func pages[T any](t *testing.T, s *service, as session, path string) []T {
	t.Helper()
	var items []T
	for range 100 {
		got := s.get(t, as, path)
		items = append(items, decode[[]T](t, got, http.StatusOK)...)
		link := got.Header().Get("Link")
		if link == "" {
			return items
		}
		next, isNext := strings.CutSuffix(link, `>; rel="next"`)
		target, isLink := strings.CutPrefix(next, "<")
		if !isNext || !isLink {
			t.Fatalf("the link is %s", link)
		}
		path = target
	}
	t.Fatalf("%s has no end", path)
	return nil
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 5)
	s.change(t, 2, func(e *domain.Event) { e.Deadline = time.Now().Add(-time.Hour) })
	s.change(t, 3, func(e *domain.Event) { e.Name = "" })

	var listed []int64
	for _, event := range pages[oapi.Event](t, s, s.anna, "/api/events?limit=1") {
		listed = append(listed, event.EventID)
	}
	if got := fmt.Sprint(listed); got != "[1 3 4 5]" {
		t.Errorf("got %s, want the events that take bets", got)
	}
	s.change(t, 4, func(e *domain.Event) { e.Quarantined = true })
	third := decode[oapi.Event](t, s.get(t, s.anna, "/api/events/3"), http.StatusOK)
	want := oapi.Event{
		EventID: 3, Coefficient: odds.MustParse("1.45"), Deadline: third.Deadline, State: oapi.EventStateNew, Version: 1,
	}
	if third != want || third.Deadline < time.Now().Unix() {
		t.Errorf("got %+v, want %+v", third, want)
	}
	if first := decode[oapi.Event](t, s.get(t, s.anna, "/api/events/1"), http.StatusOK); first.Name == nil || *first.Name != "Event 1" {
		t.Errorf("got %+v, want its name", first)
	}
	if fourth := decode[oapi.Event](t, s.get(t, s.anna, "/api/events/4"), http.StatusOK); !fourth.Suspended {
		t.Error("an event in quarantine is not shown as suspended")
	}
	refusal(t, s.get(t, s.anna, "/api/events/999"), http.StatusNotFound, "event_not_found")
	s.line.err = ports.ErrUnavailable
	refusal(t, s.get(t, s.anna, "/api/events/998"), http.StatusServiceUnavailable, "unavailable")
}

func TestLogNamesTheUser(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ctx, err := s.server.authenticate(t.Context(), s.anna.token)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	logging.New(&logged, logging.Options{}).InfoContext(ctx, "something")
	for _, want := range []string{fmt.Sprintf("user_id=%d", s.anna.ID), "role=user"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("%q is not in %s", want, logged.String())
		}
	}
	if got := actorFrom(t.Context()); got != (domain.Actor{}) || got.MaySee(1) || got.RequireAdmin() == nil {
		t.Errorf("an unauthenticated request has the actor %+v, want none", got)
	}
}
