package httpapi

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
)

func (s *service) wallet(t *testing.T, as session) oapi.Wallet {
	t.Helper()
	return decode[oapi.Wallet](t, s.get(t, as, "/api/wallet"), http.StatusOK)
}

func (s *service) put(t *testing.T, as session, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	return s.send(t, as, http.MethodPut, path, body, nil)
}

// pay requests a deposit or a withdrawal, with or without a key.
func (s *service) pay(t *testing.T, as session, to session, what, key, body string) *httptest.ResponseRecorder {
	t.Helper()
	header := map[string]string{}
	if key != "" {
		header["Idempotency-Key"] = key
	}
	return s.send(t, as, http.MethodPost, fmt.Sprintf("/api/users/%d/%s", to.ID, what), body, header)
}

// isAmount reports whether a member of a problem is an amount.
func isAmount(got *money.Amount, want string) bool {
	return got != nil && *got == money.MustParse(want)
}

func TestWalletsFollowTheBets(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 1)
	bet := decode[oapi.Bet](t, s.place(t, s.anna, "", `{"event_id":1,"amount":10}`), http.StatusCreated)
	want := oapi.Wallet{
		UserID: int64(s.anna.ID), Balance: money.MustParse("990"), Held: money.MustParse("10"), StakedToday: money.MustParse("10"),
	}
	if got := s.wallet(t, s.anna); got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	s.win(t, 1)
	want.Balance, want.Held = money.MustParse("1004.50"), money.Amount{}
	path := fmt.Sprintf("/api/wallet?user_id=%d", s.anna.ID)
	for _, as := range []session{s.anna, s.admin} {
		if got := decode[oapi.Wallet](t, s.get(t, as, path), http.StatusOK); got != want {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	}
	refusal(t, s.get(t, s.bella, path), http.StatusForbidden, "forbidden")
	refusal(t, s.get(t, s.bella, "/api/wallet?user_id=999"), http.StatusForbidden, "forbidden")
	refusal(t, s.get(t, s.admin, "/api/wallet?user_id=999"), http.StatusNotFound, "user_not_found")

	own := fmt.Sprintf("wallet:%d", s.anna.ID)
	for name, tt := range map[string]struct {
		as   session
		path string
		want []string
	}{
		"a user's own":             {s.anna, "/api/wallet/transfers", []string{"payout house " + own, "payout escrow " + own, "stake " + own + " escrow", "opening external " + own}},
		"of a kind, page by page":  {s.anna, "/api/wallet/transfers?kind=payout&limit=1", []string{"payout house " + own, "payout escrow " + own}},
		"for a bet, page by page":  {s.anna, fmt.Sprintf("/api/wallet/transfers?limit=1&bet_id=%d", bet.ID), []string{"payout house " + own, "payout escrow " + own, "stake " + own + " escrow"}},
		"by an admin, all filters": {s.admin, fmt.Sprintf("/api/wallet/transfers?limit=1&kind=payout&bet_id=%d&user_id=%d", bet.ID, s.anna.ID), []string{"payout house " + own, "payout escrow " + own}},
		"for a missing bet":        {s.anna, "/api/wallet/transfers?bet_id=999", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, transfer := range pages[oapi.Transfer](t, s, tt.as, tt.path) {
				got = append(got, fmt.Sprintf("%s %s %s", transfer.Kind, transfer.Debit, transfer.Credit))
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
	stake := pages[oapi.Transfer](t, s, s.anna, "/api/wallet/transfers?kind=stake")[0]
	wanted := oapi.Transfer{
		ID: stake.ID, UserID: int64(s.anna.ID), Debit: own, Credit: "escrow", Amount: money.MustParse("10"), Kind: oapi.TransferKindStake,
		BetID: &bet.ID, Reference: new(fmt.Sprintf("event %d v%d @ %s, rounded down", bet.EventID, bet.EventVersion, bet.Coefficient)),
		CreatedAt: bet.CreatedAt,
	}
	if !reflect.DeepEqual(stake, wanted) {
		t.Errorf("got %+v\nwant %+v", stake, wanted)
	}
	refusal(t, s.get(t, s.bella, fmt.Sprintf("/api/wallet/transfers?user_id=%d", s.anna.ID)), http.StatusForbidden, "forbidden")
	if p := refusal(t, s.get(t, s.anna, "/api/wallet/transfers?kind=theft"), http.StatusBadRequest, "invalid_request"); p.Field != "kind" {
		t.Errorf("the field is %q", p.Field)
	}
	if p := refusal(t, s.get(t, s.anna, "/api/wallet/transfers?after=MA"), http.StatusBadRequest, "invalid_request"); p.Field != "after" {
		t.Errorf("the field is %q", p.Field)
	}
}

func TestPaymentsAreMadeOnce(t *testing.T) {
	t.Parallel()
	s := newService(t)
	first := s.pay(t, s.admin, s.anna, "deposits", "key", `{"amount":50,"reference":"transfer 4711"}`)
	deposit := decode[oapi.Transfer](t, first, http.StatusCreated)
	want := oapi.Transfer{
		ID: deposit.ID, UserID: int64(s.anna.ID), Debit: "external", Credit: fmt.Sprintf("wallet:%d", s.anna.ID), Amount: money.MustParse("50"),
		Kind: oapi.TransferKindDeposit, Reference: new("transfer 4711"), CreatedAt: deposit.CreatedAt,
	}
	if !reflect.DeepEqual(deposit, want) || first.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("got %+v\nwant %+v", deposit, want)
	}
	again := s.pay(t, s.admin, s.anna, "deposits", "key", `{"reference":"transfer 4711","amount":50.00}`)
	if again.Code != http.StatusCreated || !bytes.Equal(again.Body.Bytes(), first.Body.Bytes()) || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("got %d %s %v, want %s", again.Code, again.Body, again.Header(), first.Body)
	}
	for name, other := range map[string]*httptest.ResponseRecorder{
		"another amount":    s.pay(t, s.admin, s.anna, "deposits", "key", `{"amount":51,"reference":"transfer 4711"}`),
		"another reference": s.pay(t, s.admin, s.anna, "deposits", "key", `{"amount":50}`),
		"another user":      s.pay(t, s.admin, s.bella, "deposits", "key", `{"amount":50,"reference":"transfer 4711"}`),
	} {
		t.Log(name)
		refusal(t, other, http.StatusUnprocessableEntity, "idempotency_key_reused")
	}
	// Deposits and withdrawals have separate keys.
	withdrawal := decode[oapi.Transfer](t, s.pay(t, s.admin, s.anna, "withdrawals", "key", `{"amount":25}`), http.StatusCreated)
	if withdrawal.Kind != oapi.TransferKindWithdrawal || withdrawal.Credit != "external" || withdrawal.Reference != nil {
		t.Errorf("got %+v", withdrawal)
	}
	if got := s.wallet(t, s.anna).Balance; got != money.MustParse("1025") {
		t.Errorf("the balance is %s, want 1025.00", got)
	}
}

func TestPaymentsAreRefused(t *testing.T) {
	t.Parallel()
	s := newService(t)
	first := s.pay(t, s.admin, s.anna, "withdrawals", "much", `{"amount":1000.01}`)
	want := refusal(t, first, http.StatusConflict, "insufficient_funds")
	if !isAmount(want.Max, "1000") || want.MaxStake != nil {
		t.Errorf("got %s", first.Body)
	}
	if p := refusal(t, s.pay(t, s.admin, s.anna, "deposits", "much", `{"amount":99999999999.99}`), http.StatusConflict, "balance_too_large"); !isAmount(p.Max, "99999999999.99") {
		t.Errorf("got %+v", p)
	}
	decode[oapi.Transfer](t, s.pay(t, s.admin, s.anna, "deposits", "more", `{"amount":1}`), http.StatusCreated)
	again := s.pay(t, s.admin, s.anna, "withdrawals", "much", `{"amount":1000.01}`)
	if again.Code != first.Code || !bytes.Equal(again.Body.Bytes(), first.Body.Bytes()) || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("got %d %s %v, want %s", again.Code, again.Body, again.Header(), first.Body)
	}
	refusal(t, s.pay(t, s.anna, s.anna, "deposits", "own", `{"amount":1}`), http.StatusForbidden, "forbidden")
	refusal(t, s.pay(t, s.anna, s.anna, "withdrawals", "own", `{"amount":1}`), http.StatusForbidden, "forbidden")
	refusal(t, s.pay(t, s.admin, session{User: domain.User{ID: 999}}, "deposits", "key-1", `{"amount":1}`), http.StatusNotFound, "user_not_found")
	for name, tt := range map[string]struct{ key, body, field string }{
		"without a key":            {"", `{"amount":1}`, "Idempotency-Key"},
		"with a malformed key":     {"\u00e9", `{"amount":1}`, "Idempotency-Key"},
		"without an amount":        {"key", `{}`, "amount"},
		"of nothing":               {"key", `{"amount":0}`, "amount"},
		"of less than nothing":     {"key", `{"amount":-1}`, "amount"},
		"with three decimals":      {"key", `{"amount":1.001}`, "amount"},
		"as a text":                {"key", `{"amount":"1"}`, "amount"},
		"above the largest amount": {"key", `{"amount":100000000000}`, "amount"},
		"with an empty reference":  {"key", `{"amount":1,"reference":""}`, "reference"},
		"with a long reference":    {"key", fmt.Sprintf(`{"amount":1,"reference":%q}`, strings.Repeat("x", 201)), "reference"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, what := range []string{"deposits", "withdrawals"} {
				if p := refusal(t, s.pay(t, s.admin, s.anna, what, tt.key, tt.body), http.StatusBadRequest, "invalid_request"); p.Field != tt.field {
					t.Errorf("%s: the field is %q, want %q", what, p.Field, tt.field)
				}
			}
		})
	}
}

