package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
	"stavka.local/stavka/e2e/system"
)

// tight allows users to cancel bets, and has limits that are soon reached.
var tight = map[string]string{
	"OPENING_BALANCE": "100.00", "BET_CANCEL_WINDOW": "1h", "MAX_PAYOUT": "500.00", "EVENT_LIABILITY_LIMIT": "300.00",
}

func TestMoney(t *testing.T) {
	t.Parallel()
	handleMoney(t, start(t, system.Options{BetMakers: 2, Env: tight}))
}

// handleMoney checks the movements of money on any shape of a tight system, and that the books
// are in order afterwards.
func handleMoney(t *testing.T, s *system.System) {
	t.Helper()
	t.Run("a user's story", func(t *testing.T) { tellStoryOfMoney(t, s) })
	t.Run("refusals", func(t *testing.T) { checkRulesOfMoney(t, s) })
	t.Run("200 bets at once on a balance for 100", func(t *testing.T) { overdraw(t, s) })
	checkMoney(t, s)
}

// tellStoryOfMoney follows the wallet of one user through every kind of transfer.
func tellStoryOfMoney(t *testing.T, s *system.System) {
	t.Helper()
	admin, user, line := s.Admin(t, 0), s.NewUser(t, 0), s.Line(t, 0)
	wantWallet(t, user, "100.00", "0.00", "0.00")

	final := line.Create("2.50").EventID
	bet := user.Place(t, final, "40").ID
	wantWallet(t, user, "60.00", "40.00", "0.00")
	if got := refused(t, s, placing(user, final, "60.01"), http.StatusConflict, "insufficient_funds"); deref(got.MaxStake) != money.MustParse("60.00") {
		t.Errorf("a bet of 60.01 is refused as %+v, want the largest stake, 60.00", got)
	}
	line.Finish(final, lineprovider.EventStateFinishedWin)
	user.AwaitStatus(t, bet, betmaker.BetStatusWon, allowed)
	wantWallet(t, user, "160.00", "0.00", "0.00")
	paid(t, s, paying(admin, "withdrawals", user, "150", "to the bank"))
	wantWallet(t, user, "10.00", "0.00", "0.00")

	correct(t, line, final, lineprovider.EventStateFinishedLose)
	user.AwaitStatus(t, bet, betmaker.BetStatusLost, allowed)
	wantWallet(t, user, "0.00", "0.00", "90.00")
	if got := refused(t, s, paying(admin, "withdrawals", user, "1", "more"), http.StatusConflict, "outstanding_debt"); deref(got.Debt) != money.MustParse("90.00") {
		t.Errorf("a withdrawal is refused as %+v, want the debt, 90.00", got)
	}
	paid(t, s, paying(admin, "deposits", user, "100", "from the bank"))
	wantWallet(t, user, "10.00", "0.00", "0.00")
	if newest := user.Statement(t)[:2]; newest[0].Kind != betmaker.TransferKindRepayment || newest[1].Kind != betmaker.TransferKindDeposit {
		t.Errorf("the deposit shows as %+v, want it and a repayment", newest)
	}
	correct(t, line, final, lineprovider.EventStateCancelled)
	user.AwaitStatus(t, bet, betmaker.BetStatusVoid, allowed)
	wantWallet(t, user, "50.00", "0.00", "0.00")

	replay := line.Create("2.00").EventID
	first, second, third := user.Place(t, replay, "20"), user.Place(t, replay, "5"), user.Place(t, replay, "1")
	wantWallet(t, user, "24.00", "26.00", "0.00")
	window := voidOnly(t, admin, first)
	if got := user.AwaitStatus(t, first.ID, betmaker.BetStatusVoid, allowed); deref(got.VoidReason) != "void_window" {
		t.Errorf("void reason %q, want void_window", deref(got.VoidReason))
	}
	wantWallet(t, user, "44.00", "6.00", "0.00")
	undone, err := admin.API.UndoVoidWithResponse(t.Context(), replay, window, betmaker.NewVoidUndo{Reason: "all was well"})
	if err != nil || undone.JSON200 == nil || undone.JSON200.UndoneAt == nil || deref(undone.JSON200.UndoneBy) != admin.ID {
		t.Fatalf("undo: %+v %v", undone, err)
	}
	user.AwaitStatus(t, first.ID, betmaker.BetStatusPending, allowed)
	wantWallet(t, user, "24.00", "26.00", "0.00")

	for _, by := range []*system.User{user, user} { // the second time changes nothing
		cancel(t, by, second.ID)
		wantWallet(t, user, "29.00", "21.00", "0.00")
	}
	cancel(t, admin, third.ID)
	line.Finish(replay, lineprovider.EventStateFinishedWin)
	user.AwaitStatus(t, first.ID, betmaker.BetStatusWon, allowed)
	wantWallet(t, user, "70.00", "0.00", "0.00")
	if got := user.Bet(t, second.ID); got.Status != betmaker.BetStatusVoid {
		t.Errorf("the cancelled bet has followed the result: %+v", got)
	}
	t.Run("the audit log", func(t *testing.T) { readAuditLog(t, admin, user, replay, third.ID) })
}

