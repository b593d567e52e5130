package domain_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

func amount(text string) money.Amount { return money.MustParse(text) }

// Two bets of one user in one batch are decided in order, the second on the balance after the
// first.
func TestDecideTakesStakesFromTheRunningBalance(t *testing.T) {
	t.Parallel()
	ws := workingSet(openEvent())
	ws.Wallets[1] = domain.Wallet{Open: true, Balance: amount("15.00")}
	got := ws.Decide(limits, []domain.Placement{placement(), placement()})
	if !got[0].Accepted() || got[1].Refusal != (domain.Refusal{Code: domain.RefusedInsufficientFunds, LargestStake: amount("5.00")}) {
		t.Errorf("got %+v, want a bet, and a refusal that names 5.00", got)
	}
	want := domain.Wallet{Open: true, Balance: amount("5.00"), Held: amount("10.00"), Staked: amount("10.00"), StakedDay: domain.DayOf(noon)}
	if ws.Wallets[1] != want {
		t.Errorf("got the wallet %+v, want %+v", ws.Wallets[1], want)
	}
}

func TestDecideRefusesStakesAboveALimit(t *testing.T) {
	t.Parallel()
	today := domain.DayOf(noon)
	for name, tt := range map[string]struct {
		limits domain.Limits
		wallet domain.Wallet
		want   domain.Refusal
	}{
		"the payout of a bet": {
			domain.Limits{Stake: stakes, Payout: amount("14.49")}, rich(true),
			domain.Refusal{Code: domain.RefusedLimitExceeded, Limit: domain.LimitPayout, LargestStake: amount("9.99")},
		},
		"the liability of an event": {
			domain.Limits{Stake: stakes, Liability: amount("100.00")}, rich(true),
			domain.Refusal{Code: domain.RefusedLimitExceeded, Limit: domain.LimitLiability, LargestStake: amount("8.93")},
		},
		"an event whose limit has been lowered": {
			domain.Limits{Stake: stakes, Liability: amount("50.00")}, rich(true),
			domain.Refusal{Code: domain.RefusedLimitExceeded, Limit: domain.LimitLiability},
		},
		"the user's stakes of a day": {
			limits, domain.Wallet{Open: true, Balance: amount("50.00"), Staked: amount("91.00"), StakedDay: today, StakeLimit: domain.StakeLimit{Amount: amount("100.00")}},
			domain.Refusal{Code: domain.RefusedLimitExceeded, Limit: domain.LimitDaily, LargestStake: amount("9.00")},
		},
		"a day's limit that was lowered below what is staked": {
			limits, domain.Wallet{Open: true, Balance: amount("50.00"), Staked: amount("91.00"), StakedDay: today, StakeLimit: domain.StakeLimit{Amount: amount("20.00")}},
			domain.Refusal{Code: domain.RefusedLimitExceeded, Limit: domain.LimitDaily},
		},
		"the tightest of two, and no more than there is": {
			domain.Limits{Stake: stakes, Payout: amount("14.49"), Liability: amount("100.00")}, domain.Wallet{Open: true, Balance: amount("3.00")},
			domain.Refusal{Code: domain.RefusedLimitExceeded, Limit: domain.LimitLiability, LargestStake: amount("3.00")},
		},
		"less than the least stake": {
			domain.Limits{Stake: domain.StakeLimits{Min: amount("5.00"), Max: amount("1000.00")}}, domain.Wallet{Open: true, Balance: amount("4.99")},
			domain.Refusal{Code: domain.RefusedInsufficientFunds},
		},
		"an excluded user": {
			limits, domain.Wallet{Open: true, Balance: amount("50.00"), ExcludedUntil: noon.Add(time.Microsecond)},
			domain.Refusal{Code: domain.RefusedSelfExcluded, ExcludedUntil: noon.Add(time.Microsecond)},
		},
	} {
		ws := workingSet(openEvent())
		ws.Wallets[1] = tt.wallet
		ws.Liabilities = map[domain.EventID]money.Amount{7: amount("95.99")}
		if got := ws.Decide(tt.limits, []domain.Placement{placement()})[0]; got.Err != nil || got.Refusal != tt.want {
			t.Errorf("%s: got %+v, want the refusal %+v", name, got, tt.want)
		}
		if ws.Wallets[1] != tt.wallet {
			t.Errorf("%s: a refusal has changed the wallet to %+v", name, ws.Wallets[1])
		}
	}
}

