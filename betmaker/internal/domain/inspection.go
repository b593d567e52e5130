package domain

import (
	"fmt"
	"maps"
	"slices"

	"stavka.local/shared/money"
)

// FindingKind says what is not in order.
type FindingKind string

// The kinds of findings.
const (
	// FindingTransfer: a transfer that no rule makes.
	FindingTransfer FindingKind = "transfer_malformed"
	// FindingRepeated: two transfers of one bet and revision between the same accounts, or
	// two openings of one user.
	FindingRepeated FindingKind = "transfer_repeated"
	// FindingSeal: the transfers that a seal covers are not those it was made of.
	FindingSeal FindingKind = "seal_differs"
	// FindingSealMissing: there is a gap in the seals.
	FindingSealMissing FindingKind = "seal_missing"
	// FindingHead: the seal that was expected is not there, or is another one.
	FindingHead FindingKind = "head_missing"
	// FindingWallet: a wallet is not the sum of its transfers.
	FindingWallet FindingKind = "wallet_differs"
	// FindingWalletMissing: there are transfers of a user who has no wallet.
	FindingWalletMissing FindingKind = "wallet_missing"
	// FindingWalletNegative: there was less than nothing in a wallet, or of a debt.
	FindingWalletNegative FindingKind = "wallet_negative"
	// FindingBet: a bet's money is not what its transfers have moved, or not what its status
	// owes.
	FindingBet FindingKind = "bet_differs"
	// FindingBetMissing: there are transfers for a bet that does not exist.
	FindingBetMissing FindingKind = "bet_missing"
	// FindingOutcome: a bet follows its event, but is not what the event makes of it.
	FindingOutcome FindingKind = "bet_outcome_differs"
	// FindingRevision: a bet, its transfers or an event's mark of being settled are ahead of
	// what they follow.
	FindingRevision FindingKind = "revision_ahead"
	// FindingUnsettled: a bet does not follow its event's result, but is marked as if it
	// did, so that nobody would settle it.
	FindingUnsettled FindingKind = "bet_unsettled"
	// FindingEventMissing: there is a bet on an event that does not exist.
	FindingEventMissing FindingKind = "event_missing"
	// FindingLiability: an event's liability is not that of its pending bets.
	FindingLiability FindingKind = "liability_differs"
	// FindingEscrow: what is in escrow is not the stakes of the pending bets.
	FindingEscrow FindingKind = "escrow_differs"
	// FindingUnreadable: something cannot be read, and what comes after it was not checked.
	FindingUnreadable FindingKind = "unreadable"
)

// FindingKinds returns all kinds.
func FindingKinds() []FindingKind {
	return []FindingKind{
		FindingTransfer, FindingRepeated, FindingSeal, FindingSealMissing, FindingHead,
		FindingWallet, FindingWalletMissing, FindingWalletNegative,
		FindingBet, FindingBetMissing, FindingOutcome, FindingRevision, FindingUnsettled, FindingEventMissing, FindingLiability, FindingEscrow,
		FindingUnreadable,
	}
}

// Finding is something that is not in order.
type Finding struct {
	Kind    FindingKind
	Subject string // "wallet 7", "transfers 1001 to 2000"
	Detail  string
}

// String returns the finding as one line.
func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.Subject, f.Detail) }

// keptFindings bounds the findings that are kept; the others are counted. Who has found so
// many looks at the first ones.
const keptFindings = 100

// LedgerReport is what an inspection of the ledger came to.
type LedgerReport struct {
	Seals, Transfers, Wallets, Events, Bets int64 // how many there are
	Pending                                 int64 // bets that have no outcome yet
	Behind                                  int64 // bets that do not follow their event's result yet, which is no fault
	Sealed                                  int64 // transfers that a seal covers
	Head                                    Seal  // the newest seal

	Findings []Finding             // the first of them
	Found    map[FindingKind]int64 // how many there are of each kind

	totals sums
}

// Total returns what is in an account; for wallets and debts, of all users together.
func (r LedgerReport) Total(a Account) money.Amount { return money.FromMinor(r.totals[a]) }

// IsInOrder tells whether there are no findings.
func (r LedgerReport) IsInOrder() bool { return len(r.Findings) == 0 }

// FindingCount returns how many findings there are.
func (r LedgerReport) FindingCount() int64 {
	count := int64(0)
	for _, n := range r.Found {
		count += n
	}
	return count
}

// sums is what some transfers leave in each account, in minor units. It does its own
// bookkeeping, so that a mistake in Wallet.After is found too, and it wraps around where
// money refuses to go on: a number that does not fit is the work of somebody who has to be
// found, not a reason to stop looking.
type sums [AccountDebt + 1]int64

