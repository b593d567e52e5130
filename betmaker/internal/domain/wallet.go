package domain

import (
	"time"

	"stavka.local/shared/money"
)

// Wallet is the account of a user: the user's money and limits. The amounts are the sums of the
// user's transfers. They are stored for speed.
type Wallet struct {
	Open    bool         // the user is active
	Balance money.Amount // available for stakes and withdrawals; never negative
	Held    money.Amount // the stakes of pending bets
	Debt    money.Amount // owed by the user; zero while Balance is positive

	// Staked is the sum of the stakes accepted on StakedDay, also of settled bets.
	Staked    money.Amount
	StakedDay Day

	StakeLimit    StakeLimit
	ExcludedUntil time.Time // no bets before it; zero for no exclusion
}

// Day is a day in UTC: the number of days since 1970.
type Day int32

// DayOf returns the day of an instant.
func DayOf(t time.Time) Day { return Day(t.Unix() / (24 * 60 * 60)) }

// StakedOn returns the sum of the stakes on a day. A day before StakedDay, which only a clock that was
// set back shows, counts as StakedDay.
func (w Wallet) StakedOn(day Day) money.Amount {
	if day > w.StakedDay {
		return money.Amount{}
	}
	return w.Staked
}

// After returns the wallet after a transfer of its user.
func (w Wallet) After(t Transfer) Wallet {
	return w.with(t.Debit, t.Amount.Neg()).with(t.Credit, t.Amount)
}

// with returns the wallet after a change of one account.
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

// HasSameMoney reports whether balance, held stakes and debt equal those of other.
func (w Wallet) HasSameMoney(other Wallet) bool {
	return w.Balance == other.Balance && w.Held == other.Held && w.Debt == other.Debt
}

// move applies transfers that belong together: of one user, one bet or payment, and one instant.
// None of them may debit the wallet if another credits it. If the balance is too small, move first
// lends the rest; afterwards it repays debt from the balance. It returns the resulting wallet and
// all transfers in order.
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

// between returns a copy of t between other accounts.
func (t Transfer) between(debit, credit Account, amount money.Amount, kind TransferKind) Transfer {
	t.Debit, t.Credit, t.Amount, t.Kind = debit, credit, amount, kind
	return t
}

// OpenWallet returns the wallet of a new user and its first transfer; no transfer if opening is
// zero.
func OpenWallet(user UserID, opening money.Amount, now time.Time) (Wallet, []Transfer) {
	wallet := Wallet{Open: true}
	if !opening.IsPositive() {
		return wallet, nil
	}
	return wallet.move(Transfer{
		UserID: user, Debit: AccountExternal, Credit: AccountWallet, Amount: opening, Kind: TransferOpening, At: now,
	})
}