// readAuditLog checks that the log has the actions on the user of the story, an event and a
// bet: the actor, the reason and the change.
func readAuditLog(t *testing.T, admin, user *system.User, event, bet int64) {
	t.Helper()
	for subject, want := range map[string][]string{
		fmt.Sprintf("user:%d", user.ID): {
			`wallet.deposit "from the bank" map[balance:0 debt:90] map[balance:10 debt:0]`,
			`wallet.withdrawal "to the bank" map[balance:160 debt:0] map[balance:10 debt:0]`,
			`user.create ""`,
		},
		fmt.Sprintf("event:%d", event): {`event.undo_void "all was well"`, `event.void "a wrong price"`},
		fmt.Sprintf("bet:%d", bet):     {`bet.cancel "" map[status:pending] map[status:void void_reason:cancelled_by_user]`},
	} {
		records, err := admin.API.ListAuditRecordsWithResponse(t.Context(), &betmaker.ListAuditRecordsParams{Subject: &subject})
		if err != nil || records.JSON200 == nil || len(*records.JSON200) != len(want) {
			t.Fatalf("the audit log about %s: %+v %v, want %q", subject, records, err, want)
		}
		for i, r := range *records.JSON200 {
			before, after := decode(t, r.Before), decode(t, r.After)
			if got := fmt.Sprintf("%s %q %v %v", r.Action, deref(r.Reason), before, after); !strings.HasPrefix(got, want[i]) || fmt.Sprint(before) == fmt.Sprint(after) {
				t.Errorf("%s: got %s, want %s", subject, got, want[i])
			}
			if deref(r.ActorID) != admin.ID || r.Address != "127.0.0.1" || r.RequestID == "" {
				t.Errorf("%s: %s by %d from %q by the request %q, want the administrator, from here", subject, r.Action, deref(r.ActorID), r.Address, r.RequestID)
			}
		}
	}
}

// decode decodes JSON. It returns nil for nil.
func decode(t *testing.T, data *json.RawMessage) (value any) {
	t.Helper()
	if data == nil {
		return nil
	}
	if err := json.Unmarshal(*data, &value); err != nil {
		t.Fatalf("%s: %v", *data, err)
	}
	return value
}

