package portstest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Payments is the suite of ports.Wallets.Pay.
func Payments(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"pays in and out":                       paysInAndOut,
		"replays a payment":                     replaysPayment,
		"replays a refused payment for a while": replaysRefusedPayment,
		"keeps keys apart":                      keepsPaymentKeysApart,
		"repays debt first":                     repaysDebtFirst,
		"pays once for many identical requests": paysOnce,
		"refuses an unknown user":               paysMissingUser,
		"lets users pay themselves and others":  paysManyAtOnce,
	})
}

// cashier is the user who makes payments. They may have no wallet.
const cashier = domain.UserID(1 << 40)

func deposit(user domain.UserID, amount, key string) domain.Payment {
	return domain.Payment{
		UserID: user, Kind: domain.TransferDeposit, Amount: money.MustParse(amount), IdempotencyKey: key,
		Origin: domain.Origin{By: cashier, Address: "192.0.2.1", RequestID: "first"},
	}
}

func withdrawal(user domain.UserID, amount, key string) domain.Payment {
	payment := deposit(user, amount, key)
	payment.Kind = domain.TransferWithdrawal
	return payment
}

func tryPay(ctx context.Context, s Stores, payment domain.Payment) (domain.PaymentDecision, error) {
	return s.Wallets.Pay(ctx, payment, func(set domain.PaymentSet) domain.PaymentDecision { return set.Decide(payment) })
}

func pay(t *testing.T, s Stores, payment domain.Payment) domain.PaymentDecision {
	t.Helper()
	decision, err := tryPay(t.Context(), s, payment)
	ok(t, err)
	return decision
}

func paysInAndOut(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "10.00")
	before := clock(t, s)
	in := pay(t, s, deposit(user, "5.50", "key"))
	hasMoney(t, s, user, "15.50", "0.00", "0.00")
	isTrue(t, !in.Transfer.At.Before(before) && !in.Transfer.At.After(clock(t, s)), "paid by the store's clock: %s", in.Transfer.At)
	out := pay(t, s, withdrawal(user, "15.50", "key"))
	hasMoney(t, s, user, "0.00", "0.00", "0.00")
	refused := pay(t, s, withdrawal(user, "0.01", "another"))
	equal(t, refused.Refusal, domain.Refusal{Code: domain.RefusedWithdrawal})
	equal(t, transfersOf(t, s, ports.TransferFilter{})[1:], []domain.Transfer{in.Transfer, out.Transfer})
	equal(t, entries([]domain.Transfer{in.Transfer, out.Transfer}), []entry{
		{external, wallet, "5.50", domain.TransferDeposit, 0}, {wallet, external, "15.50", domain.TransferWithdrawal, 0},
	})
	equal(t, len(records(t, s, ports.AuditFilter{})), 2)
	record := out.Audit
	record.At = out.Transfer.At
	isRecorded(t, s, record)
	isSound(t, s)
}

func replaysPayment(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "10.00")
	first := pay(t, s, deposit(user, "5.00", "key"))
	again := deposit(user, "5.00", "key")
	again.RequestID = "second"
	replayed := pay(t, s, again)
	isTrue(t, replayed.Replayed, "it is a replay: %+v", replayed)
	equal(t, replayed.PaymentVerdict, first.PaymentVerdict)
	equal(t, replayed.RequestID, "first")
	hasMoney(t, s, user, "15.00", "0.00", "0.00")
	other := deposit(user, "5.01", "key")
	isError(t, pay(t, s, other).Err, domain.ErrKeyReused)
	hasMoney(t, s, user, "15.00", "0.00", "0.00")
	equal(t, len(records(t, s, ports.AuditFilter{})), 1)
}

func replaysRefusedPayment(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "10.00")
	refused := pay(t, s, withdrawal(user, "10.01", "key"))
	equal(t, refused.Refusal, domain.Refusal{Code: domain.RefusedWithdrawal, Max: ten})
	pay(t, s, deposit(user, "1.00", "key"))
	replayed := pay(t, s, withdrawal(user, "10.01", "key"))
	isTrue(t, replayed.Replayed, "it is a replay: %+v", replayed)
	equal(t, replayed.PaymentVerdict, refused.PaymentVerdict)
	s.AgeRefusals(t, domain.RefusalTTL)
	isTrue(t, !pay(t, s, withdrawal(user, "10.01", "key")).Replayed, "decided anew")
	hasMoney(t, s, user, "0.99", "0.00", "0.00")
	pay(t, s, withdrawal(user, "10.01", "old"))
	s.AgeRefusals(t, domain.RefusalTTL)
	forgotten, err := s.Placements.ForgetRefusals(t.Context())
	ok(t, err)
	equal(t, forgotten, 1)
	isTrue(t, pay(t, s, withdrawal(user, "10.01", "key")).Replayed, "a payment is not forgotten")
}

