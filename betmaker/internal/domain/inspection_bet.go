package domain

import (
	"fmt"
	"slices"

	"stavka.local/shared/money"
)

// transferKey identifies a transfer of a bet.
type transferKey struct {
	revision      int64
	debit, credit Account
}

// Bet checks a bet against its transfers and its event. A bet without a user does not exist,
// although transfers refer to it.
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
	i.checkAcceptance(subject, bet, transfers)
	if cancelled := slices.ContainsFunc(transfers, Transfer.isCancellation); cancelled != (bet.VoidReason == VoidCancelledByUser) {
		i.find(FindingBet, subject, "is void as %s, but has a refund of a cancelled bet: %t", bet.VoidReason, cancelled)
	}
	i.checkRevisions(subject, bet, transfers)
	if !bet.Stake.IsPositive() || maxPayment.Less(bet.Stake) {
		i.find(FindingBet, subject, "has an impossible stake, %s", bet.Stake)
		return nil // its payout cannot be computed
	}
	i.checkMoney(subject, bet, transfers)
	i.checkSettlement(subject, bet)
	return nil
}

// checkAcceptance checks that the stake and the terms of the bet agree with its transfers.
func (i *Inspection) checkAcceptance(subject string, bet Bet, transfers []Transfer) {
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

// checkRevisions checks that there is at most one set of transfers for each revision, and none for
// a revision that the bet does not follow yet.
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

// checkMoney checks that the payout of the bet fits its status and that its transfers moved exactly
// that.
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

// owed returns the payout that the status requires. It reports false for an unknown status.
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

// moved returns the effect that all transfers of the bet together must have on the accounts.
func (b Bet) moved() sums {
	stake, payout, held := b.Stake.Minor(), b.Payout.Minor(), b.held().Minor()
	return sums{AccountWallet: payout - stake, AccountEscrow: held, AccountHouse: stake - payout - held}
}

// checkSettlement checks a bet against its event. The settlement under an event in quarantine is
// unknown.
func (i *Inspection) checkSettlement(subject string, bet Bet) {
	inspected, ok := i.events[bet.EventID]
	if !ok {
		i.find(FindingEventMissing, subject, "is on event %d, which does not exist", bet.EventID)
		return
	}
	event := inspected.event
	inspected.liability += bet.Liability().Minor()
	switch {
	case bet.Revision > event.SettleRevision:
		i.find(FindingRevision, subject, "follows revision %d of event %d, which is at %d", bet.Revision, event.ID, event.SettleRevision)
	case bet.Revision < inspected.settled && !event.Quarantined:
		i.find(FindingUnsettled, subject, "follows revision %d of event %d, whose bets are marked as settled up to revision %d",
			bet.Revision, event.ID, inspected.settled)
	case bet.Revision < event.SettleRevision:
		i.report.Behind++
	case event.Quarantined:
	case event.Settlement(bet) != bet.Settlement:
		want := event.Settlement(bet)
		i.find(FindingSettlement, subject, "is %s with a payout of %s; event %d makes it %s with %s",
			bet.Status, bet.Payout, event.ID, want.Status, want.Payout)
	}
}