// wantWallet checks a wallet, and that its statement adds up to it.
func wantWallet(t *testing.T, user *system.User, balance, held, debt string) {
	t.Helper()
	statement := user.Statement(t)
	sum := func(account string) (sum money.Amount) {
		for _, transfer := range statement {
			if transfer.Credit == account {
				sum = sum.Plus(transfer.Amount)
			}
			if transfer.Debit == account {
				sum = sum.Minus(transfer.Amount)
			}
		}
		return sum
	}
	text := func(balance, held, debt any) string { return fmt.Sprintf("%s, held %s, debt %s", balance, held, debt) }
	wallet, want := user.Wallet(t), text(balance, held, debt)
	if got := text(wallet.Balance, wallet.Held, wallet.Debt); got != want {
		t.Fatalf("the wallet has %s, want %s", got, want)
	}
	owed := money.Amount{}.Minus(sum(fmt.Sprintf("debt:%d", user.ID)))
	if got := text(sum(fmt.Sprintf("wallet:%d", user.ID)), sum("escrow"), owed); got != want {
		t.Errorf("the statement adds up to %s, want %s: %+v", got, want, statement)
	}
}

// placing returns a request for a bet without a key.
func placing(user *system.User, event int64, amount string) system.Request {
	return system.Request{
		Method: http.MethodPost, Path: "/api/bets", Token: user.Token, Body: fmt.Sprintf(`{"event_id":%d,"amount":%s}`, event, amount),
	}
}

// paying returns a request for a payment with a key.
func paying(admin *system.User, what string, user *system.User, amount, reference string) system.Request {
	return system.Request{
		Method: http.MethodPost, Path: fmt.Sprintf("/api/users/%d/%s", user.ID, what), Token: admin.Token,
		Body:   fmt.Sprintf(`{"amount":%s,"reference":%q}`, amount, reference),
		Header: http.Header{"Idempotency-Key": {fmt.Sprintf("%x", rand.Uint64())}},
	}
}

// paid makes a payment that must succeed.
func paid(t *testing.T, s *system.System, payment system.Request) {
	t.Helper()
	got, err := s.Do(s.BetMakers[0], payment)
	if err != nil || got.Status != http.StatusCreated {
		t.Fatalf("%s %s: got %d %s %v", payment.Path, payment.Body, got.Status, got.Body, err)
	}
}

// refused sends a request that must be refused, and returns the problem.
func refused(t *testing.T, s *system.System, request system.Request, status int, code string) (problem betmaker.Problem) {
	t.Helper()
	got, err := s.Do(s.BetMakers[0], request)
	if err != nil || got.Status != status || got.Code() != code {
		t.Fatalf("%s %s %s: got %d %s %v, want %d %s", request.Method, request.Path, request.Body, got.Status, got.Body, err, status, code)
	}
	if err := json.Unmarshal(got.Body, &problem); err != nil {
		t.Fatal(err)
	}
	return problem
}

// correct corrects the result of an event.
func correct(t *testing.T, line *system.Line, event int64, state lineprovider.EventState) {
	t.Helper()
	set, err := line.API.SetEventStateWithResponse(t.Context(), event, nil, lineprovider.NewState{State: state, Reason: new("the video")})
	if err != nil || set.JSON200 == nil {
		t.Fatalf("correct event %d: %+v %v", event, set, err)
	}
}

// voidOnly voids the bets that were accepted at the same instant as one, and returns the window.
func voidOnly(t *testing.T, admin *system.User, bet betmaker.Bet) (window int64) {
	t.Helper()
	got, err := admin.API.VoidBetsWithResponse(t.Context(), bet.EventID, betmaker.NewVoidWindow{
		From: bet.CreatedAt, To: bet.CreatedAt.Add(time.Microsecond), Reason: "a wrong price",
	})
	if err != nil || got.JSON201 == nil {
		t.Fatalf("void: %+v %v", got, err)
	}
	return got.JSON201.ID
}

// cancel cancels a bet.
func cancel(t *testing.T, by *system.User, bet int64) {
	t.Helper()
	got, err := by.API.CancelBetWithResponse(t.Context(), bet)
	if err != nil || got.JSON200 == nil || got.JSON200.Status != betmaker.BetStatusVoid || deref(got.JSON200.VoidReason) != "cancelled_by_user" {
		t.Fatalf("cancel bet %d: %+v %v", bet, got, err)
	}
}

