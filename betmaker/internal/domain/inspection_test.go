package domain_test

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// book is a whole ledger in memory, made by the rules. Users 1 and 2 have bet on event 7: bet 1 won
// and was corrected after its payout had been withdrawn, which left a debt; bet 2 lost and was
// corrected too. Bet 3 is pending on event 8. The last transfers are not sealed.
type book struct {
	seals       []domain.Seal
	transfers   []domain.Transfer
	wallets     map[domain.UserID]domain.Wallet
	events      []domain.Event
	settled     map[domain.EventID]int64
	liabilities map[domain.EventID]*money.Amount
	bets        []domain.Bet
	now         time.Time
}

func newBook(t *testing.T) *book {
	t.Helper()
	b := &book{
		wallets:     make(map[domain.UserID]domain.Wallet),
		settled:     make(map[domain.EventID]int64),
		liabilities: make(map[domain.EventID]*money.Amount),
		now:         time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
	for _, id := range []domain.EventID{7, 8} {
		b.events = append(b.events, domain.Event{LineEvent: domain.LineEvent{
			ID: id, Dataset: "d", Seq: int64(id), Version: 1, Coefficient: odds.MustParse("2.50"),
			State: domain.StateNew, Deadline: b.now.Add(time.Hour),
		}})
	}
	for _, user := range []domain.UserID{1, 2} {
		wallet, transfers := domain.OpenWallet(user, money.MustParse("100.00"), b.now)
		b.wallets[user] = wallet
		b.write(transfers...)
	}
	b.pay(t, 1, domain.TransferDeposit, "5.00")
	b.place(t, 1, 7, "10.00")
	b.place(t, 2, 7, "20.00")
	b.result(domain.StateFinishedWin, 1)
	b.seal()
	b.pay(t, 1, domain.TransferWithdrawal, "120.00")
	b.result(domain.StateFinishedLose, 2)
	b.seal()
	b.place(t, 2, 8, "30.00")
	b.liabilities[8] = new(money.Amount)
	*b.liabilities[8] = b.bets[2].Liability()
	return b
}

func (b *book) write(transfers ...domain.Transfer) {
	for _, transfer := range transfers {
		transfer.ID = domain.TransferID(2*len(b.transfers) + 2) // with gaps
		b.transfers = append(b.transfers, transfer)
	}
}

func (b *book) pay(t *testing.T, user domain.UserID, kind domain.TransferKind, amount string) {
	t.Helper()
	set := domain.PaymentSet{Now: b.now, Wallet: b.wallets[user]}
	decision := set.Decide(domain.Payment{UserID: user, Kind: kind, Amount: money.MustParse(amount), Reference: "cash"})
	if !decision.Refusal.IsZero() {
		t.Fatalf("refused: %+v", decision.Refusal)
	}
	b.wallets[user] = decision.Wallet
	b.write(decision.Transfers...)
}

func (b *book) place(t *testing.T, user domain.UserID, event domain.EventID, stake string) {
	t.Helper()
	set := domain.WorkingSet{
		Wallets: b.wallets, Events: map[domain.EventID]domain.Event{event: b.events[event-7]},
		BetIDs: []domain.BetID{domain.BetID(len(b.bets) + 1)}, Now: b.now,
	}
	limits := domain.Limits{Stake: domain.StakeLimits{Min: money.MustParse("0.01"), Max: money.MustParse("1000.00")}}
	placement := domain.Placement{UserID: user, EventID: event, Stake: money.MustParse(stake), Policy: domain.OddsChangeAny}
	decision := set.Decide(limits, []domain.Placement{placement})[0]
	if !decision.Accepted() {
		t.Fatalf("refused: %+v", decision)
	}
	b.bets = append(b.bets, decision.Bet)
	b.write(decision.Bet.StakeTransfer())
}

// result gives event 7 a result and settles its bets.
func (b *book) result(state domain.State, revision int64) {
	change := b.events[0].LineEvent
	change.Seq, change.Version, change.State, change.ResultRevision = change.Seq+10, change.Version+1, state, revision
	b.events[0], _ = b.events[0].Apply(change, b.now)
	set := domain.Settling{Now: b.now, Event: b.events[0], Bets: b.bets[:2], Wallets: b.wallets}
	for i, settled := range set.Settle() {
		b.bets[i].Standing = settled.Standing
		b.write(settled.Transfers...)
	}
	b.settled[7] = b.events[0].SettleRevision
}

func (b *book) seal() {
	newest := domain.Seal{}
	if n := len(b.seals); n > 0 {
		newest = b.seals[n-1]
	}
	rest := slices.DeleteFunc(slices.Clone(b.transfers), func(t domain.Transfer) bool { return t.ID <= newest.Last })
	b.seals = append(b.seals, newest.Next(rest, b.now))
}

// inspect passes the ledger to an inspection as a store does.
func (b *book) inspect(expected domain.Seal) domain.LedgerReport {
	inspection := domain.NewInspection(expected)
	seals := b.seals
	showSeals := func(upTo domain.TransferID) {
		for ; len(seals) > 0 && seals[0].Last <= upTo; seals = seals[1:] {
			_ = inspection.Seal(seals[0])
		}
	}
	of := make(map[domain.BetID][]domain.Transfer)
	for _, transfer := range b.transfers {
		showSeals(transfer.ID - 1)
		_ = inspection.Transfer(transfer)
		if transfer.BetID != 0 {
			of[transfer.BetID] = append(of[transfer.BetID], transfer)
		}
	}
	showSeals(math.MaxInt64)
	for _, user := range slices.Sorted(maps.Keys(b.wallets)) {
		_ = inspection.Wallet(user, b.wallets[user])
	}
	for _, event := range b.events {
		_ = inspection.Event(event, b.settled[event.ID], b.liabilities[event.ID])
	}
	for _, bet := range b.bets {
		_ = inspection.Bet(bet, of[bet.ID])
		delete(of, bet.ID)
	}
	for id, transfers := range of {
		_ = inspection.Bet(domain.Bet{ID: id}, transfers)
	}
	return inspection.Report()
}

func TestInspectionOfASoundLedger(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	report := b.inspect(b.seals[0])
	if !report.IsInOrder() || report.FindingCount() != 0 {
		t.Fatalf("found %v", report.Findings)
	}
	got := [...]int64{report.Seals, report.Transfers, report.Sealed, report.Wallets, report.Events, report.Bets, report.Pending, report.Behind}
	if want := [...]int64{2, 14, 13, 2, 2, 3, 1, 0}; got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
	if report.Head != b.seals[1] {
		t.Errorf("the head is %v, want %v", report.Head, b.seals[1])
	}
	for account, want := range map[domain.Account]string{
		domain.AccountWallet: "50.00", domain.AccountEscrow: "30.00", domain.AccountHouse: "30.00",
		domain.AccountExternal: "-85.00", domain.AccountDebt: "-25.00",
	} {
		if got := report.Total(account).String(); got != want {
			t.Errorf("%s: got %s, want %s", account.Name(0), got, want)
		}
	}
}

func TestInspectionFinds(t *testing.T) {
	t.Parallel()
	one := money.FromMinor(1)
	wallet := func(b *book, user domain.UserID, edit func(*domain.Wallet)) {
		w := b.wallets[user]
		edit(&w)
		b.wallets[user] = w
	}
	for name, test := range map[string]struct {
		spoil func(b *book)
		want  domain.FindingKind
	}{
		"an edited amount":         {func(b *book) { b.transfers[3].Amount = one }, domain.FindingSeal},
		"an edited reference":      {func(b *book) { b.transfers[2].Reference = "card" }, domain.FindingSeal},
		"an edited instant":        {func(b *book) { b.transfers[2].At = b.now.Add(time.Microsecond) }, domain.FindingSeal},
		"another id":               {func(b *book) { b.transfers[0].ID = 1 }, domain.FindingSeal},
		"a deleted transfer":       {func(b *book) { b.transfers = slices.Delete(b.transfers, 1, 2) }, domain.FindingSeal},
		"transfers cut off":        {func(b *book) { b.transfers = b.transfers[:9] }, domain.FindingSeal},
		"all transfers cut off":    {func(b *book) { b.transfers = nil }, domain.FindingSeal},
		"a seal's count":           {func(b *book) { b.seals[1].Count++ }, domain.FindingSeal},
		"a seal's hash":            {func(b *book) { b.seals[0].Hash[5]++ }, domain.FindingSeal},
		"a seal that reaches on":   {func(b *book) { b.seals[1].Last++ }, domain.FindingSeal},
		"a seal cut short":         {func(b *book) { b.seals[0].Last -= 2 }, domain.FindingSeal},
		"a seal beyond all":        {func(b *book) { b.seals[1].Last = math.MaxInt64 }, domain.FindingSeal},
		"a seal before all":        {func(b *book) { b.seals[1].Last = math.MinInt64 }, domain.FindingSeal},
		"seals that change places": {func(b *book) { b.seals[0].Last, b.seals[1].Last = b.seals[1].Last, b.seals[0].Last }, domain.FindingSeal},
		"a seal of the same":       {func(b *book) { b.seals = append(b.seals, b.seals[1]); b.seals[2].ID++ }, domain.FindingSeal},
		"a seal of nothing":        {func(b *book) { b.seals = append(b.seals, b.seals[1].Next(nil, b.now)) }, domain.FindingSeal},
		"the first seal gone":      {func(b *book) { b.seals = b.seals[1:] }, domain.FindingSealMissing},
		"another number of a seal": {func(b *book) { b.seals[1].ID = 3 }, domain.FindingSealMissing},
		"the last seal gone":       {func(b *book) { b.seals = b.seals[:1] }, domain.FindingHead},
		"a ledger sealed anew": {func(b *book) {
			b.transfers[2].Reference = "card"
			first := domain.Seal{}.Next(b.transfers[:9], b.now)
			b.seals = []domain.Seal{first, first.Next(b.transfers[9:13], b.now)}
		}, domain.FindingHead},

		"an unknown account":          {func(b *book) { b.transfers[13].Debit = 9 }, domain.FindingTransfer},
		"a transfer to where it was":  {func(b *book) { b.transfers[13].Debit = domain.AccountEscrow }, domain.FindingTransfer},
		"a transfer of nothing":       {func(b *book) { b.transfers[13].Amount = money.Amount{} }, domain.FindingTransfer},
		"an unknown kind":             {func(b *book) { b.transfers[13].Kind = 11 }, domain.FindingTransfer},
		"a kind that does not fit":    {func(b *book) { b.transfers[13].Kind = domain.TransferDeposit }, domain.FindingTransfer},
		"a stake without a bet":       {func(b *book) { b.transfers[13].BetID = 0 }, domain.FindingTransfer},
		"a deposit for a bet":         {func(b *book) { b.transfers[2].BetID = 1 }, domain.FindingTransfer},
		"ids that go back":            {func(b *book) { b.transfers[13].ID = 3 }, domain.FindingTransfer},
		"a second opening":            {func(b *book) { b.write(b.transfers[0]) }, domain.FindingRepeated},
		"a transfer made twice":       {func(b *book) { b.write(b.transfers[13]) }, domain.FindingRepeated},
		"more than fits":              {func(b *book) { b.transfers[13].Amount = money.FromMinor(1<<63 - 1) }, domain.FindingWalletNegative},
		"money spent before there is": {func(b *book) { b.transfers[0].Amount = one }, domain.FindingWalletNegative},

		"more in a wallet":    {func(b *book) { wallet(b, 2, func(w *domain.Wallet) { w.Balance = w.Balance.Plus(one) }) }, domain.FindingWallet},
		"more held":           {func(b *book) { wallet(b, 2, func(w *domain.Wallet) { w.Held = w.Held.Plus(one) }) }, domain.FindingWallet},
		"less debt":           {func(b *book) { wallet(b, 1, func(w *domain.Wallet) { w.Debt = w.Debt.Minus(one) }) }, domain.FindingWallet},
		"less staked":         {func(b *book) { wallet(b, 1, func(w *domain.Wallet) { w.Staked = w.Staked.Minus(one) }) }, domain.FindingWallet},
		"staked another day":  {func(b *book) { wallet(b, 1, func(w *domain.Wallet) { w.StakedDay-- }) }, domain.FindingWallet},
		"less than nothing":   {func(b *book) { wallet(b, 1, func(w *domain.Wallet) { w.Balance = w.Balance.Minus(one) }) }, domain.FindingWalletNegative},
		"a wallet gone":       {func(b *book) { delete(b.wallets, 1) }, domain.FindingWalletMissing},
		"another liability":   {func(b *book) { *b.liabilities[8] = one }, domain.FindingLiability},
		"a liability of none": {func(b *book) { b.liabilities[7] = &one }, domain.FindingLiability},

		"another stake":            {func(b *book) { b.bets[1].Stake = one }, domain.FindingBet},
		"an impossible stake":      {func(b *book) { b.bets[1].Stake = money.FromMinor(-1) }, domain.FindingBet},
		"another payout":           {func(b *book) { b.bets[1].Payout = one }, domain.FindingBet},
		"another coefficient":      {func(b *book) { b.result(domain.StateFinishedWin, 3); b.bets[0].Coefficient = odds.MustParse("9.00") }, domain.FindingBet},
		"a loss made a win":        {func(b *book) { b.bets[1].Status, b.bets[1].Payout = domain.StatusWon, b.bets[1].PotentialPayout() }, domain.FindingBet},
		"an unknown status":        {func(b *book) { b.bets[1].Status = 7 }, domain.FindingBet},
		"another user's bet":       {func(b *book) { b.bets[1].UserID = 1 }, domain.FindingBet},
		"accepted at another time": {func(b *book) { b.bets[1].AcceptedAt = b.now.Add(time.Second) }, domain.FindingBet},
		"a bet without stake":      {func(b *book) { b.bets = append(b.bets, b.bets[2]); b.bets[3].ID = 4 }, domain.FindingBet},
		"a bet gone":               {func(b *book) { b.bets = b.bets[:2] }, domain.FindingBetMissing},
		"a pending bet gone":       {func(b *book) { b.bets = b.bets[:2] }, domain.FindingEscrow},
		"a revision to come":       {func(b *book) { b.bets[2].Revision = 1 }, domain.FindingRevision},
		"a revision gone back":     {func(b *book) { b.bets[0].Revision = 1 }, domain.FindingRevision},
		"a bet on no event":        {func(b *book) { b.bets[2].EventID = 9 }, domain.FindingEventMissing},
		"a bet on another event":   {func(b *book) { b.bets[0].EventID = 8; b.events[1].SettleRevision = 2 }, domain.FindingSettlement},
		"an event's result":        {func(b *book) { b.events[0].State = domain.StateCancelled }, domain.FindingSettlement},

		"a bet behind what is settled": {func(b *book) { b.events[1].SettleRevision, b.settled[8] = 1, 1 }, domain.FindingUnsettled},
		"settled before there is more": {func(b *book) { b.settled[8] = 1 }, domain.FindingRevision},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBook(t)
			head := b.seals[1]
			test.spoil(b)
			report := b.inspect(head)
			if report.Found[test.want] == 0 {
				t.Errorf("found %v, want a %s", report.Findings, test.want)
			}
			if int64(len(report.Findings)) != report.FindingCount() {
				t.Errorf("%d findings are kept, %d counted", len(report.Findings), report.FindingCount())
			}
		})
	}
}

