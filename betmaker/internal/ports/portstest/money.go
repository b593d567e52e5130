package portstest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Money is the suite of what placing and settling move.
func Money(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"begins a wallet with an opening":                 beginsWallet,
		"moves the stake with the bet":                    movesStake,
		"decides bets of a user in order":                 decidesInOrder,
		"accepts no more bets than there is money":        acceptsWhatThereIs,
		"moves money for each outcome":                    movesMoney,
		"a correction moves the difference, into debt":    correctsIntoDebt,
		"keeps all of a transfer, and finds it":           findsTransfers,
		"writes no money of a batch or chunk that fails":  writesNoMoneyOfFailures,
		"conserves money while bets and corrections race": conservesMoney,
		"counts the stakes of a day":                      countsStakes,
	})
}

func readWallet(t *testing.T, s Stores, user domain.UserID) domain.Wallet {
	t.Helper()
	wallet, _, err := s.Wallets.Wallet(t.Context(), user)
	ok(t, err)
	return wallet
}

// transfersOf returns a user's transfers, the oldest first.
func transfersOf(t *testing.T, s Stores, filter ports.TransferFilter) []domain.Transfer {
	t.Helper()
	transfers, err := s.Wallets.Transfers(t.Context(), filter, 1_000_000)
	ok(t, err)
	for i := range len(transfers) / 2 {
		transfers[i], transfers[len(transfers)-1-i] = transfers[len(transfers)-1-i], transfers[i]
	}
	return transfers
}

// addUserWith adds a user whose wallet begins with an amount.
func addUserWith(t *testing.T, s Stores, name, amount string) domain.UserID {
	t.Helper()
	user := newUser(name, domain.RoleUser)
	user.Opening = money.MustParse(amount)
	created, err := s.Users.Create(t.Context(), user)
	ok(t, err)
	return created.ID
}

// hasMoney checks what a wallet holds.
func hasMoney(t *testing.T, s Stores, user domain.UserID, balance, held, debt string) {
	t.Helper()
	wallet := readWallet(t, s, user)
	want := wallet
	want.Balance, want.Held, want.Debt = money.MustParse(balance), money.MustParse(held), money.MustParse(debt)
	equal(t, wallet, want)
}

func beginsWallet(t *testing.T, s Stores) {
	before := clock(t, s)
	user := newUser("bella", domain.RoleUser)
	user.Opening = money.MustParse("1000.00")
	created, err := s.Users.Create(t.Context(), user)
	ok(t, err)
	poor := newUser("poor", domain.RoleUser)
	poor.Opening, poor.Active = money.Amount{}, false
	other, err := s.Users.Create(t.Context(), poor)
	ok(t, err)

	wallet, now, err := s.Wallets.Wallet(t.Context(), created.ID)
	ok(t, err)
	isTrue(t, !now.Before(before) && !now.After(clock(t, s)), "the clock is the store's: %s", now)
	equal(t, wallet, domain.Wallet{Open: true, Balance: user.Opening})
	transfers := transfersOf(t, s, ports.TransferFilter{})
	equal(t, len(transfers), 1)
	equal(t, transfers[0], domain.Transfer{
		ID: transfers[0].ID, UserID: created.ID, Debit: domain.AccountExternal, Credit: domain.AccountWallet,
		Amount: user.Opening, Kind: domain.TransferOpening, At: created.CreatedAt,
	})
	isTrue(t, transfers[0].ID > 0, "an id: %d", transfers[0].ID)
	equal(t, readWallet(t, s, other.ID), domain.Wallet{})
	_, _, err = s.Wallets.Wallet(t.Context(), 1<<40)
	isError(t, err, ports.ErrNotFound)
}

func movesStake(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "25.00")
	addOpenEvents(t, s, 1)
	placed := placeBet(t, s, bet(user, 1))
	hasMoney(t, s, user, "15.00", "10.00", "0.00")
	transfers := transfersOf(t, s, ports.TransferFilter{BetID: placed.ID})
	equal(t, len(transfers), 1)
	want := placed.StakeTransfer()
	want.ID = transfers[0].ID
	equal(t, transfers[0], want)
}

