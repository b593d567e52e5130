package domain

import (
	"fmt"

	"stavka.local/shared/money"
)

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