// after returns the sums after a transfer.
func (s sums) after(t Transfer) sums {
	if t.Debit.IsKnown() && t.Credit.IsKnown() {
		s[t.Debit] -= t.Amount.Minor()
		s[t.Credit] += t.Amount.Minor()
	}
	return s
}

// String returns what a bet may change.
func (s sums) String() string {
	return fmt.Sprintf("%s in the wallet, %s in escrow, %s with the house",
		money.FromMinor(s[AccountWallet]), money.FromMinor(s[AccountEscrow]), money.FromMinor(s[AccountHouse]))
}

// Inspection checks a ledger, which it is shown once, in the order that ports.LedgerReader
// tells. Of what it is shown it keeps some numbers for each user and event, but nothing for
// each transfer, seal or bet. The transfers are the truth, and the seals tell whether it is
// still the same one; everything else must follow from them.
type Inspection struct {
	report   LedgerReport
	expected Seal    // the zero Seal for none
	sealing  sealing // the next seal, made anew
	last     TransferID
	users    map[UserID]*inspectedUser
	events   map[EventID]*inspectedEvent
	stakes   int64 // of the pending bets
	seen     map[transferKey]bool
}

type inspectedUser struct {
	sums

	stakedDay Day
	staked    int64 // on stakedDay
	opened    bool
	negative  bool // has been found to be
	hasWallet bool
}

type inspectedEvent struct {
	Event

	settled   int64         // up to this revision, as the store says
	kept      *money.Amount // nil for none
	liability int64
}

// transferKey is what the transfers of one bet differ in.
type transferKey struct {
	revision      int64
	debit, credit Account
}

// NewInspection returns an inspection that has been shown nothing. expected is a seal that
// must be there, of which only the number and the hash are known; the zero Seal for none.
func NewInspection(expected Seal) *Inspection {
	return &Inspection{
		report:   LedgerReport{Found: make(map[FindingKind]int64)},
		expected: expected,
		sealing:  Seal{}.begin(),
		users:    make(map[UserID]*inspectedUser),
		events:   make(map[EventID]*inspectedEvent),
		seen:     make(map[transferKey]bool),
	}
}

func (i *Inspection) find(kind FindingKind, subject, format string, args ...any) {
	i.report.Found[kind]++
	if len(i.report.Findings) < keptFindings {
		i.report.Findings = append(i.report.Findings, Finding{kind, subject, fmt.Sprintf(format, args...)})
	}
}

// Seal checks a seal against the transfers since the one before it. The one after it is
// made anew on what this one says, not on what it should say, so that only the stretch is
// found where something was changed, and not all that follow it.
func (i *Inspection) Seal(seal Seal) error {
	before := i.report.Head
	if seal.ID != before.ID+1 {
		i.find(FindingSealMissing, fmt.Sprintf("seal %d", seal.ID), "comes after seal %d", before.ID)
	}
	if seal.ID == i.expected.ID && seal.Hash != i.expected.Hash {
		i.find(FindingHead, fmt.Sprintf("seal %d", seal.ID), "is %s, not %s", seal, i.expected)
	}
	made := i.sealing.end(seal.At)
	if made != seal || made.Count == 0 {
		i.find(FindingSeal, fmt.Sprintf("transfers %d to %d", before.Last+1, seal.Last),
			"are not those that seal %d was made of: it covers %d up to transfer %d, there are %d up to transfer %d, and their hash is %x, not %x",
			seal.ID, seal.Count, seal.Last, made.Count, made.Last, made.Hash, seal.Hash)
	}
	i.sealing = seal.begin()
	i.report.Head = seal
	i.report.Seals++
	i.report.Sealed += made.Count
	return nil
}

// Transfer checks a transfer.
func (i *Inspection) Transfer(transfer Transfer) error {
	i.report.Transfers++
	if why := transfer.malformation(); why != "" {
		i.find(FindingTransfer, fmt.Sprintf("transfer %d", transfer.ID), "%s", why)
	}
	if transfer.ID <= i.last {
		i.find(FindingTransfer, fmt.Sprintf("transfer %d", transfer.ID), "comes after transfer %d", i.last)
	}
	i.last = transfer.ID
	i.sealing.add(transfer)
	i.report.totals = i.report.totals.after(transfer)
	i.user(transfer.UserID).follow(i, transfer)
	return nil
}