func TestDecideAcceptsStakesUpToEveryLimit(t *testing.T) {
	t.Parallel()
	ws := workingSet(openEvent())
	ws.Wallets[1] = domain.Wallet{
		Open: true, Balance: amount("10.00"), Staked: amount("900.00"), StakedDay: domain.DayOf(noon) - 1,
		StakeLimit: domain.StakeLimit{Amount: amount("10.00")}, ExcludedUntil: noon,
	}
	ws.Liabilities = map[domain.EventID]money.Amount{7: amount("95.50")}
	exact := domain.Limits{Stake: stakes, Payout: amount("14.50"), Liability: amount("100.00")}
	if got := ws.Decide(exact, []domain.Placement{placement()})[0]; !got.Accepted() {
		t.Errorf("got %+v, want a bet that fills every limit", got)
	}
	if got := ws.Liabilities[7]; got != exact.Liability {
		t.Errorf("got the liability %s, want %s", got, exact.Liability)
	}
}

// The stake that a refusal names passes, and the next larger one does not.
func TestMaxStakeIsTheLargest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		price, _ := odds.FromHundredths(rapid.OneOf(rapid.Int64Range(100, 400), rapid.Int64Range(100, 99_999_99)).Draw(t, "price"))
		drawn := func(name string) money.Amount {
			return money.FromMinor(rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, 1_000_000_00)).Draw(t, name))
		}
		limits := domain.Limits{Stake: domain.StakeLimits{Min: amount("0.01"), Max: drawn("max stake").Plus(amount("0.01"))}}
		if rapid.Bool().Draw(t, "with payout") {
			limits.Payout = drawn("payout").Plus(amount("0.01"))
		}
		if rapid.Bool().Draw(t, "with liability") {
			limits.Liability = drawn("liability").Plus(amount("0.01"))
		}
		wallet := domain.Wallet{Open: true, Balance: drawn("balance"), Staked: drawn("staked"), StakedDay: domain.DayOf(noon)}
		if rapid.Bool().Draw(t, "with daily") {
			wallet.StakeLimit.Amount = drawn("daily").Plus(amount("0.01"))
		}
		used := drawn("used")
		try := func(stake money.Amount) domain.Decision {
			event, p := openEvent(), placement()
			event.Coefficient, p.Stake = price, stake
			ws := workingSet(event)
			ws.Wallets[1], ws.Liabilities = wallet, map[domain.EventID]money.Amount{7: used}
			return ws.Decide(limits, []domain.Placement{p})[0]
		}
		got := try(limits.Stake.Max)
		if got.Accepted() {
			return
		}
		if code := got.Refusal.Code; code != domain.RefusedLimitExceeded && code != domain.RefusedInsufficientFunds {
			t.Fatalf("refused as %+v", got.Refusal)
		}
		largest := got.Refusal.LargestStake
		if !largest.IsZero() && !try(largest).Accepted() {
			t.Fatalf("%+v names %s, which is refused: %+v", got.Refusal, largest, try(largest).Refusal)
		}
		if next := try(largest.Plus(amount("0.01"))); next.Accepted() {
			t.Fatalf("%+v names %s, but one cent more is accepted", got.Refusal, largest)
		}
	})
}

// worth is the total money of the user outside escrow.
func worth(w domain.Wallet) money.Amount { return w.Balance.Minus(w.Debt) }