func TestInspectionNamesTheChangedTransfers(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.transfers[3].At = b.now.Add(time.Hour)
	report := b.inspect(domain.Seal{})
	if report.Found[domain.FindingSeal] != 1 || !strings.HasPrefix(report.Findings[0].String(), "seal_differs: transfers 1 to 18: ") {
		t.Errorf("found %v, want the first seal's transfers and no others", report.Findings)
	}
}

func TestInspectionAcceptsUnfinishedWork(t *testing.T) {
	t.Parallel()
	t.Run("bets behind their result", func(t *testing.T) {
		t.Parallel()
		b := newBook(t)
		b.events[0].State, b.events[0].SettleRevision = domain.StateCancelled, 9
		if report := b.inspect(domain.Seal{}); !report.IsInOrder() || report.Behind != 2 {
			t.Errorf("found %v with %d bets behind, want nothing with 2", report.Findings, report.Behind)
		}
	})
	t.Run("an event in quarantine", func(t *testing.T) {
		t.Parallel()
		b := newBook(t)
		b.events[0].State, b.events[0].Quarantined = domain.StateCancelled, true
		b.events[1].Quarantined, b.events[1].SettleRevision, b.settled[8] = true, 1, 1
		if report := b.inspect(domain.Seal{}); !report.IsInOrder() {
			t.Errorf("found %v", report.Findings)
		}
	})
	t.Run("nothing yet", func(t *testing.T) {
		t.Parallel()
		if report := (&book{}).inspect(domain.Seal{}); !report.IsInOrder() {
			t.Errorf("found %v", report.Findings)
		}
	})
}