// malformation returns what is wrong with the transfer taken by itself, or nothing.
func (t Transfer) malformation() string {
	switch {
	case t.ID < 1, t.UserID < 1, t.BetID < 0, t.Revision < 0:
		return "has an impossible number"
	case !t.Debit.IsKnown(), !t.Credit.IsKnown(), t.Debit == t.Credit:
		return fmt.Sprintf("is from %s to %s", t.Debit.Name(t.UserID), t.Credit.Name(t.UserID))
	case !t.Amount.IsPositive():
		return fmt.Sprintf("is of %s", t.Amount)
	case !t.Kind.moves(t.Debit, t.Credit):
		return fmt.Sprintf("is from %s to %s, as no %s is", t.Debit.Name(t.UserID), t.Credit.Name(t.UserID), t.Kind)
	case t.BetID == 0 && (t.Kind.isForBet() || t.Revision != 0), t.BetID != 0 && t.Kind.isWithoutBet():
		return fmt.Sprintf("is a %s for bet %d, revision %d", t.Kind, t.BetID, t.Revision)
	}
	return ""
}

// moves tells whether transfers of the kind are made from debit to credit.
func (k TransferKind) moves(debit, credit Account) bool {
	type pair struct{ debit, credit Account }
	var pairs []pair
	switch k {
	case TransferOpening, TransferDeposit:
		pairs = []pair{{AccountExternal, AccountWallet}}
	case TransferWithdrawal:
		pairs = []pair{{AccountWallet, AccountExternal}}
	case TransferStake:
		pairs = []pair{{AccountWallet, AccountEscrow}}
	case TransferPayout:
		pairs = []pair{{AccountEscrow, AccountWallet}, {AccountHouse, AccountWallet}}
	case TransferLoss:
		pairs = []pair{{AccountEscrow, AccountHouse}}
	case TransferRefund:
		pairs = []pair{{AccountEscrow, AccountWallet}}
	case TransferCorrection:
		pairs = []pair{
			{AccountWallet, AccountHouse}, {AccountHouse, AccountWallet},
			{AccountWallet, AccountEscrow}, {AccountHouse, AccountEscrow}, // pending again
		}
	case TransferDebt:
		pairs = []pair{{AccountDebt, AccountWallet}}
	case TransferRepayment:
		pairs = []pair{{AccountWallet, AccountDebt}}
	}
	return slices.Contains(pairs, pair{debit, credit})
}

// isForBet tells whether a transfer of the kind always belongs to a bet.
func (k TransferKind) isForBet() bool { return k >= TransferStake && k <= TransferDebt }

// isWithoutBet tells whether a transfer of the kind never belongs to a bet.
func (k TransferKind) isWithoutBet() bool { return k <= TransferWithdrawal }

// isLoan tells whether a transfer of the kind is not for a bet itself, but makes up for
// what a wallet lacks.
func (k TransferKind) isLoan() bool { return k == TransferDebt || k == TransferRepayment }

func (i *Inspection) user(id UserID) *inspectedUser {
	user, ok := i.users[id]
	if !ok {
		user = &inspectedUser{}
		i.users[id] = user
	}
	return user
}

// follow counts a transfer of the user.
func (u *inspectedUser) follow(i *Inspection, t Transfer) {
	u.sums = u.after(t)
	if t.Kind == TransferOpening {
		if u.opened {
			i.find(FindingRepeated, fmt.Sprintf("transfer %d", t.ID), "user %d had an opening before", t.UserID)
		}
		u.opened = true
	}
	if t.Kind == TransferStake {
		if day := DayOf(t.At); day != u.stakedDay {
			u.stakedDay, u.staked = day, 0
		}
		u.staked += t.Amount.Minor()
	}
	if !u.negative && (u.sums[AccountWallet] < 0 || u.sums[AccountEscrow] < 0 || u.sums[AccountDebt] > 0) {
		u.negative = true
		i.find(FindingWalletNegative, fmt.Sprintf("wallet %d", t.UserID), "after transfer %d it is %s", t.ID, u)
	}
}

func (u *inspectedUser) balance() money.Amount { return money.FromMinor(u.sums[AccountWallet]) }
func (u *inspectedUser) held() money.Amount    { return money.FromMinor(u.sums[AccountEscrow]) }
func (u *inspectedUser) debt() money.Amount    { return money.FromMinor(-u.sums[AccountDebt]) }

func (u *inspectedUser) String() string {
	return fmt.Sprintf("%s, held %s, debt %s, staked %s on day %d",
		u.balance(), u.held(), u.debt(), money.FromMinor(u.staked), u.stakedDay)
}