// checkRulesOfMoney provokes every refusal that is about money.
func checkRulesOfMoney(t *testing.T, s *system.System) {
	t.Helper()
	t.Run("limits", func(t *testing.T) { checkLimits(t, s) })
	t.Run("a self-exclusion", func(t *testing.T) { excludeOneself(t, s) })
	t.Run("cancelling bets", func(t *testing.T) { refuseToCancel(t, s) })
	t.Run("payments", func(t *testing.T) { refuseToPay(t, s) })
	t.Run("void windows", func(t *testing.T) { refuseToVoid(t, s) })
}

func checkLimits(t *testing.T, s *system.System) {
	t.Helper()
	user, other, line := s.NewUser(t, 0), s.NewUser(t, 0), s.Line(t, 0)
	event, outsider := line.Create("1.45").EventID, line.Create("100.00").EventID
	exceeds := func(event int64, amount string, limit betmaker.LimitName, largest string) {
		t.Helper()
		got := refused(t, s, placing(user, event, amount), http.StatusConflict, "limit_exceeded")
		if deref(got.Limit) != limit || deref(got.MaxStake) != money.MustParse(largest) {
			t.Errorf("%s on event %d is refused as %+v, want the limit %s and %s", amount, event, got, limit, largest)
		}
	}
	exceeds(event, "400", betmaker.LimitNamePayout, "100.00") // the wallet holds no more
	exceeds(outsider, "3.04", betmaker.LimitNameLiability, "3.03")
	other.Place(t, outsider, "3.03")
	exceeds(outsider, "0.01", betmaker.LimitNameLiability, "0.00")

	limit := func(amount string) betmaker.Wallet {
		t.Helper()
		set, err := user.API.SetStakeLimitWithResponse(t.Context(), betmaker.NewStakeLimit{DailyStakeLimit: new(money.MustParse(amount))})
		if err != nil || set.JSON200 == nil {
			t.Fatalf("limit: %+v %v", set, err)
		}
		return *set.JSON200
	}
	limit("10")
	user.Place(t, event, "4")
	exceeds(event, "6.01", betmaker.LimitNameDaily, "6.00")
	later := limit("20")
	if deref(later.DailyStakeLimit) != money.MustParse("10.00") || deref(later.NextDailyStakeLimit) != money.MustParse("20.00") || later.NextDailyStakeLimitAt == nil {
		t.Errorf("a higher limit counts at once: %+v", later)
	}
	limit("5")
	exceeds(event, "2", betmaker.LimitNameDaily, "1.00")
}

func excludeOneself(t *testing.T, s *system.System) {
	t.Helper()
	user, event := s.NewUser(t, 0), s.Line(t, 0).Create("1.45").EventID
	until := func(d time.Duration) (time.Time, system.Request) {
		at := time.Now().UTC().Add(d).Truncate(time.Microsecond)
		return at, system.Request{
			Method: http.MethodPut, Path: "/api/wallet/exclusion", Token: user.Token, Body: fmt.Sprintf(`{"until":%q}`, at.Format(time.RFC3339Nano)),
		}
	}
	_, tooShort := until(time.Hour)
	refused(t, s, tooShort, http.StatusBadRequest, "invalid_request")
	end, exclude := until(48 * time.Hour)
	if got, err := s.Do(s.BetMakers[0], exclude); err != nil || got.Status != http.StatusOK {
		t.Fatalf("got %d %s %v", got.Status, got.Body, err)
	}
	if got := refused(t, s, placing(user, event, "1"), http.StatusForbidden, "self_excluded"); !deref(got.ExcludedUntil).Equal(end) {
		t.Errorf("the refusal is %+v, want the end, %s", got, end)
	}
	_, shorter := until(30 * time.Hour)
	if got := refused(t, s, shorter, http.StatusConflict, "exclusion_not_shortened"); !deref(got.ExcludedUntil).Equal(end) {
		t.Errorf("the refusal is %+v, want the end, %s", got, end)
	}
}