// keepsPaymentKeysApart uses one key for two kinds, two cashiers and for a bet.
func keepsPaymentKeysApart(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "100.00")
	addOpenEvents(t, s, 1)
	other := deposit(user, "1.00", "key")
	other.By++
	own := deposit(user, "1.00", "key")
	own.By = user
	for _, payment := range []domain.Payment{deposit(user, "1.00", "key"), withdrawal(user, "1.00", "key"), other, own} {
		isTrue(t, !pay(t, s, payment).Replayed, "another payment: %+v", payment)
	}
	placed := place(t, s, withKey(bet(user, 1), "key"))[0]
	isTrue(t, placed.Accepted() && !placed.Replayed, "a payment's key is free for a bet: %+v", placed)
	isTrue(t, pay(t, s, own).Replayed, "the key of a payment is still known")
	isTrue(t, place(t, s, withKey(bet(user, 1), "key"))[0].Replayed, "and that of the bet")
	hasMoney(t, s, user, "92.00", "10.00", "0.00")
}

func repaysDebtFirst(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "10.00")
	addOpenEvents(t, s, 1)
	placeBet(t, s, bet(user, 1))
	finish(t, s, 1, domain.StateFinishedWin)
	_, err := settle(t.Context(), s, 1, 10)
	ok(t, err)
	pay(t, s, withdrawal(user, "14.50", "out"))
	finish(t, s, 1, domain.StateFinishedLose)
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	hasMoney(t, s, user, "0.00", "0.00", "14.50")

	equal(t, pay(t, s, withdrawal(user, "0.01", "no")).Refusal, domain.Refusal{Code: domain.RefusedDebt, Debt: money.MustParse("14.50")})
	pay(t, s, deposit(user, "4.50", "some"))
	hasMoney(t, s, user, "0.00", "0.00", "10.00")
	made := pay(t, s, deposit(user, "12.00", "more"))
	hasMoney(t, s, user, "2.00", "0.00", "0.00")
	transfers := transfersOf(t, s, ports.TransferFilter{})
	equal(t, transfers[len(transfers)-2:], made.Transfers)
	equal(t, entries(made.Transfers), []entry{
		{external, wallet, "12.00", domain.TransferDeposit, 0}, {wallet, debt, "10.00", domain.TransferRepayment, 0},
	})
	isSound(t, s)
}

func paysOnce(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "10.00")
	const requests = 100
	var (
		firsts    atomic.Int32
		decisions [requests]domain.PaymentDecision
	)
	together(t, requests, func(i int) error {
		decision, err := tryPay(t.Context(), s, deposit(user, "5.00", "key"))
		if decisions[i] = decision; err == nil && !decision.Replayed {
			firsts.Add(1)
		}
		return err
	})
	equal(t, firsts.Load(), 1)
	for _, decision := range decisions {
		equal(t, decision.PaymentVerdict, decisions[0].PaymentVerdict)
	}
	hasMoney(t, s, user, "15.00", "0.00", "0.00")
}

func paysMissingUser(t *testing.T, s Stores) {
	_, err := s.Wallets.Pay(t.Context(), deposit(1<<41, "5.00", "key"), func(set domain.PaymentSet) domain.PaymentDecision {
		t.Errorf("decide is called with %+v", set)
		return domain.PaymentDecision{Err: domain.ErrUserNotFound}
	})
	isError(t, err, ports.ErrNotFound)
}

// paysManyAtOnce lets cashiers with wallets pay each other and themselves at once: there is no deadlock,
// and no money is lost.
func paysManyAtOnce(t *testing.T, s Stores) {
	users := []domain.UserID{addUserWith(t, s, "a", "100.00"), addUserWith(t, s, "b", "100.00"), addUserWith(t, s, "c", "100.00")}
	together(t, 9, func(i int) error {
		for n := range 10 {
			payment := deposit(users[i%3], "1.00", fmt.Sprint(i, n))
			payment.By = users[i/3]
			if _, err := tryPay(t.Context(), s, payment); err != nil {
				return err
			}
		}
		return nil
	})
	for _, user := range users {
		hasMoney(t, s, user, "130.00", "0.00", "0.00")
	}
	isSound(t, s)
}
