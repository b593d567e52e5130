package domain

import (
	"time"

	"stavka.local/shared/money"
)

// Wallet is a user's account: their money, and what they may do with it. All that it says
// of money is the sum of the user's transfers; that it is kept is for speed.
type Wallet struct {
	Open    bool         // the user is active
	Balance money.Amount // what may be staked or withdrawn; never negative
	Held    money.Amount // the stakes of pending bets
	Debt    money.Amount // what is owed; nothing while there is a balance

	// Staked is the sum of the stakes accepted on StakedDay. A stake counts for its day
	// whatever becomes of the bet.
	Staked    money.Amount
	StakedDay Day

	StakeLimit    StakeLimit
	ExcludedUntil time.Time // no bets before it; zero for never excluded
}

// Day is a day in UTC: days since 1970.
type Day int32

// DayOf returns the day of an instant.
func DayOf(t time.Time) Day { return Day(t.Unix() / (24 * 60 * 60)) }

// StakedOn returns the sum of the stakes of a day, which must not be before StakedDay.
func (w Wallet) StakedOn(day Day) money.Amount {
	if day != w.StakedDay {
		return money.Amount{}
	}
	return w.Staked
}

// After returns the wallet after a transfer of its user.
func (w Wallet) After(t Transfer) Wallet {
	return w.with(t.Debit, t.Amount.Neg()).with(t.Credit, t.Amount)
}

// with returns the wallet after an account has changed.
func (w Wallet) with(a Account, change money.Amount) Wallet {
	switch a {
	case AccountWallet:
		w.Balance = w.Balance.Plus(change)
	case AccountEscrow:
		w.Held = w.Held.Plus(change)
	case AccountDebt:
		w.Debt = w.Debt.Minus(change)
	case AccountHouse, AccountExternal:
	}
	return w
}

// HasSameMoney tells whether balance, held stakes and debt are those of other.
func (w Wallet) HasSameMoney(other Wallet) bool {
	return w.Balance == other.Balance && w.Held == other.Held && w.Debt == other.Debt
}

// move makes transfers that belong together: of one user, one bet or payment, and one
// instant, none of which takes from the wallet if another gives to it. What the wallet
// lacks for them becomes debt, first; what it has afterwards repays debt, last. It
// returns the wallet then, and all transfers in order.
func (w Wallet) move(transfers ...Transfer) (Wallet, []Transfer) {
	if len(transfers) == 0 {
		return w, nil
	}
	taken := money.Amount{}
	for _, t := range transfers {
		if t.Debit == AccountWallet {
			taken = taken.Plus(t.Amount)
		}
	}
	if w.Balance.Less(taken) {
		loan := transfers[0].between(AccountDebt, AccountWallet, taken.Minus(w.Balance), TransferDebt)
		transfers = append([]Transfer{loan}, transfers...)
	}
	for _, t := range transfers {
		w = w.After(t)
	}
	if w.Debt.IsPositive() && w.Balance.IsPositive() {
		repayment := transfers[0].between(AccountWallet, AccountDebt, money.Min(w.Debt, w.Balance), TransferRepayment)
		transfers = append(transfers, repayment)
		w = w.After(repayment)
	}
	return w, transfers
}

// between returns a transfer like t between other accounts.
func (t Transfer) between(debit, credit Account, amount money.Amount, kind TransferKind) Transfer {
	t.Debit, t.Credit, t.Amount, t.Kind = debit, credit, amount, kind
	return t
}

// OpenWallet returns the wallet of a new user, and the transfer that it begins with; none
// when that is nothing.
func OpenWallet(user UserID, opening money.Amount, now time.Time) (Wallet, []Transfer) {
	wallet := Wallet{Open: true}
	if !opening.IsPositive() {
		return wallet, nil
	}
	return wallet.move(Transfer{
		UserID: user, Debit: AccountExternal, Credit: AccountWallet, Amount: opening, Kind: TransferOpening, At: now,
	})
}