func decidesInOrder(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "25.00")
	addOpenEvents(t, s, 1)
	small := bet(user, 1)
	small.Stake = money.MustParse("5.00")
	decisions := place(t, s, bet(user, 1), withKey(bet(user, 1), "key"), withKey(bet(user, 1), "poor"), small, small)
	for i, accepted := range []bool{true, true, false, true, false} {
		equal(t, decisions[i].Accepted(), accepted)
	}
	equal(t, decisions[2].Refusal, domain.Refusal{Code: domain.RefusedInsufficientFunds, MaxStake: small.Stake})
	equal(t, decisions[4].Refusal, domain.Refusal{Code: domain.RefusedInsufficientFunds})
	hasMoney(t, s, user, "0.00", "25.00", "0.00")
	verdict, err := s.Placements.Verdict(t.Context(), domain.VerdictKey{UserID: user, Key: "poor"})
	ok(t, err)
	equal(t, verdict, decisions[2].Verdict)
}

// acceptsWhatThereIs places 200 bets at once on a balance for 100.
func acceptsWhatThereIs(t *testing.T, s Stores) {
	const bets, affordable = 200, 100
	user := addUserWith(t, s, "bella", "1000.00")
	addOpenEvents(t, s, 3)
	var (
		mu                sync.Mutex
		accepted, refused int
	)
	together(t, bets, func(i int) error {
		decisions, err := tryPlace(t.Context(), s, bet(user, domain.EventID(1+i%3)))
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case decisions[0].Accepted():
			accepted++
		case decisions[0].Refusal.Code == domain.RefusedInsufficientFunds:
			refused++
		default:
			return fmt.Errorf("decided %+v", decisions[0])
		}
		return nil
	})
	equal(t, accepted, affordable)
	equal(t, refused, bets-affordable)
	hasMoney(t, s, user, "0.00", "1000.00", "0.00")
	equal(t, len(allBets(t, s, ports.BetFilter{})), affordable)
	isSound(t, s)
}

// entry is a transfer as far as these tests compare it.
type entry struct {
	debit, credit domain.Account
	amount        string
	kind          domain.TransferKind
	revision      int64
}

func entries(transfers []domain.Transfer) []entry {
	found := make([]entry, len(transfers))
	for i, t := range transfers {
		found[i] = entry{t.Debit, t.Credit, t.Amount.String(), t.Kind, t.Revision}
	}
	return found
}

const (
	wallet, escrow, house = domain.AccountWallet, domain.AccountEscrow, domain.AccountHouse
	external, debt        = domain.AccountExternal, domain.AccountDebt
)

func movesMoney(t *testing.T, s Stores) {
	for i, outcome := range []struct {
		state   domain.State
		balance string
		want    []entry
	}{
		{domain.StateFinishedWin, "104.50", []entry{
			{escrow, wallet, "10.00", domain.TransferPayout, 1}, {house, wallet, "4.50", domain.TransferPayout, 1},
		}},
		{domain.StateFinishedLose, "90.00", []entry{{escrow, house, "10.00", domain.TransferLoss, 1}}},
		{domain.StateCancelled, "100.00", []entry{{escrow, wallet, "10.00", domain.TransferRefund, 1}}},
	} {
		id := domain.EventID(i + 1)
		write(t, s, openEvent(id))
		user := addUserWith(t, s, fmt.Sprint("player", i), "100.00")
		placed := placeBet(t, s, bet(user, id))
		finish(t, s, id, outcome.state)
		_, err := settle(t.Context(), s, id, 10)
		ok(t, err)
		hasMoney(t, s, user, outcome.balance, "0.00", "0.00")
		transfers := transfersOf(t, s, ports.TransferFilter{BetID: placed.ID})
		equal(t, entries(transfers[1:]), outcome.want)
		for _, transfer := range transfers[1:] {
			equal(t, transfer.At, readBet(t, s, placed.ID).SettledAt)
		}
	}
	isSound(t, s)
}