// After any results, windows, undone windows and operators' decisions, in any order and with any of
// them skipped, the money depends only on the last state.
func TestMoneyDependsOnTheLastResultOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		opening := money.FromMinor(rapid.Int64Range(0, 50_00).Draw(t, "opening"))
		wallet, ledger := domain.OpenWallet(1, opening, noon)
		price, _ := odds.FromHundredths(rapid.Int64Range(100, 400).Draw(t, "price"))
		event := openEvent()
		event.Coefficient = price
		set := &domain.WorkingSet{
			Wallets: map[domain.UserID]domain.Wallet{1: wallet}, Events: map[domain.EventID]domain.Event{7: event},
			BetIDs: []domain.BetID{1, 2, 3}, Now: noon,
		}
		var bets []domain.Bet
		for range 3 {
			p := placement()
			p.Stake = money.FromMinor(rapid.Int64Range(1, 30_00).Draw(t, "stake"))
			if d := set.Decide(limits, []domain.Placement{p})[0]; d.Accepted() {
				bets = append(bets, d.Bet)
				ledger = append(ledger, d.Bet.StakeTransfer())
			}
			set.Now = set.Now.Add(time.Second)
		}
		wallet = set.Wallets[1]
		now := noon.Add(time.Hour)
		for step := range rapid.IntRange(1, 12).Draw(t, "steps") {
			now = now.Add(time.Minute)
			event = amended(t, event, step, now)
			if !rapid.Bool().Draw(t, "settled") {
				continue
			}
			wallet, ledger, bets = settleAll(t, event, wallet, ledger, bets, now)
		}
		wallet, _, bets = settleAll(t, event, wallet, ledger, bets, now)

		want, held := opening, money.Amount{}
		for _, bet := range bets {
			want = want.Minus(bet.Stake).Plus(event.Settlement(bet).Payout)
			if event.Settlement(bet).Status == domain.StatusPending {
				held = held.Plus(bet.Stake)
			}
		}
		if worth(wallet) != want || wallet.Held != held {
			t.Fatalf("got the wallet %+v, want %s in all and %s held", wallet, want, held)
		}
	})
}

// amended returns the event after a change after which its bets are settled again.
func amended(t *rapid.T, event domain.Event, step int, now time.Time) domain.Event {
	switch rapid.IntRange(0, 3).Draw(t, "what") {
	case 0:
		from := noon.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "from")) * time.Second)
		next, _, _, err := event.Void(domain.VoidWindow{From: from, To: from.Add(1500 * time.Millisecond), Reason: "why"}, now)
		if err != nil {
			t.Fatal(err)
		}
		return next
	case 1:
		active := slices.DeleteFunc(slices.Clone(event.VoidWindows), func(w domain.VoidWindow) bool { return !w.IsActive() })
		if len(active) == 0 {
			return event
		}
		next, _, err := event.UndoVoid(active[0].ID, "why not", 1, now)
		if err != nil {
			t.Fatal(err)
		}
		return next
	case 2: // an operator adopts an event that is open again
		event.Quarantined = true
		open := openEvent().LineEvent
		open.Seq, open.Version = event.Seq+1, event.Version+1
		next, err := event.Resolve(domain.ResolveAdopt, open, now)
		if err != nil {
			t.Fatal(err)
		}
		return next
	default:
		change := event.LineEvent
		change.Seq, change.Version, change.ResultRevision = event.Seq+1, event.Version+1, int64(step)+1
		change.State = domain.State(rapid.IntRange(2, 4).Draw(t, "state"))
		next, _ := event.Apply(change, now)
		return next
	}
}