func TestDebtsArePaidFirst(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 1)
	decode[oapi.Bet](t, s.place(t, s.anna, "", `{"event_id":1,"amount":1000}`), http.StatusCreated)
	s.win(t, 1)
	decode[oapi.Transfer](t, s.pay(t, s.admin, s.anna, "withdrawals", "all", `{"amount":1450}`), http.StatusCreated)
	s.change(t, 1, func(e *domain.Event) {
		e.State, e.ResultRevision, e.SettleRevision, e.ResultedAt = domain.StateFinishedLose, 2, 2, time.Now()
	})
	s.settle(t, 1)
	if got := s.wallet(t, s.anna); got.Debt != money.MustParse("1450") || got.Balance != (money.Amount{}) {
		t.Errorf("got %+v", got)
	}
	if p := refusal(t, s.pay(t, s.admin, s.anna, "withdrawals", "more", `{"amount":1}`), http.StatusConflict, "outstanding_debt"); !isAmount(p.Debt, "1450") {
		t.Errorf("got %+v", p)
	}
	decode[oapi.Transfer](t, s.pay(t, s.admin, s.anna, "deposits", "back", `{"amount":1500}`), http.StatusCreated)
	if got := s.wallet(t, s.anna); got.Debt != (money.Amount{}) || got.Balance != money.MustParse("50") {
		t.Errorf("got %+v", got)
	}
}