func correctsIntoDebt(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "10.00")
	addOpenEvents(t, s, 2)
	placed := placeBet(t, s, bet(user, 1))
	finish(t, s, 1, domain.StateFinishedWin)
	_, err := settle(t.Context(), s, 1, 10)
	ok(t, err)
	hasMoney(t, s, user, "14.50", "0.00", "0.00")
	second := placeBet(t, s, bet(user, 2)) // leaves 4.50
	for revision, step := range []struct {
		state         domain.State
		balance, debt string
		want          []entry
	}{
		{domain.StateFinishedLose, "0.00", "10.00", []entry{
			{debt, wallet, "10.00", domain.TransferDebt, 2}, {wallet, house, "14.50", domain.TransferCorrection, 2},
		}},
		{domain.StateCancelled, "0.00", "0.00", []entry{
			{house, wallet, "10.00", domain.TransferCorrection, 3}, {wallet, debt, "10.00", domain.TransferRepayment, 3},
		}},
		{domain.StateFinishedWin, "4.50", "0.00", []entry{{house, wallet, "4.50", domain.TransferCorrection, 4}}},
	} {
		finish(t, s, 1, step.state)
		_, err := settle(t.Context(), s, 1, 10)
		ok(t, err)
		hasMoney(t, s, user, step.balance, "10.00", step.debt)
		var made []domain.Transfer
		for _, transfer := range transfersOf(t, s, ports.TransferFilter{BetID: placed.ID}) {
			if transfer.Revision == int64(revision)+2 {
				made = append(made, transfer)
			}
		}
		equal(t, entries(made), step.want)
	}
	equal(t, readBet(t, s, second.ID), second)
	isSound(t, s)
}

func findsTransfers(t *testing.T, s Stores) {
	users := []domain.UserID{addUserWith(t, s, "a", "100.00"), addUserWith(t, s, "b", "100.00")}
	addOpenEvents(t, s, 1)
	first, second := placeBet(t, s, bet(users[0], 1)), placeBet(t, s, bet(users[1], 1))
	payment := deposit(users[0], "5.00", "key")
	payment.Reference = "a bank's \"text\" – 7"
	paid := pay(t, s, payment)
	for _, tt := range []struct {
		filter ports.TransferFilter
		kinds  []domain.TransferKind
	}{
		{ports.TransferFilter{}, []domain.TransferKind{domain.TransferOpening, domain.TransferOpening, domain.TransferStake, domain.TransferStake, domain.TransferDeposit}},
		{ports.TransferFilter{UserID: users[0]}, []domain.TransferKind{domain.TransferOpening, domain.TransferStake, domain.TransferDeposit}},
		{ports.TransferFilter{Kind: domain.TransferStake}, []domain.TransferKind{domain.TransferStake, domain.TransferStake}},
		{ports.TransferFilter{BetID: second.ID}, []domain.TransferKind{domain.TransferStake}},
		{ports.TransferFilter{UserID: users[0], BetID: second.ID}, nil},
		{ports.TransferFilter{UserID: users[0], Kind: domain.TransferStake, BetID: first.ID}, []domain.TransferKind{domain.TransferStake}},
	} {
		var kinds []domain.TransferKind
		for _, transfer := range transfersOf(t, s, tt.filter) {
			kinds = append(kinds, transfer.Kind)
		}
		equal(t, kinds, tt.kinds)
	}
	newest, err := s.Wallets.Transfers(t.Context(), ports.TransferFilter{}, 2)
	ok(t, err)
	equal(t, newest[0], paid.Transfer)
	equal(t, newest[0].Reference, payment.Reference)
	older, err := s.Wallets.Transfers(t.Context(), ports.TransferFilter{Before: newest[1].ID}, 1)
	ok(t, err)
	isTrue(t, older[0].ID < newest[1].ID && newest[1].ID < newest[0].ID, "in pages, the newest first")
}

func writesNoMoneyOfFailures(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "100.00")
	addOpenEvents(t, s, 1)
	batch := []domain.Placement{bet(user, 1), bet(user, 1)}
	_, err := s.Placements.Place(t.Context(), ports.Batch{Placements: batch}, func(set *domain.WorkingSet) []domain.Decision {
		return set.Decide(limits, batch)[:1]
	})
	isTrue(t, err != nil, "a decision is missing")
	hasMoney(t, s, user, "100.00", "0.00", "0.00")
	place(t, s, batch...)
	finish(t, s, 1, domain.StateFinishedWin)
	_, err = s.Settlements.SettleChunk(t.Context(), 1, 0, 10, func(set *domain.Settling) []domain.Settled { return set.Settle()[:1] })
	isTrue(t, err != nil, "a settlement is missing")
	hasMoney(t, s, user, "80.00", "20.00", "0.00")
	equal(t, len(transfersOf(t, s, ports.TransferFilter{})), 3)
	isSound(t, s)
}

