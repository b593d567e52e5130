package domain

import (
	"encoding/binary"
	"fmt"
	"time"

	"stavka.local/shared/money"
)

// Account is a place where money is. The numbers are the stores'. Wallet and debt belong to the
// user of a transfer; the other accounts are shared.
type Account uint8

// The accounts.
const (
	AccountWallet   Account = 1 // available for stakes and withdrawals; never negative
	AccountEscrow   Account = 2 // the stakes of pending bets
	AccountHouse    Account = 3 // the winnings of the house; negative for a loss
	AccountExternal Account = 4 // the outside: the source of deposits
	AccountDebt     Account = 5 // a user's debt as a negative sum; never positive
)

var accountNames = [...]string{
	AccountWallet: "wallet", AccountEscrow: "escrow", AccountHouse: "house", AccountExternal: "external", AccountDebt: "debt",
}

// IsKnown reports whether a is one of the accounts.
func (a Account) IsKnown() bool { return a >= AccountWallet && a <= AccountDebt }

// Name returns the account as the API spells it: "escrow", or "wallet:7" for that of user 7.
func (a Account) Name(user UserID) string {
	switch {
	case !a.IsKnown():
		return fmt.Sprintf("unknown:%d", uint8(a))
	case a == AccountWallet, a == AccountDebt:
		return fmt.Sprintf("%s:%d", accountNames[a], user)
	default:
		return accountNames[a]
	}
}

// TransferKind is the reason for a transfer. The numbers are the stores'.
type TransferKind uint8

// The kinds of transfers.
const (
	TransferOpening    TransferKind = 1 // the first money of a user
	TransferDeposit    TransferKind = 2
	TransferWithdrawal TransferKind = 3
	TransferStake      TransferKind = 4 // a bet was accepted
	TransferPayout     TransferKind = 5 // a bet won: its stake, or its profit
	TransferLoss       TransferKind = 6 // a bet lost
	TransferRefund     TransferKind = 7 // a bet became void
	TransferCorrection TransferKind = 8 // a settled bet was settled again: the difference
	TransferDebt       TransferKind = 9 // lent to a wallet that was too small for a correction
	TransferRepayment  TransferKind = 10
)

var transferKindNames = [...]string{
	TransferOpening: "opening", TransferDeposit: "deposit", TransferWithdrawal: "withdrawal", TransferStake: "stake",
	TransferPayout: "payout", TransferLoss: "loss", TransferRefund: "refund", TransferCorrection: "correction",
	TransferDebt: "debt", TransferRepayment: "repayment",
}

// String returns the kind as the API spells it.
func (k TransferKind) String() string {
	if k < TransferOpening || k > TransferRepayment {
		return "unknown"
	}
	return transferKindNames[k]
}

// ParseTransferKind is the inverse of String. It reports false for an unknown kind.
func ParseTransferKind(text string) (TransferKind, bool) {
	for k := TransferOpening; k <= TransferRepayment; k++ {
		if transferKindNames[k] == text {
			return k, true
		}
	}
	return 0, false
}

// TransferID identifies a transfer. Ids start at 1. A later transfer of the same user has a higher
// id.
type TransferID int64

// Transfer is one double entry: Amount leaves Debit and arrives in Credit. Transfers are never
// changed or deleted; all other amounts follow from them.
type Transfer struct {
	ID     TransferID
	UserID UserID // the owner of the money; there are no transfers between users
	Debit  Account
	Credit Account
	Amount money.Amount // positive
	Kind   TransferKind
	// BetID is the bet of the transfer; 0 for none.
	BetID BetID
	// Revision is the settle revision that the bet follows with the transfer. For each bet and
	// revision there is at most one transfer between the same accounts in the same direction.
	Revision int64
	// Reference is the operator's text for a deposit or withdrawal, the terms of the bet for a
	// stake, and "cancelled" for the refund of a cancelled bet.
	Reference string
	At        time.Time
}

// AppendCanonical appends a byte form of the transfer to dst. Equal transfers have the same form in
// every store, and different transfers have different forms. Instants count to the microsecond.
func (t Transfer) AppendCanonical(dst []byte) []byte {
	for _, number := range [...]int64{
		int64(t.ID), int64(t.UserID), int64(t.Debit), int64(t.Credit), t.Amount.Minor(), int64(t.Kind),
		int64(t.BetID), t.Revision, t.At.UnixMicro(), int64(len(t.Reference)),
	} {
		dst = binary.BigEndian.AppendUint64(dst, uint64(number))
	}
	return append(dst, t.Reference...)
}