func TestInspectionKeepsOnlyTheFirstFindings(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	for range 500 {
		b.write(b.transfers[13])
	}
	report := b.inspect(domain.Seal{})
	if len(report.Findings) != 100 || report.Found[domain.FindingRepeated] != 500 {
		t.Errorf("%d findings are kept of %v", len(report.Findings), report.Found)
	}
}

func TestUnreadableRowIsTheFirstFinding(t *testing.T) {
	t.Parallel()
	inspection := domain.NewInspection(domain.Seal{ID: 9})
	for range 200 {
		_ = inspection.Transfer(domain.Transfer{ID: 1, UserID: 1, Amount: money.FromMinor(1)})
	}
	report := inspection.Unreadable(errors.New("bet 7: strange"))
	want := domain.Finding{
		Kind: domain.FindingUnreadable, Subject: "ledger", Detail: "cannot be read to its end, and the rest is not checked: bet 7: strange",
	}
	if len(report.Findings) != 100 || report.Findings[0] != want {
		t.Errorf("found %v, want %v first, of 100", report.Findings, want)
	}
	if report.Found[domain.FindingUnreadable] != 1 || report.Found[domain.FindingTransfer] < 200 || report.Found[domain.FindingHead] != 0 {
		t.Errorf("counted %v", report.Found)
	}
}

func TestEveryFindingKindIsKnown(t *testing.T) {
	t.Parallel()
	kinds := domain.FindingKinds()
	if len(kinds) != 17 || len(slices.Compact(slices.Sorted(slices.Values(kinds)))) != len(kinds) {
		t.Errorf("got %v", kinds)
	}
}

func TestParseSeal(t *testing.T) {
	t.Parallel()
	seal := newBook(t).seals[1]
	got, err := domain.ParseSeal(seal.String())
	if want := (domain.Seal{ID: seal.ID, Hash: seal.Hash}); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	hash := strings.Repeat("0f", 32)
	for _, text := range []string{"", "1", "1:", ":" + hash, "0:" + hash, "-1:" + hash, "x:" + hash, "1:" + hash[1:], "1:" + hash[2:], "1:" + hash + "00", "1:" + hash[2:] + "zz"} {
		if got, err := domain.ParseSeal(text); err == nil {
			t.Errorf("%q is %v, want an error", text, got)
		}
	}
}