// Wallet checks a wallet against the transfers of its user.
func (i *Inspection) Wallet(id UserID, wallet Wallet) error {
	i.report.Wallets++
	user := i.user(id)
	user.hasWallet = true
	subject := fmt.Sprintf("wallet %d", id)
	made := Wallet{Balance: user.balance(), Held: user.held(), Debt: user.debt()}
	if !wallet.HasSameMoney(made) || wallet.Staked.Minor() != user.staked || wallet.StakedDay != user.stakedDay {
		i.find(FindingWallet, subject, "is %s, held %s, debt %s, staked %s on day %d; its transfers make %s",
			wallet.Balance, wallet.Held, wallet.Debt, wallet.Staked, wallet.StakedDay, user)
	}
	if min(wallet.Balance.Minor(), wallet.Held.Minor(), wallet.Debt.Minor()) < 0 {
		i.find(FindingWalletNegative, subject, "is %s, held %s, debt %s", wallet.Balance, wallet.Held, wallet.Debt)
	}
	if wallet.Balance.IsPositive() && wallet.Debt.IsPositive() {
		i.find(FindingWallet, subject, "owes %s while there is %s", wallet.Debt, wallet.Balance)
	}
	return nil
}

// Event takes note of an event, of the revision up to which its bets are marked as settled,
// and of its liability, if that is kept.
func (i *Inspection) Event(event Event, settled int64, liability *money.Amount) error {
	i.report.Events++
	i.events[event.ID] = &inspectedEvent{Event: event, settled: settled, kept: liability}
	if settled > event.SettleRevision {
		i.find(FindingRevision, fmt.Sprintf("event %d", event.ID), "is at revision %d, but its bets are marked as settled up to revision %d",
			event.SettleRevision, settled)
	}
	return nil
}

// Bet checks a bet against its transfers and its event. A bet without a user is one that
// does not exist, though there are transfers for it.
func (i *Inspection) Bet(bet Bet, transfers []Transfer) error {
	subject := fmt.Sprintf("bet %d", bet.ID)
	if bet.UserID == 0 {
		i.find(FindingBetMissing, subject, "does not exist, but there are transfers for it: %d", len(transfers))
		return nil
	}
	i.report.Bets++
	if bet.Status == StatusPending {
		i.report.Pending++
		i.stakes += bet.Stake.Minor()
	}
	i.checkStake(subject, bet, transfers)
	if cancelled := slices.ContainsFunc(transfers, Transfer.isCancellation); cancelled != (bet.VoidReason == VoidCancelledByUser) {
		i.find(FindingBet, subject, "is void as %s, but has a refund of a cancelled bet: %t", bet.VoidReason, cancelled)
	}
	i.checkRevisions(subject, bet, transfers)
	if !bet.Stake.IsPositive() || maxPayment.Less(bet.Stake) {
		i.find(FindingBet, subject, "has an impossible stake, %s", bet.Stake)
		return nil // which pays nothing that could be worked out
	}
	i.checkMoney(subject, bet, transfers)
	i.checkOutcome(subject, bet)
	return nil
}

// checkStake checks that the bet was accepted as its transfers say.
func (i *Inspection) checkStake(subject string, bet Bet, transfers []Transfer) {
	stakes := 0
	for _, t := range transfers {
		if t.UserID != bet.UserID {
			i.find(FindingBet, subject, "is of user %d, but transfer %d is of user %d", bet.UserID, t.ID, t.UserID)
		}
		if t.Kind != TransferStake {
			continue
		}
		stakes++
		if t.Amount != bet.Stake || t.At.UnixMicro() != bet.AcceptedAt.UnixMicro() {
			i.find(FindingBet, subject, "was accepted at %s with a stake of %s, but transfer %d took %s at %s",
				bet.AcceptedAt, bet.Stake, t.ID, t.Amount, t.At)
		}
		if t.Reference != bet.terms() {
			i.find(FindingBet, subject, "is on %s, but transfer %d is for %s", bet.terms(), t.ID, t.Reference)
		}
	}
	if stakes != 1 {
		i.find(FindingBet, subject, "has %d transfers of its stake", stakes)
	}
}

// checkRevisions checks that there is at most one set of transfers for each revision,
// and none for one that the bet does not follow yet.
func (i *Inspection) checkRevisions(subject string, bet Bet, transfers []Transfer) {
	clear(i.seen)
	for _, t := range transfers {
		key := transferKey{t.Revision, t.Debit, t.Credit}
		if i.seen[key] {
			i.find(FindingRepeated, subject, "transfer %d is the second from %s to %s for revision %d",
				t.ID, t.Debit.Name(t.UserID), t.Credit.Name(t.UserID), t.Revision)
		}
		i.seen[key] = true
		if t.Revision > bet.Revision {
			i.find(FindingRevision, subject, "follows revision %d, but transfer %d is for revision %d", bet.Revision, t.ID, t.Revision)
		}
	}
}