// settleAll settles the bets and checks the invariants of every settlement: no wallet is ever
// negative on the way, no wallet has both a debt and a balance, and transfers are positive, between
// two accounts, and at most one of each pair per bet and revision.
func settleAll(
	t *rapid.T, event domain.Event, wallet domain.Wallet, ledger []domain.Transfer, bets []domain.Bet, now time.Time,
) (domain.Wallet, []domain.Transfer, []domain.Bet) {
	behind := slices.DeleteFunc(slices.Clone(bets), func(b domain.Bet) bool { return b.Revision >= event.SettleRevision })
	set := &domain.Settling{Now: now, Event: event, Bets: behind, Wallets: map[domain.UserID]domain.Wallet{1: wallet}}
	for i, settled := range set.Settle() {
		before := behind[i].Settlement
		same := settled.Payout == before.Payout && (settled.Status == domain.StatusPending) == (before.Status == domain.StatusPending)
		if (len(settled.Transfers) == 0) != same {
			t.Fatalf("bet %+v to %+v moves %+v", behind[i], settled.Standing, settled.Transfers)
		}
		for _, transfer := range settled.Transfers {
			wallet = wallet.After(transfer)
			if !transfer.Amount.IsPositive() || transfer.Debit == transfer.Credit || transfer.BetID != behind[i].ID ||
				transfer.Revision != event.SettleRevision || transfer.UserID != 1 || transfer.At != now {
				t.Fatalf("not a transfer: %+v", transfer)
			}
			if wallet.Balance.Less(money.Amount{}) || wallet.Held.Less(money.Amount{}) || wallet.Debt.Less(money.Amount{}) {
				t.Fatalf("after %+v the wallet is %+v", transfer, wallet)
			}
			if slices.ContainsFunc(ledger, func(other domain.Transfer) bool {
				return other.BetID == transfer.BetID && other.Revision == transfer.Revision && other.Debit == transfer.Debit && other.Credit == transfer.Credit
			}) {
				t.Fatalf("twice: %+v", transfer)
			}
			ledger = append(ledger, transfer)
		}
		if wallet.Debt.IsPositive() && wallet.Balance.IsPositive() {
			t.Fatalf("debt stands beside a balance: %+v", wallet)
		}
		at := slices.IndexFunc(bets, func(b domain.Bet) bool { return b.ID == behind[i].ID })
		bets[at].Standing = settled.Standing
	}
	if !wallet.HasSameMoney(set.Wallets[1]) {
		t.Fatalf("the set's wallet is %+v, by the transfers it is %+v", set.Wallets[1], wallet)
	}
	return wallet, ledger, bets
}

func TestCancel(t *testing.T) {
	t.Parallel()
	bet := domain.Bet{ID: 1, UserID: 1, EventID: 7, Stake: amount("10.00"), Coefficient: odds.MustParse("1.45"), AcceptedAt: noon}
	bet.Status = domain.StatusPending
	const window = time.Minute
	for name, tt := range map[string]struct {
		event  func(*domain.Event)
		bet    func(*domain.Bet)
		at     time.Time
		window time.Duration
		err    error
	}{
		"at once":                   {at: noon, window: window},
		"just within the window":    {at: noon.Add(window - 1), window: window},
		"at the end of the window":  {at: noon.Add(window), window: window, err: domain.ErrCancelNotAllowed},
		"without a window":          {at: noon, err: domain.ErrCancelNotAllowed},
		"at the deadline":           {at: noon.Add(time.Hour), window: 2 * time.Hour, err: domain.ErrEventClosed},
		"on a finished event":       {event: func(e *domain.Event) { e.State = domain.StateFinishedLose }, at: noon, window: window, err: domain.ErrEventClosed},
		"on a suspended event":      {event: func(e *domain.Event) { e.Suspended = true }, at: noon, window: window, err: domain.ErrEventSuspended},
		"on an event in quarantine": {event: func(e *domain.Event) { e.Quarantined = true }, at: noon, window: window, err: domain.ErrEventSuspended},
		"a bet that is settled":     {bet: func(b *domain.Bet) { b.Status = domain.StatusLost }, at: noon, window: window, err: domain.ErrBetNotPending},
		"a bet that is about to be void": {
			event: func(e *domain.Event) { e.VoidBefore = noon.Add(1) }, at: noon, window: window, err: domain.ErrEventClosed,
		},
	} {
		event, b := openEvent(), bet
		if tt.event != nil {
			tt.event(&event)
		}
		if tt.bet != nil {
			tt.bet(&b)
		}
		set := &domain.Settling{Now: tt.at, Event: event, Bets: []domain.Bet{b}, Wallets: map[domain.UserID]domain.Wallet{1: {Open: true, Held: b.Stake}}}
		settled, changed, err := set.Cancel(tt.window)
		if !errors.Is(err, tt.err) || changed != (tt.err == nil) {
			t.Errorf("%s: got %t, %v, want %v", name, changed, err, tt.err)
		}
		if tt.err != nil {
			continue
		}
		want := domain.Settlement{Status: domain.StatusVoid, Payout: b.Stake, VoidReason: domain.VoidCancelledByUser}
		if settled.Settlement != want || len(settled.Transfers) != 1 || set.Wallets[1].Balance != b.Stake {
			t.Errorf("%s: got %+v and the wallet %+v", name, settled, set.Wallets[1])
		}
		// A cancellation is final, and repeating it changes nothing.
		b.Standing = settled.Standing
		event.State = domain.StateFinishedWin
		again := &domain.Settling{Now: tt.at, Event: event, Bets: []domain.Bet{b}}
		if _, changed, err := again.Cancel(tt.window); changed || err != nil || event.Settlement(b) != want {
			t.Errorf("%s: once more: %t, %v, and the settlement is %+v", name, changed, err, event.Settlement(b))
		}
	}
}