func TestLimitsOfStakes(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 1)
	if p := refusal(t, s.place(t, s.anna, "", `{"event_id":1,"amount":1100}`), http.StatusConflict, "insufficient_funds"); !isAmount(p.MaxStake, "1000") || p.Max != nil {
		t.Errorf("got %+v", p)
	}
	if p := refusal(t, s.place(t, s.anna, "", `{"event_id":1,"amount":1500}`), http.StatusConflict, "limit_exceeded"); !isAmount(p.MaxStake, "1000") || p.Limit != "payout" {
		t.Errorf("got %+v", p)
	}
	wallet := decode[oapi.Wallet](t, s.put(t, s.anna, "/api/wallet/limit", `{"daily_stake_limit":50}`), http.StatusOK)
	if !isAmount(wallet.DailyStakeLimit, "50") || wallet.NextDailyStakeLimit != nil || wallet.NextDailyStakeLimitAt != nil {
		t.Errorf("got %+v", wallet)
	}
	decode[oapi.Bet](t, s.place(t, s.anna, "", `{"event_id":1,"amount":20}`), http.StatusCreated)
	first := s.place(t, s.anna, "key", `{"event_id":1,"amount":30.01}`)
	if p := refusal(t, first, http.StatusConflict, "limit_exceeded"); !isAmount(p.MaxStake, "30") || p.Limit != "daily" {
		t.Errorf("got %+v", p)
	}
	decode[oapi.Bet](t, s.place(t, s.anna, "", `{"event_id":1,"amount":30}`), http.StatusCreated)
	if again := s.place(t, s.anna, "key", `{"event_id":1,"amount":30.01}`); !bytes.Equal(again.Body.Bytes(), first.Body.Bytes()) {
		t.Errorf("got %s, want %s", again.Body, first.Body)
	}

	for body, next := range map[string]string{`{"daily_stake_limit":100}`: "100", `{"daily_stake_limit":null}`: ""} {
		wallet := decode[oapi.Wallet](t, s.put(t, s.anna, "/api/wallet/limit", body), http.StatusOK)
		at := wallet.NextDailyStakeLimitAt
		if !isAmount(wallet.DailyStakeLimit, "50") || at == nil || time.Until(at.Time) < 23*time.Hour || time.Until(at.Time) > 25*time.Hour {
			t.Errorf("%s: got %+v", body, wallet)
		}
		if next == "" && wallet.NextDailyStakeLimit != nil || next != "" && !isAmount(wallet.NextDailyStakeLimit, next) {
			t.Errorf("%s: the next is %v", body, wallet.NextDailyStakeLimit)
		}
	}
	for _, body := range []string{`{}`, `{"daily_stake_limit":0}`, `{"daily_stake_limit":-5}`, `{"daily_stake_limit":0.001}`, `{"daily_stake_limit":"5"}`} {
		if p := refusal(t, s.put(t, s.anna, "/api/wallet/limit", body), http.StatusBadRequest, "invalid_request"); p.Field != "daily_stake_limit" {
			t.Errorf("%s: the field is %q", body, p.Field)
		}
	}
}