func countsStakes(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "100.00")
	addOpenEvents(t, s, 1)
	placed := place(t, s, bet(user, 1), bet(user, 1))
	wallet := readWallet(t, s, user)
	equal(t, wallet.Staked, money.MustParse("20.00"))
	equal(t, wallet.StakedDay, domain.DayOf(placed[0].Bet.AcceptedAt))
}

// conservesMoney has few users bet on many events whose results come and are corrected at
// the same time, with payments in between, while money is counted all the time.
func conservesMoney(t *testing.T, s Stores) {
	const userCount, eventCount, placers = 4, 50, 6
	users := make([]domain.UserID, userCount)
	for i := range users {
		users[i] = addUserWith(t, s, fmt.Sprint("player", i), "300.00")
	}
	addOpenEvents(t, s, eventCount)
	rounds := scaled(t, 600)
	done := make(chan struct{})
	var counting sync.WaitGroup
	counting.Go(func() {
		for counts := 0; ; counts++ {
			isSoundAtAnyTime(t, s)
			select {
			case <-done:
				t.Logf("money was counted %d times meanwhile", counts+1)
				return
			default:
			}
		}
	})
	together(t, placers+2, func(i int) error {
		rng := rand.New(rand.NewPCG(uint64(i), 7))
		for round := range rounds {
			user, event := users[rng.IntN(userCount)], domain.EventID(1+rng.IntN(eventCount))
			var err error
			switch i {
			case 0:
				finish(t, s, event, domain.StateFinishedWin+domain.State(rng.IntN(3)))
				_, err = settle(t.Context(), s, event, 3)
			case 1:
				payment := deposit(user, "1.00", fmt.Sprint(round))
				if rng.IntN(2) == 0 {
					payment = withdrawal(user, "1.00", fmt.Sprint(round))
				}
				_, err = tryPay(t.Context(), s, payment)
			default:
				_, err = tryPlace(t.Context(), s, bet(user, event), bet(users[rng.IntN(userCount)], domain.EventID(1+rng.IntN(eventCount))))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	close(done)
	counting.Wait()
	for id := domain.EventID(1); id <= eventCount; id++ {
		_, err := settle(t.Context(), s, id, 500)
		ok(t, err)
	}
	isSound(t, s)
	if scale := len(allBets(t, s, ports.BetFilter{})); scale == 0 {
		t.Error("no bet was accepted")
	}
}

// sum is a ledger's reader that adds up.
type sum struct {
	wallets  map[domain.UserID]domain.Wallet // as the transfers have it
	escrow   money.Amount
	pending  money.Amount
	external money.Amount
	house    money.Amount
	problem  string
}

func (r *sum) Seal(domain.Seal) error { return nil }

func (r *sum) Transfer(t domain.Transfer) error {
	r.wallets[t.UserID] = r.wallets[t.UserID].After(t)
	count := func(account domain.Account, change money.Amount) {
		switch account {
		case escrow:
			r.escrow = r.escrow.Plus(change)
		case external:
			r.external = r.external.Plus(change)
		case house:
			r.house = r.house.Plus(change)
		case wallet, debt:
		}
	}
	count(t.Debit, money.Amount{}.Minus(t.Amount))
	count(t.Credit, t.Amount)
	return nil
}

func (r *sum) Wallet(user domain.UserID, wallet domain.Wallet) error {
	if !wallet.HasSameMoney(r.wallets[user]) {
		r.problem = fmt.Sprintf("user %d has %+v, and by their transfers %+v", user, wallet, r.wallets[user])
	}
	return nil
}

func (r *sum) Event(domain.Event, int64, *money.Amount) error { return nil }

func (r *sum) Bet(bet domain.Bet, transfers []domain.Transfer) error {
	if bet.Status == domain.StatusPending {
		r.pending = r.pending.Plus(bet.Stake)
	}
	user := money.Amount{}
	for _, t := range transfers {
		if t.BetID != bet.ID {
			r.problem = fmt.Sprintf("bet %d is shown a transfer of bet %d", bet.ID, t.BetID)
		}
		if t.Kind == domain.TransferDebt || t.Kind == domain.TransferRepayment {
			continue
		}
		if t.Credit == wallet {
			user = user.Plus(t.Amount)
		}
		if t.Debit == wallet {
			user = user.Minus(t.Amount)
		}
	}
	if want := bet.Payout.Minus(bet.Stake); user != want {
		r.problem = fmt.Sprintf("bet %+v has moved %s, want %s", bet, user, want)
	}
	return nil
}

// isSoundAtAnyTime checks what holds of money at every instant, whatever goes on.
func isSoundAtAnyTime(t *testing.T, s Stores) {
	t.Helper()
	r := &sum{wallets: make(map[domain.UserID]domain.Wallet)}
	if err := s.Ledger.Read(t.Context(), r); err != nil {
		t.Errorf("read the ledger: %v", err)
		return
	}
	total := r.escrow.Plus(r.external).Plus(r.house)
	for _, wallet := range r.wallets {
		total = total.Plus(wallet.Balance).Minus(wallet.Debt)
	}
	if r.problem != "" || r.escrow != r.pending || !total.IsZero() {
		t.Errorf("money is lost: %s; escrow %s, pending %s, total %s", r.problem, r.escrow, r.pending, total)
	}
}

func isSound(t *testing.T, s Stores) {
	t.Helper()
	isSoundAtAnyTime(t, s)
	if t.Failed() {
		t.FailNow()
	}
}

// Limits is the suite of what bounds a stake.
func Limits(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"fills the liability of an event, and never over":  fillsLiability,
		"follows the liability of bets":                    followsLiability,
		"works out a liability that nobody has kept":       worksOutLiability,
		"holds though liabilities are forgotten meanwhile": holdsThoughForgotten,
		"keeps restrictions, and nothing else":             keepsRestrictions,
		"restricts at once":                                restrictsAtOnce,
	})
}

// kept returns the liability that is kept of event 1, and whether one is.
func kept(t *testing.T, s Stores) (amount money.Amount, is bool) {
	t.Helper()
	r := &liabilityReader{}
	ok(t, s.Ledger.Read(t.Context(), r))
	if r.liability == nil {
		return money.Amount{}, false
	}
	return *r.liability, true
}

type liabilityReader struct{ liability *money.Amount }

func (r *liabilityReader) Seal(domain.Seal) error                    { return nil }
func (r *liabilityReader) Transfer(domain.Transfer) error            { return nil }
func (r *liabilityReader) Wallet(domain.UserID, domain.Wallet) error { return nil }
func (r *liabilityReader) Bet(domain.Bet, []domain.Transfer) error   { return nil }
func (r *liabilityReader) Event(e domain.Event, _ int64, l *money.Amount) error {
	if e.ID == 1 {
		r.liability = l
	}
	return nil
}

func withLiability(amount string) domain.Limits {
	limited := limits
	limited.Liability = money.MustParse(amount)
	return limited
}

// fillsLiability has 100 bets at once compete for room for about 33: each adds 4.50.
func fillsLiability(t *testing.T, s Stores) {
	const bets = 100
	users := addUsers(t, s, 10)
	addOpenEvents(t, s, 1)
	limited := withLiability("150.00")
	var (
		mu       sync.Mutex
		accepted int
	)
	together(t, bets, func(i int) error {
		placement := bet(users[i%len(users)], 1)
		decisions, err := placeWithin(t.Context(), s, limited, placement)
		if err != nil {
			return err
		}
		refusal := decisions[0].Refusal
		mu.Lock()
		defer mu.Unlock()
		switch {
		case decisions[0].Accepted():
			accepted++
		case refusal.Code != domain.RefusedLimitExceeded || refusal.Limit != domain.LimitLiability || !refusal.MaxStake.Less(placement.Stake):
			return fmt.Errorf("decided %+v", decisions[0])
		}
		return nil
	})
	equal(t, accepted, 33) // 148.50
	// What is left takes exactly the stake that the refusal names.
	refused, err := placeWithin(t.Context(), s, limited, bet(users[0], 1))
	ok(t, err)
	last := bet(users[0], 1)
	last.Stake = refused[0].Refusal.MaxStake.Plus(money.FromMinor(1))
	over, err := placeWithin(t.Context(), s, limited, last)
	ok(t, err)
	isTrue(t, !over[0].Accepted(), "one more is too much: %+v", over[0])
	last.Stake = refused[0].Refusal.MaxStake
	filled, err := placeWithin(t.Context(), s, limited, last)
	ok(t, err)
	isTrue(t, filled[0].Accepted(), "the named stake passes: %+v", filled[0])
	amount, is := kept(t, s)
	isTrue(t, is && amount == limited.Liability, "filled: %s", amount)
}

func followsLiability(t *testing.T, s Stores) {
	users := addUsers(t, s, 2)
	addOpenEvents(t, s, 1)
	isKept := func(want string) {
		t.Helper()
		amount, is := kept(t, s)
		isTrue(t, is, "a liability is kept")
		equal(t, amount, money.MustParse(want))
	}
	decisions, err := placeWithin(t.Context(), s, withLiability("100.00"), bet(users[0], 1), bet(users[1], 1), bet(users[1], 1))
	ok(t, err)
	isKept("13.50")
	_, err = s.Settlements.CancelBet(t.Context(), decisions[0].Bet.ID, func(set *domain.Settling) (*ports.Cancellation, error) {
		settled, _, err := set.Cancel(time.Hour)
		return &ports.Cancellation{Settled: settled}, err
	})
	ok(t, err)
	isKept("9.00")
	voided := decisions[1].Bet.AcceptedAt
	window := domain.VoidWindow{From: voided, To: voided.Add(time.Microsecond), Reason: "a wrong price"}
	for clock(t, s).Before(window.To) {
	}
	update(t, s, 1, func(event domain.Event, now time.Time) domain.Event {
		event, _, _, err = event.Void(window, now)
		ok(t, err)
		return event
	})
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	isKept("0.00")
	update(t, s, 1, func(event domain.Event, now time.Time) domain.Event {
		event, _, err = event.UndoVoid(1, "it was right", 1, now)
		ok(t, err)
		return event
	})
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	isKept("9.00")
	finish(t, s, 1, domain.StateFinishedWin)
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	isKept("0.00")
	isSound(t, s)
}

func worksOutLiability(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	odd := bet(user, 1)
	odd.Stake = money.MustParse("0.10") // returns 0.145, which is rounded to 0.14
	place(t, s, bet(user, 1), odd)
	_, is := kept(t, s)
	isTrue(t, !is, "nobody has asked for it")
	refused, err := placeWithin(t.Context(), s, withLiability("5.00"), bet(user, 1))
	ok(t, err)
	equal(t, refused[0].Refusal, domain.Refusal{Code: domain.RefusedLimitExceeded, Limit: domain.LimitLiability, MaxStake: money.MustParse("1.03")})
	decisions, err := placeWithin(t.Context(), s, withLiability("10.00"), bet(user, 1))
	ok(t, err)
	isTrue(t, decisions[0].Accepted(), "there is room: %+v", decisions[0])
	amount, _ := kept(t, s)
	equal(t, amount, money.MustParse("9.04"))
	ok(t, s.Placements.ForgetLiabilities(t.Context()))
	place(t, s, bet(user, 1))
	_, err = placeWithin(t.Context(), s, withLiability("20.00"), bet(user, 1))
	ok(t, err)
	amount, _ = kept(t, s)
	equal(t, amount, money.MustParse("18.04"))
}

// holdsThoughForgotten has bets fill the room on an event while what is kept of it is
// forgotten again and again, and bets are cancelled.
func holdsThoughForgotten(t *testing.T, s Stores) {
	const placers, bets = 4, 15
	users := addUsers(t, s, placers)
	addOpenEvents(t, s, 1)
	limited := withLiability("100.00") // 22 bets of 4.50
	done := make(chan struct{})
	var forgetting sync.WaitGroup
	forgetting.Go(func() {
		for {
			if err := s.Placements.ForgetLiabilities(t.Context()); err != nil {
				t.Errorf("forget: %v", err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	together(t, placers, func(i int) error {
		for n := range bets {
			decisions, err := placeWithin(t.Context(), s, limited, bet(users[i], 1))
			if err != nil {
				return err
			}
			if n%5 == 0 && decisions[0].Accepted() {
				if _, err := cancel(t.Context(), s, decisions[0].Bet.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
	close(done)
	forgetting.Wait()
	pending := allBets(t, s, ports.BetFilter{Status: domain.StatusPending})
	equal(t, len(pending), 22)
	_, err := placeWithin(t.Context(), s, limited, bet(users[0], 1))
	ok(t, err)
	amount, _ := kept(t, s)
	equal(t, amount, money.MustParse("99.00"))
}

func keepsRestrictions(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "100.00")
	addOpenEvents(t, s, 1)
	placeBet(t, s, bet(user, 1))
	before, start := readWallet(t, s, user), clock(t, s)
	restricted := before
	restricted.StakeLimit = domain.StakeLimit{Amount: ten, Next: plenty, NextAt: distant}
	restricted.ExcludedUntil = distant
	var at time.Time
	returned, err := s.Wallets.Restrict(t.Context(), user, func(now time.Time, wallet domain.Wallet) (domain.Wallet, error) {
		at = now
		equal(t, wallet, before)
		changed := restricted
		changed.Balance, changed.Held, changed.Staked, changed.Open = plenty, plenty, plenty, false
		return changed, nil
	})
	ok(t, err)
	equal(t, readWallet(t, s, user), restricted)
	equal(t, returned.StakeLimit, restricted.StakeLimit)
	isTrue(t, !at.Before(start) && !at.After(clock(t, s)), "now is the store's: %s", at)

	refusal := fmt.Errorf("no")
	_, err = s.Wallets.Restrict(t.Context(), user, func(_ time.Time, wallet domain.Wallet) (domain.Wallet, error) {
		wallet.StakeLimit = domain.StakeLimit{}
		return wallet, refusal
	})
	isError(t, err, refusal)
	equal(t, readWallet(t, s, user), restricted)
	_, err = s.Wallets.Restrict(t.Context(), 1<<40, func(_ time.Time, wallet domain.Wallet) (domain.Wallet, error) { return wallet, nil })
	isError(t, err, ports.ErrNotFound)
	// Bets, payments and settling leave them alone.
	pay(t, s, deposit(user, "1.00", "key"))
	finish(t, s, 1, domain.StateFinishedWin)
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	wallet := readWallet(t, s, user)
	equal(t, wallet.StakeLimit, restricted.StakeLimit)
	equal(t, wallet.ExcludedUntil, restricted.ExcludedUntil)
}

func restrictsAtOnce(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "100.00")
	addOpenEvents(t, s, 1)
	restrict := func(change func(now time.Time, wallet domain.Wallet) domain.Wallet) {
		t.Helper()
		_, err := s.Wallets.Restrict(t.Context(), user, func(now time.Time, wallet domain.Wallet) (domain.Wallet, error) {
			return change(now, wallet), nil
		})
		ok(t, err)
	}
	restrict(func(now time.Time, wallet domain.Wallet) domain.Wallet {
		wallet.StakeLimit = wallet.StakeLimit.Set(money.MustParse("15.00"), now)
		return wallet
	})
	decisions := place(t, s, bet(user, 1), bet(user, 1))
	isTrue(t, decisions[0].Accepted(), "the first is within the limit: %+v", decisions[0])
	if domain.DayOf(clock(t, s)) == domain.DayOf(decisions[0].Bet.AcceptedAt) {
		equal(t, decisions[1].Refusal, domain.Refusal{Code: domain.RefusedLimitExceeded, Limit: domain.LimitDaily, MaxStake: money.MustParse("5.00")})
	}
	var until time.Time
	restrict(func(now time.Time, wallet domain.Wallet) domain.Wallet {
		until = now.Add(48 * time.Hour)
		wallet.ExcludedUntil = until
		return wallet
	})
	equal(t, place(t, s, bet(user, 1))[0].Refusal, domain.Refusal{Code: domain.RefusedSelfExcluded, ExcludedUntil: until.UTC()})
}
