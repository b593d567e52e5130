package domain

import (
	"fmt"

	"stavka.local/shared/money"
)

// keptFindings bounds the findings that are kept. The others are only counted.
const keptFindings = 100

// LedgerReport is the result of an inspection of the ledger.
type LedgerReport struct {
	Seals, Transfers, Wallets, Events, Bets int64 // how many were checked
	Pending                                 int64 // pending bets
	Behind                                  int64 // bets that do not follow their event's result yet, which is no inconsistency
	Sealed                                  int64 // transfers that a seal covers
	Head                                    Seal  // the newest seal

	Findings []Finding             // the first of them
	Found    map[FindingKind]int64 // how many there are of each kind

	totals sums
}

// Total returns the amount in an account; for wallets and debts the sum over all users.
func (r LedgerReport) Total(a Account) money.Amount { return money.FromMinor(r.totals[a]) }

// IsInOrder reports whether there are no findings.
func (r LedgerReport) IsInOrder() bool { return len(r.Findings) == 0 }

// FindingCount returns the number of findings.
func (r LedgerReport) FindingCount() int64 {
	count := int64(0)
	for _, n := range r.Found {
		count += n
	}
	return count
}

// sums is the effect of some transfers on each account, in minor units. It is computed
// independently, so that a mistake in Wallet.After is found too. Unlike money it wraps around on
// overflow, because an impossible number is a finding and must not stop the inspection.
type sums [AccountDebt + 1]int64

// after returns the sums after a transfer.
func (s sums) after(t Transfer) sums {
	if t.Debit.IsKnown() && t.Credit.IsKnown() {
		s[t.Debit] -= t.Amount.Minor()
		s[t.Credit] += t.Amount.Minor()
	}
	return s
}

// String returns the accounts that a bet may change.
func (s sums) String() string {
	return fmt.Sprintf("%s in the wallet, %s in escrow, %s with the house",
		money.FromMinor(s[AccountWallet]), money.FromMinor(s[AccountEscrow]), money.FromMinor(s[AccountHouse]))
}