func refuseToCancel(t *testing.T, s *system.System) {
	t.Helper()
	user, line := s.NewUser(t, 0), s.Line(t, 0)
	soon, err := line.API.CreateEventWithResponse(t.Context(), nil, lineprovider.NewEvent{
		Coefficient: line.Create("1.45").Coefficient, Deadline: new(time.Now().Unix() + 3),
	})
	if err != nil || soon.JSON201 == nil {
		t.Fatalf("an event with a deadline: %+v %v", soon, err)
	}
	over := user.Place(t, soon.JSON201.EventID, "1")
	won, suspended := user.Place(t, line.Create("1.45").EventID, "1"), user.Place(t, line.Create("1.45").EventID, "1")
	line.Finish(won.EventID, lineprovider.EventStateFinishedWin)
	user.AwaitStatus(t, won.ID, betmaker.BetStatusWon, allowed)
	if got, err := line.API.ChangeEventWithResponse(t.Context(), suspended.EventID, nil, lineprovider.EventPatch{Suspended: new(true)}); err != nil || got.JSON200 == nil {
		t.Fatalf("suspend: %+v %v", got, err)
	}
	awaitEvent(t, user, suspended.EventID, "suspended", func(e betmaker.Event) bool { return e.Suspended })
	system.Eventually(t, allowed, "the deadline has passed", func() error {
		if time.Now().Unix() <= soon.JSON201.Deadline {
			return fmt.Errorf("it is at %d", soon.JSON201.Deadline)
		}
		return nil
	})
	for code, bet := range map[string]betmaker.Bet{"bet_not_pending": won, "event_suspended": suspended, "event_closed": over} {
		refused(t, s, canceling(user, bet.ID), http.StatusConflict, code)
	}
	refused(t, s, canceling(user, 999999), http.StatusNotFound, "bet_not_found")
	refused(t, s, canceling(s.NewUser(t, 0), over.ID), http.StatusNotFound, "bet_not_found")
}

// canceling returns a request to cancel a bet.
func canceling(user *system.User, bet int64) system.Request {
	return system.Request{Method: http.MethodPost, Path: fmt.Sprintf("/api/bets/%d/cancel", bet), Token: user.Token}
}

func refuseToPay(t *testing.T, s *system.System) {
	t.Helper()
	admin, user := s.Admin(t, 0), s.NewUser(t, 0)
	if got := refused(t, s, paying(admin, "withdrawals", user, "100.01", "all"), http.StatusConflict, "insufficient_funds"); deref(got.Max) != money.MustParse("100.00") {
		t.Errorf("the refusal is %+v, want the balance, 100.00", got)
	}
	if got := refused(t, s, paying(admin, "deposits", user, "99999999999.99", "a lot"), http.StatusConflict, "balance_too_large"); deref(got.Max) != money.MustParse("99999999999.99") {
		t.Errorf("the refusal is %+v, want the largest balance", got)
	}
	for _, what := range []string{"deposits", "withdrawals"} {
		refused(t, s, paying(admin, what, &system.User{ID: 999999}, "1", "missing"), http.StatusNotFound, "user_not_found")
		payment := paying(admin, what, user, "1", "once")
		paid(t, s, payment)
		paid(t, s, payment)
		payment.Body = `{"amount":2,"reference":"once"}`
		refused(t, s, payment, http.StatusUnprocessableEntity, "idempotency_key_reused")
		payment.Header = nil
		refused(t, s, payment, http.StatusBadRequest, "invalid_request")
	}
	refused(t, s, system.Request{Method: http.MethodGet, Path: "/api/wallet?user_id=999999", Token: admin.Token}, http.StatusNotFound, "user_not_found")
	wantWallet(t, user, "100.00", "0.00", "0.00")
}