func TestVoidWindows(t *testing.T) {
	t.Parallel()
	event := openEvent()
	window := domain.VoidWindow{From: noon, To: noon.Add(time.Second), Reason: "a wrong price", By: 5}
	now := noon.Add(time.Minute)
	event, first, changed, err := event.Void(window, now)
	if err != nil || !changed || first.ID != 1 || first.At != now || event.SettleRevision != 1 || event.ResultedAt != now {
		t.Fatalf("got %+v, %+v, %t, %v", event, first, changed, err)
	}
	if same, known, changed, err := event.Void(window, now.Add(1)); err != nil || changed || known != first || !reflect.DeepEqual(same, event) {
		t.Errorf("an equal window: got %+v, %+v, %t, %v", same, known, changed, err)
	}
	bet := domain.Bet{Stake: amount("10.00"), Coefficient: odds.MustParse("1.45")}
	for at, void := range map[time.Time]bool{noon.Add(-1): false, noon: true, noon.Add(time.Second - 1): true, noon.Add(time.Second): false} {
		for _, state := range []domain.State{domain.StateNew, domain.StateFinishedWin, domain.StateFinishedLose} {
			event.State, bet.AcceptedAt = state, at
			if got := event.Settlement(bet); (got.VoidReason == domain.VoidWindowed) != void {
				t.Errorf("accepted at %s, state %d: got %+v, want void %t", at, state, got, void)
			}
		}
	}
	undone, second, err := event.UndoVoid(1, "it was right", 6, now)
	if err != nil || second.IsActive() || undone.SettleRevision != 2 || second.UndoneBy != 6 || !event.VoidWindows[0].IsActive() {
		t.Fatalf("got %+v, %+v, %v", undone, second, err)
	}
	bet.AcceptedAt = noon
	if got := undone.Settlement(bet); got.Status == domain.StatusVoid {
		t.Errorf("an undone window voids: %+v", got)
	}
	if again, third, changed, err := undone.Void(window, now); err != nil || !changed || third.ID != 2 || again.SettleRevision != 3 {
		t.Errorf("a window again: got %+v, %t, %v", third, changed, err)
	}
	for name, err := range map[string]error{
		"undone twice": onlyError(undone.UndoVoid(1, "why", 6, now)),
		"unknown":      onlyError(undone.UndoVoid(9, "why", 6, now)),
		"no reason":    onlyError(event.UndoVoid(1, "", 6, now)),
	} {
		want := map[string]error{"undone twice": domain.ErrVoidUndone, "unknown": domain.ErrVoidNotFound, "no reason": domain.ErrInvalidVoid}[name]
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	for name, wrong := range map[string]domain.VoidWindow{
		"backwards":     {From: noon.Add(time.Second), To: noon, Reason: "why"},
		"empty":         {From: noon, To: noon, Reason: "why"},
		"in the future": {From: noon, To: now.Add(1), Reason: "why"},
		"unreasoned":    {From: noon, To: now},
	} {
		if _, _, _, err := event.Void(wrong, now); !errors.Is(err, domain.ErrInvalidVoid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func onlyError(_ domain.Event, _ domain.VoidWindow, err error) error { return err }

func TestStakeLimit(t *testing.T) {
	t.Parallel()
	later := noon.Add(domain.StakeLimitDelay)
	limit := domain.StakeLimit{}.Set(amount("50.00"), noon)
	if limit != (domain.StakeLimit{Amount: amount("50.00")}) {
		t.Fatalf("a first limit counts at once: %+v", limit)
	}
	raised := limit.Set(amount("80.00"), noon)
	if want := (domain.StakeLimit{Amount: amount("50.00"), Next: amount("80.00"), NextAt: later}); raised != want {
		t.Fatalf("a higher one waits: %+v, want %+v", raised, want)
	}
	if got := raised.At(later.Add(-1)).Amount; got != amount("50.00") {
		t.Errorf("before its time the limit is %s", got)
	}
	if got := raised.At(later); got != (domain.StakeLimit{Amount: amount("80.00")}) {
		t.Errorf("at its time the limit is %+v", got)
	}
	if got := raised.Set(amount("30.00"), noon); got != (domain.StakeLimit{Amount: amount("30.00")}) {
		t.Errorf("a lower limit counts at once and discards the higher one: %+v", got)
	}
	if got := raised.Set(amount("50.00"), noon); got != limit {
		t.Errorf("setting the present limit discards the higher one: %+v", got)
	}
	if got := limit.Set(money.Amount{}, noon); got.Amount != limit.Amount || got.NextAt != later || !got.At(later).Amount.IsZero() {
		t.Errorf("removing the limit waits, too: %+v", got)
	}
	if got := raised.Set(amount("90.00"), noon.Add(time.Hour)); got.NextAt != later.Add(time.Hour) {
		t.Errorf("another change waits anew: %+v", got)
	}
}

func TestExclude(t *testing.T) {
	t.Parallel()
	until := noon.Add(30 * 24 * time.Hour)
	wallet, err := domain.Wallet{Open: true}.Exclude(until, noon)
	if err != nil || !wallet.IsExcluded(until.Add(-1)) || wallet.IsExcluded(until) {
		t.Fatalf("got %+v, %v", wallet, err)
	}
	if _, err := wallet.Exclude(until.Add(-1), noon); !errors.Is(err, domain.ErrExclusionTooShort) {
		t.Errorf("shortened: %v", err)
	}
	if longer, err := wallet.Exclude(until.Add(1), noon); err != nil || longer.ExcludedUntil != until.Add(1) {
		t.Errorf("made longer: %+v, %v", longer, err)
	}
	for _, wrong := range []time.Time{{}, noon, noon.Add(domain.MinExclusion - 1), noon.Add(domain.MaxExclusion + 1)} {
		if _, err := (domain.Wallet{}).Exclude(wrong, noon); !errors.Is(err, domain.ErrInvalidExclusion) {
			t.Errorf("until %s: got %v", wrong, err)
		}
	}
}

func TestPayments(t *testing.T) {
	t.Parallel()
	in := domain.Payment{UserID: 1, Kind: domain.TransferDeposit, Amount: amount("5.00"), Origin: domain.Origin{RequestID: "first"}}
	out := in
	out.Kind = domain.TransferWithdrawal
	for name, tt := range map[string]struct {
		payment domain.Payment
		wallet  domain.Wallet
		want    domain.Refusal
		balance string
	}{
		"a deposit":                            {payment: in, balance: "5.00"},
		"a deposit that repays":                {payment: in, wallet: domain.Wallet{Debt: amount("3.00")}, balance: "2.00"},
		"a withdrawal of all":                  {payment: out, wallet: domain.Wallet{Balance: amount("5.00")}, balance: "0.00"},
		"a withdrawal of more":                 {payment: out, wallet: domain.Wallet{Balance: amount("4.99")}, want: domain.Refusal{Code: domain.RefusedWithdrawal, Max: amount("4.99")}, balance: "4.99"},
		"a withdrawal with debt":               {payment: out, wallet: domain.Wallet{Debt: amount("0.01")}, want: domain.Refusal{Code: domain.RefusedDebt, Debt: amount("0.01")}, balance: "0.00"},
		"a deposit beyond the largest balance": {payment: in, wallet: domain.Wallet{Balance: amount("99999999999.99")}, want: domain.Refusal{Code: domain.RefusedBalanceTooLarge, Max: amount("99999999999.99")}, balance: "99999999999.99"},
	} {
		got := domain.PaymentSet{Now: noon, Wallet: tt.wallet}.Decide(tt.payment)
		if got.Err != nil || got.Refusal != tt.want || got.Wallet.Balance != amount(tt.balance) || !got.IsNew() {
			t.Errorf("%s: got %+v", name, got)
		}
		if tt.want.IsZero() != (len(got.Transfers) > 0) {
			t.Errorf("%s: moves %+v", name, got.Transfers)
		}
		again := domain.PaymentSet{Now: noon, Verdict: &got.PaymentVerdict}.Decide(tt.payment)
		if !again.Replayed || again.IsNew() || again.PaymentVerdict != got.PaymentVerdict {
			t.Errorf("%s: once more: %+v", name, again)
		}
		other := tt.payment
		other.UserID++
		if reused := (domain.PaymentSet{Now: noon, Verdict: &got.PaymentVerdict}).Decide(other); !errors.Is(reused.Err, domain.ErrKeyReused) {
			t.Errorf("%s: the key for another user: %+v", name, reused)
		}
	}
}

// Different transfers have different canonical bytes.
func TestCanonicalBytesCoverEveryField(t *testing.T) {
	t.Parallel()
	base := domain.Transfer{
		ID: 1, UserID: 2, Debit: 3, Credit: 4, Amount: amount("5"), Kind: 6, BetID: 7, Revision: 8, Reference: "9", At: noon,
	}
	other := domain.Transfer{
		ID: 11, UserID: 12, Debit: 13, Credit: 14, Amount: amount("15"), Kind: 16, BetID: 17, Revision: 18, Reference: "19",
		At: noon.Add(time.Microsecond),
	}
	for i := range reflect.TypeFor[domain.Transfer]().NumField() {
		changed := base
		reflect.ValueOf(&changed).Elem().Field(i).Set(reflect.ValueOf(other).Field(i))
		if string(changed.AppendCanonical(nil)) == string(base.AppendCanonical(nil)) {
			t.Errorf("%s is not covered", reflect.TypeFor[domain.Transfer]().Field(i).Name)
		}
	}
}

func TestLiabilityOfPendingBets(t *testing.T) {
	t.Parallel()
	bet := domain.Bet{Stake: amount("0.50"), Coefficient: odds.MustParse("1.45"), Standing: domain.Standing{Settlement: domain.Settlement{Status: domain.StatusPending}}}
	sum := money.Amount{}
	for count := range int64(5) {
		bets := domain.PendingBets{Bet: bet, Count: count}
		if got := bets.Liability(); got != sum {
			t.Errorf("%d bets: got %s, want %s", count, got, sum)
		}
		sum = sum.Plus(bet.Liability())
	}
}

func TestLiabilityOverflowPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a sum beyond 64 bits is kept")
		}
	}()
	bet := domain.Bet{Stake: amount("99999999999.99"), Coefficient: odds.MustParse("99999.99")}
	domain.PendingBets{Bet: bet, Count: 1000}.Liability()
}