func TestSelfExclusion(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.addEvents(t, 1)
	exclude := func(until time.Time) *httptest.ResponseRecorder {
		t.Helper()
		return s.put(t, s.anna, "/api/wallet/exclusion", fmt.Sprintf(`{"until":%q}`, until.Format(time.RFC3339)))
	}
	until := time.Now().UTC().Truncate(time.Second).Add(72 * time.Hour)
	wallet := decode[oapi.Wallet](t, exclude(until.In(time.FixedZone("", 3600))), http.StatusOK)
	if wallet.ExcludedUntil == nil || !wallet.ExcludedUntil.Equal(until) {
		t.Errorf("got %+v, want %s", wallet, until)
	}
	for name, p := range map[string]problemOf{
		"a shorter one": refusal(t, exclude(until.Add(-time.Hour)), http.StatusConflict, "exclusion_not_shortened"),
		"a bet":         refusal(t, s.place(t, s.anna, "", `{"event_id":1,"amount":1}`), http.StatusForbidden, "self_excluded"),
	} {
		if p.ExcludedUntil == nil || !p.ExcludedUntil.Equal(until) {
			t.Errorf("%s: got %+v, want %s", name, p, until)
		}
	}
	for _, body := range []string{
		`{}`, `{"until":null}`, `{"until":"tomorrow"}`, `{"until":"2999-12-31"}`, `{"until":"2999-13-01T00:00:00Z"}`, `{"until":"2999-01-01T00:00:00"}`,
		`{"until":"2020-01-01T00:00:00Z"}`, `{"until":"9999-12-31T23:59:59-14:00"}`,
		`{"until":"2099-02-30T00:00:00Z"}`,
	} {
		if p := refusal(t, s.put(t, s.anna, "/api/wallet/exclusion", body), http.StatusBadRequest, "invalid_request"); p.Field != "until" {
			t.Errorf("%s: the field is %q", body, p.Field)
		}
	}
}