func refuseToVoid(t *testing.T, s *system.System) {
	t.Helper()
	admin := s.Admin(t, 0)
	bet := admin.Place(t, s.Line(t, 0).Create("1.45").EventID, "1")
	windows := fmt.Sprintf("/api/events/%d/voids", bet.EventID)
	post := func(path, format string, args ...any) system.Request {
		return system.Request{Method: http.MethodPost, Path: path, Token: admin.Token, Body: fmt.Sprintf(format, args...)}
	}
	window := func(path string, to time.Time, reason string) system.Request {
		return post(path, `{"from":"2025-01-18T05:03:07Z","to":%q,"reason":%q}`, to.UTC().Format(time.RFC3339), reason)
	}
	past := time.Now().Add(-time.Hour)
	refused(t, s, window("/api/events/999999/voids", past, "nothing"), http.StatusNotFound, "event_not_found")
	refused(t, s, system.Request{Method: http.MethodGet, Path: "/api/events/999999/voids", Token: admin.Token}, http.StatusNotFound, "event_not_found")
	refused(t, s, window(windows, time.Now().Add(time.Hour), "tomorrow"), http.StatusBadRequest, "invalid_request")

	id := voidOnly(t, admin, bet)
	if again := voidOnly(t, admin, bet); again != id {
		t.Errorf("the same window again is window %d, want %d", again, id)
	}
	undo := post(fmt.Sprintf("%s/%d/undo", windows, id), `{"reason":"a mistake"}`)
	if got, err := s.Do(s.BetMakers[0], undo); err != nil || got.Status != http.StatusOK {
		t.Fatalf("undo: got %d %s %v", got.Status, got.Body, err)
	}
	refused(t, s, undo, http.StatusConflict, "void_undone")
	refused(t, s, post(windows+"/99/undo", `{"reason":"none"}`), http.StatusNotFound, "void_not_found")
	refused(t, s, post("/api/events/999999/voids/1/undo", `{"reason":"none"}`), http.StatusNotFound, "event_not_found")
	for i := range 99 {
		if got, err := s.Do(s.BetMakers[0], window(windows, past, fmt.Sprint(i))); err != nil || got.Status != http.StatusCreated {
			t.Fatalf("window %d: got %d %s %v", i+2, got.Status, got.Body, err)
		}
	}
	refused(t, s, window(windows, past, "one more"), http.StatusConflict, "too_many_voids")
	if list, err := admin.API.ListVoidsWithResponse(t.Context(), bet.EventID); err != nil || list.JSON200 == nil || len(*list.JSON200) != 100 {
		t.Errorf("the windows are %+v %v, want 100", list, err)
	}
}

// overdraw lets a user stake twice the balance in concurrent requests to all replicas.
func overdraw(t *testing.T, s *system.System) {
	t.Helper()
	user, event := s.NewUser(t, 0), s.Line(t, 0).Create("1.45").EventID
	user.Place(t, event, "1")
	paid(t, s, paying(s.Admin(t, 0), "deposits", user, "1", "again 100"))
	responses := make([]system.Response, 200)
	var placed sync.WaitGroup
	for i := range responses {
		placed.Go(func() {
			var err error
			if responses[i], err = s.Do(s.BetMakers[i%len(s.BetMakers)], placing(user, event, "1")); err != nil {
				t.Error(err)
			}
		})
	}
	placed.Wait()
	accepted := 0
	for _, response := range responses {
		if response.Status == http.StatusCreated {
			accepted++
		} else if response.Code() != "insufficient_funds" || !strings.Contains(string(response.Body), `"max_stake":0.00`) {
			t.Errorf("a bet beyond the balance got %d %s", response.Status, response.Body)
		}
	}
	if bets := betsOf(t, user); accepted != 100 || bets != 101 {
		t.Errorf("%d of the bets were accepted, want 100; the user has %d, want 101", accepted, bets)
	}
	if wallet := user.Wallet(t); !wallet.Balance.IsZero() || wallet.Held != money.MustParse("101.00") {
		t.Errorf("the wallet is %+v, want only 101.00 held", wallet)
	}
}