// checkMoney checks that the bet pays what its status owes, and that its transfers have
// moved just that.
func (i *Inspection) checkMoney(subject string, bet Bet, transfers []Transfer) {
	owed, known := bet.owed()
	if !known || owed != bet.Payout {
		i.find(FindingBet, subject, "is %s with a payout of %s, which should be %s", bet.Status, bet.Payout, owed)
	}
	moved := sums{}
	for _, t := range transfers {
		if !t.Kind.isLoan() {
			moved = moved.after(t)
		}
	}
	if want := bet.moved(); moved != want {
		i.find(FindingBet, subject, "is %s with a payout of %s, which leaves %s; its transfers left %s", bet.Status, bet.Payout, want, moved)
	}
}

// owed returns what the bet pays in its status; false for a status that there is not.
func (b Bet) owed() (money.Amount, bool) {
	switch b.Status {
	case StatusPending, StatusLost:
		return money.Amount{}, true
	case StatusWon:
		return b.PotentialPayout(), true
	case StatusVoid:
		return b.Stake, true
	default:
		return money.Amount{}, false
	}
}

// moved returns what all transfers of the bet together leave in the accounts.
func (b Bet) moved() sums {
	stake, payout, held := b.Stake.Minor(), b.Payout.Minor(), b.held().Minor()
	return sums{AccountWallet: payout - stake, AccountEscrow: held, AccountHouse: stake - payout - held}
}

// checkOutcome checks a bet against its event. What an event in quarantine makes of its
// bets is not known.
func (i *Inspection) checkOutcome(subject string, bet Bet) {
	event, ok := i.events[bet.EventID]
	if !ok {
		i.find(FindingEventMissing, subject, "is on event %d, which does not exist", bet.EventID)
		return
	}
	event.liability += bet.Liability().Minor()
	switch {
	case bet.Revision > event.SettleRevision:
		i.find(FindingRevision, subject, "follows revision %d of event %d, which is at %d", bet.Revision, event.ID, event.SettleRevision)
	case bet.Revision < event.settled && !event.Quarantined:
		i.find(FindingUnsettled, subject, "follows revision %d of event %d, whose bets are marked as settled up to revision %d",
			bet.Revision, event.ID, event.settled)
	case bet.Revision < event.SettleRevision:
		i.report.Behind++
	case event.Quarantined:
	case event.Outcome(bet) != bet.Outcome:
		want := event.Outcome(bet)
		i.find(FindingOutcome, subject, "is %s with a payout of %s; event %d makes it %s with %s",
			bet.Status, bet.Payout, event.ID, want.Status, want.Payout)
	}
}

// Report checks what can only be checked when all has been shown, and returns what was
// found. It is called once.
func (i *Inspection) Report() LedgerReport {
	if i.report.Head.ID < i.expected.ID {
		i.find(FindingHead, fmt.Sprintf("seal %d", i.expected.ID), "does not exist: the newest is seal %d", i.report.Head.ID)
	}
	for _, id := range sortedKeys(i.users) {
		if !i.users[id].hasWallet {
			i.find(FindingWalletMissing, fmt.Sprintf("wallet %d", id), "does not exist, but there are transfers, which make %s", i.users[id])
		}
	}
	for _, id := range sortedKeys(i.events) {
		event := i.events[id]
		if event.kept != nil && event.kept.Minor() != event.liability {
			i.find(FindingLiability, fmt.Sprintf("event %d", id), "has a liability of %s; its pending bets make %s",
				*event.kept, money.FromMinor(event.liability))
		}
	}
	if held := i.report.totals[AccountEscrow]; held != i.stakes {
		i.find(FindingEscrow, "escrow", "holds %s; the stakes of pending bets are %s", money.FromMinor(held), money.FromMinor(i.stakes))
	}
	return i.report
}

// Unreadable takes note that the ledger cannot be read to its end, and returns what was
// found so far, without what only the whole would tell; this comes first. It is called
// instead of Report.
func (i *Inspection) Unreadable(why error) LedgerReport {
	found := i.report.Findings
	i.report.Findings = nil
	i.find(FindingUnreadable, "ledger", "cannot be read to its end, and the rest is not checked: %v", why)
	i.report.Findings = append(i.report.Findings, found[:min(len(found), keptFindings-1)]...)
	return i.report
}

func sortedKeys[K UserID | EventID, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
