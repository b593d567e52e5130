package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

func readResponse(resp *http.Response) (Response, error) {
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return Response{}, fmt.Errorf("read a response: %w", err)
	}
	return Response{resp.StatusCode, resp.Header, body}, nil
}

// Code returns the code of a problem, or "" for anything else.
func (r Response) Code() string {
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(r.Body, &problem)
	return problem.Code
}

// User is a user of bet-maker with the generated client.
type User struct {
	ID       int64
	Username string
	Password string
	Token    string
	API      *betmaker.ClientWithResponses
}

// Admin signs the first user in at a replica of bet-maker.
func (s *System) Admin(t testing.TB, replica int) *User {
	t.Helper()
	return s.SignIn(t, replica, s.Env["FIRST_USER_USERNAME"], s.Env["FIRST_USER_PASSWORD"])
}

// SignIn gets a token for a user at a replica.
func (s *System) SignIn(t testing.TB, replica int, username, password string) *User {
	t.Helper()
	api := s.BetMaker(t, replica, "")
	token, err := api.IssueTokenWithResponse(t.Context(), betmaker.Credentials{Username: username, Password: password})
	if err != nil || token.JSON200 == nil {
		t.Fatalf("sign %s in: %v %s", username, err, bodyOf(token))
	}
	user := &User{Username: username, Password: password, Token: token.JSON200.AccessToken}
	user.API = s.BetMaker(t, replica, user.Token)
	me, err := user.API.GetCurrentUserWithResponse(t.Context())
	if err != nil || me.JSON200 == nil {
		t.Fatalf("read the user %s: %v", username, err)
	}
	user.ID = me.JSON200.ID
	return user
}

func bodyOf(r *betmaker.IssueTokenResponse) string {
	if r == nil {
		return ""
	}
	return string(r.Body)
}

// NewUser creates a user as the first user, and signs the new user in at a replica.
func (s *System) NewUser(t testing.TB, replica int) *User {
	t.Helper()
	name := fmt.Sprintf("user-%x", rand.Uint64())
	created, err := s.Admin(t, replica).API.CreateUserWithResponse(t.Context(), betmaker.NewUser{
		Name: "Test User", Username: name, Email: name + "@example.com", Password: "password of " + name[:8],
	})
	if err != nil || created.JSON201 == nil {
		t.Fatalf("create %s: %v %+v", name, err, created)
	}
	return s.SignIn(t, replica, name, "password of "+name[:8])
}

// BetMaker returns a client of a bet-maker replica with a token, or none.
func (s *System) BetMaker(t testing.TB, replica int, token string) *betmaker.ClientWithResponses {
	t.Helper()
	service := s.BetMakers[replica]
	client, err := betmaker.NewClientWithResponses(service.URL, betmaker.WithHTTPClient(s.clientFor(service)), betmaker.WithRequestEditorFn(bearer(token)))
	if err != nil {
		t.Fatalf("make a client of %s: %v", service.Name, err)
	}
	return client
}

// Line is an operator of the line with the generated client of line-provider.
type Line struct {
	API *lineprovider.ClientWithResponses
	t   testing.TB
}

// Line returns an operator at a replica of line-provider.
func (s *System) Line(t testing.TB, replica int) *Line {
	t.Helper()
	service := s.LineProviders[replica]
	client, err := lineprovider.NewClientWithResponses(service.URL, lineprovider.WithHTTPClient(s.clientFor(service)), lineprovider.WithRequestEditorFn(bearer(s.Env["LINE_PROVIDER_TOKEN"])))
	if err != nil {
		t.Fatalf("make a client of %s: %v", service.Name, err)
	}
	return &Line{API: client, t: t}
}

func bearer(token string) func(context.Context, *http.Request) error {
	return func(_ context.Context, req *http.Request) error {
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		return nil
	}
}

// Create puts an event on the line with the default deadline.
func (l *Line) Create(coefficient string) lineprovider.Event {
	l.t.Helper()
	created, err := l.API.CreateEventWithResponse(l.t.Context(), nil, lineprovider.NewEvent{Coefficient: odds.MustParse(coefficient)})
	if err != nil || created.JSON201 == nil {
		l.t.Fatalf("create an event at %s: %v %+v", coefficient, err, created)
	}
	return *created.JSON201
}

// Finish gives an event a state.
func (l *Line) Finish(event int64, state lineprovider.EventState) lineprovider.Event {
	l.t.Helper()
	set, err := l.API.SetEventStateWithResponse(l.t.Context(), event, nil, lineprovider.NewState{State: state})
	if err != nil || set.JSON200 == nil {
		l.t.Fatalf("set event %d to state %d: %v %+v", event, state, err, set)
	}
	return *set.JSON200
}

// Place places a bet that must be accepted.
func (u *User) Place(t testing.TB, event int64, amount string) betmaker.Bet {
	t.Helper()
	placed, err := u.API.PlaceBetWithResponse(t.Context(), nil, betmaker.NewBet{EventID: event, Amount: money.MustParse(amount)})
	if err != nil || placed.JSON201 == nil {
		t.Fatalf("bet %s on event %d: %v %+v", amount, event, err, placed)
	}
	return *placed.JSON201
}

// Bet reads a bet.
func (u *User) Bet(t testing.TB, id int64) betmaker.Bet {
	t.Helper()
	got, err := u.API.GetBetWithResponse(t.Context(), id)
	if err != nil || got.JSON200 == nil {
		t.Fatalf("read bet %d: %v %+v", id, err, got)
	}
	return *got.JSON200
}

// AwaitStatus waits until a bet has a status, and returns it.
func (u *User) AwaitStatus(t testing.TB, id int64, want betmaker.BetStatus, within time.Duration) betmaker.Bet {
	t.Helper()
	var bet betmaker.Bet
	Eventually(t, within, fmt.Sprintf("bet %d is %s", id, want), func() error {
		if bet = u.Bet(t, id); bet.Status != want {
			return fmt.Errorf("it is %s", bet.Status)
		}
		return nil
	})
	return bet
}

// Wallet reads the user's wallet.
func (u *User) Wallet(t testing.TB) betmaker.Wallet {
	t.Helper()
	got, err := u.API.GetWalletWithResponse(t.Context(), nil)
	if err != nil || got.JSON200 == nil {
		t.Fatalf("read the wallet of %s: %v %+v", u.Username, err, got)
	}
	return *got.JSON200
}

// Statement reads the newest transfers of the user, up to 500.
func (u *User) Statement(t testing.TB) []betmaker.Transfer {
	t.Helper()
	got, err := u.API.ListTransfersWithResponse(t.Context(), &betmaker.ListTransfersParams{Limit: new(500)})
	if err != nil || got.JSON200 == nil {
		t.Fatalf("read the statement of %s: %v %+v", u.Username, err, got)
	}
	return *got.JSON200
}

// VerifyLedger runs "ledger verify" and fails the test unless the ledger is in order.
func (s *System) VerifyLedger(t testing.TB) {
	t.Helper()
	said, err := s.BetMakers[0].Command("ledger", "verify")
	if err != nil || !strings.HasSuffix(said, "the ledger is in order\n") {
		t.Errorf("ledger verify printed\n%s%v", said, err)
	}
}