func betsOf(t *testing.T, user *system.User) int {
	t.Helper()
	got, err := user.API.ListBetsWithResponse(t.Context(), &betmaker.ListBetsParams{Limit: new(500)})
	if err != nil || got.JSON200 == nil {
		t.Fatalf("list the bets of %s: %+v %v", user.Username, got, err)
	}
	return len(*got.JSON200)
}

// checkMoney checks the wallets and transfers of the database, with the ledger check of the
// product and by its own count.
func checkMoney(t *testing.T, s *system.System) {
	t.Helper()
	checkBooks(t, s.Records(t).ReadBooks(), money.MustParse(s.Env["OPENING_BALANCE"]).Minor())
	s.VerifyLedger(t)
}

// The numbers of accounts and of kinds of transfers in the database.
const (
	inWallet, inEscrow, inHouse, inDebt                                     = 1, 2, 3, 5
	openingKind, depositKind, withdrawalKind, debtKind, repaymentKind int64 = 1, 2, 3, 9, 10
)

// checkBooks adds up the transfers. The sums must be equal to the wallets, and to the opening
// balances, payments, stakes and payouts.
func checkBooks(t *testing.T, now system.Books, begunWith int64) {
	t.Helper()
	type sums [6]int64 // by account
	users, bets, brought := make(map[int64]sums), make(map[int64]sums), make(map[int64]int64)
	openings := make(map[int64]int)
	for _, transfer := range now.Transfers {
		move := func(all map[int64]sums, id int64) {
			of := all[id]
			of[transfer.Debit] -= transfer.Amount
			of[transfer.Credit] += transfer.Amount
			all[id] = of
		}
		move(users, transfer.UserID)
		switch transfer.Kind {
		case openingKind:
			openings[transfer.UserID]++
			if transfer.Amount != begunWith {
				t.Errorf("user %d begins with %d", transfer.UserID, transfer.Amount)
			}
			fallthrough
		case depositKind:
			brought[transfer.UserID] += transfer.Amount
		case withdrawalKind:
			brought[transfer.UserID] -= transfer.Amount
		case debtKind, repaymentKind: // between accounts of one user
		default:
			move(bets, transfer.BetID)
		}
	}
	held := make(map[int64]int64)
	for _, bet := range now.Bets {
		want := sums{inWallet: -bet.Stake, inEscrow: bet.Stake}
		if bet.Payout != nil {
			want = sums{inWallet: *bet.Payout - bet.Stake, inHouse: bet.Stake - *bet.Payout}
		}
		if got := bets[bet.ID]; got != want {
			t.Errorf("the transfers for bet %d add up to %v, want %v: %+v", bet.ID, got, want, bet)
		}
		delete(bets, bet.ID)
		brought[bet.UserID] += want[inWallet]
		held[bet.UserID] += want[inEscrow]
	}
	if len(bets) > 0 {
		t.Errorf("there are transfers for bets that do not exist: %v", bets)
	}
	for id, wallet := range now.Wallets {
		if got := users[id]; got[inWallet] != wallet.Balance || got[inEscrow] != wallet.Held || got[inDebt] != -wallet.Debt {
			t.Errorf("the transfers of user %d add up to %v; the wallet is %+v", id, got, wallet)
		}
		if wallet.Balance-wallet.Debt != brought[id] || wallet.Held != held[id] || openings[id] != 1 {
			t.Errorf("the wallet of user %d is %+v; the bets and payments make it %d, with %d held, after %d openings",
				id, wallet, brought[id], held[id], openings[id])
		}
		delete(users, id)
	}
	if len(users) > 0 {
		t.Errorf("there are transfers of users without a wallet: %v", users)
	}
}
