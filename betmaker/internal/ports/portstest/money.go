package portstest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Money is the suite of the money that placing and settling move.
func Money(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"begins a wallet with an opening":                 beginsWallet,
		"moves the stake with the bet":                    movesStake,
		"decides bets of a user in order":                 decidesInOrder,
		"accepts no more bets than the balance":           acceptsWhatThereIs,
		"moves money for each settlement":                 movesMoney,
		"a correction moves the difference, into debt":    correctsIntoDebt,
		"stores every field of a transfer":                findsTransfers,
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

// transfersOf returns a user's transfers, oldest first.
func transfersOf(t *testing.T, s Stores, filter ports.TransferFilter) []domain.Transfer {
	t.Helper()
	transfers, err := s.Wallets.Transfers(t.Context(), filter, 1_000_000)
	ok(t, err)
	for i := range len(transfers) / 2 {
		transfers[i], transfers[len(transfers)-1-i] = transfers[len(transfers)-1-i], transfers[i]
	}
	return transfers
}

// addUserWith adds a user with an opening balance.
func addUserWith(t *testing.T, s Stores, name, amount string) domain.UserID {
	t.Helper()
	user := newUser(name, domain.RoleUser)
	user.Opening = money.MustParse(amount)
	created, err := s.Users.Create(t.Context(), user)
	ok(t, err)
	return created.ID
}

// hasMoney checks the amounts in a wallet.
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
	equal(t, decisions[2].Refusal, domain.Refusal{Code: domain.RefusedInsufficientFunds, LargestStake: small.Stake})
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

// entry is the part of a transfer that these tests compare.
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
	for i, settlement := range []struct {
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
		finish(t, s, id, settlement.state)
		_, err := settle(t.Context(), s, id, 10)
		ok(t, err)
		hasMoney(t, s, user, settlement.balance, "0.00", "0.00")
		transfers := transfersOf(t, s, ports.TransferFilter{BetID: placed.ID})
		equal(t, entries(transfers[1:]), settlement.want)
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
	isTrue(t, older[0].ID < newest[1].ID && newest[1].ID < newest[0].ID, "in pages, newest first")
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

// conservesMoney lets a few users bet on many events while results arrive and are corrected and payments
// are made, and checks the sum of money all the time.
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

// sum is a LedgerReader that adds up money.
type sum struct {
	wallets  map[domain.UserID]domain.Wallet // by the transfers
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
	count(t.Debit, t.Amount.Neg())
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

// isSoundAtAnyTime checks the invariants of money that hold at every instant.
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
