package domain

import (
	"encoding/binary"
	"fmt"
	"time"

	"stavka.local/shared/money"
)

// Account is where money is. The numbers are the stores'. A wallet and a debt belong to
// the transfer's user; the others are shared.
type Account uint8

// The accounts.
const (
	AccountWallet   Account = 1 // what a user may stake or withdraw; never negative
	AccountEscrow   Account = 2 // the stakes of pending bets
	AccountHouse    Account = 3 // what the house has won; negative when it has lost
	AccountExternal Account = 4 // the world outside: where deposits come from
	AccountDebt     Account = 5 // what a user owes, as a negative sum; never positive
)

var accountNames = [...]string{
	AccountWallet: "wallet", AccountEscrow: "escrow", AccountHouse: "house", AccountExternal: "external", AccountDebt: "debt",
}

// IsKnown tells whether a is one of the accounts.
func (a Account) IsKnown() bool { return a >= AccountWallet && a <= AccountDebt }

// Name returns the account as the API spells it: "escrow", or "wallet:7" for one of
// user 7.
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

// TransferKind says why money moved. The numbers are the stores'.
type TransferKind uint8

// The kinds of transfers.
const (
	TransferOpening    TransferKind = 1 // what a user begins with
	TransferDeposit    TransferKind = 2
	TransferWithdrawal TransferKind = 3
	TransferStake      TransferKind = 4 // a bet was accepted
	TransferPayout     TransferKind = 5 // a bet won: its stake, or its profit
	TransferLoss       TransferKind = 6 // a bet lost
	TransferRefund     TransferKind = 7 // a bet became void
	TransferCorrection TransferKind = 8 // a settled bet got another outcome: the difference
	TransferDebt       TransferKind = 9 // what a wallet lacked for a correction
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

// ParseTransferKind is the inverse of String.
func ParseTransferKind(text string) (TransferKind, bool) {
	for k := TransferOpening; k <= TransferRepayment; k++ {
		if transferKindNames[k] == text {
			return k, true
		}
	}
	return 0, false
}

// TransferID names a transfer, from 1. A later transfer of the same user has a higher one.
type TransferID int64

// Transfer is one double entry: Amount leaves Debit and arrives in Credit. Transfers are
// never changed nor deleted; all else that is known of money follows from them.
type Transfer struct {
	ID     TransferID
	UserID UserID // whose money it is: there are no transfers between users
	Debit  Account
	Credit Account
	Amount money.Amount // more than nothing
	Kind   TransferKind
	// BetID is the bet that it is for; 0 for none.
	BetID BetID
	// Revision is the settle revision that the bet follows with it. For each bet and
	// revision there is at most one transfer from one account to another.
	Revision int64
	// Reference is what whoever made a deposit or withdrawal calls it; of a stake, what was
	// bet on; of a refund, "cancelled" if the user took the bet back.
	Reference string
	At        time.Time
}

// AppendCanonical appends the transfer to dst as bytes: the same for the same transfer,
// whichever store it was read from, and different for different ones. The instant counts
// to the microsecond.
func (t Transfer) AppendCanonical(dst []byte) []byte {
	for _, number := range [...]int64{
		int64(t.ID), int64(t.UserID), int64(t.Debit), int64(t.Credit), t.Amount.Minor(), int64(t.Kind),
		int64(t.BetID), t.Revision, t.At.UnixMicro(), int64(len(t.Reference)),
	} {
		dst = binary.BigEndian.AppendUint64(dst, uint64(number))
	}
	return append(dst, t.Reference...)
}
