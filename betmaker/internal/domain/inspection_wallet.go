package domain

import (
	"fmt"

	"stavka.local/shared/money"
)

type inspectedUser struct {
	sums sums

	stakedDay Day
	staked    int64 // on stakedDay
	opened    bool
	negative  bool // already found to be negative
	hasWallet bool
}

func (i *Inspection) user(id UserID) *inspectedUser {
	user, ok := i.users[id]
	if !ok {
		user = &inspectedUser{}
		i.users[id] = user
	}
	return user
}

// follow applies a transfer of the user.
func (u *inspectedUser) follow(i *Inspection, t Transfer) {
	u.sums = u.sums.after(t)
	if t.Kind == TransferOpening {
		if u.opened {
			i.find(FindingRepeated, fmt.Sprintf("transfer %d", t.ID), "user %d had an opening before", t.UserID)
		}
		u.opened = true
	}
	if t.Kind == TransferStake {
		if day := DayOf(t.At); day > u.stakedDay {
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

func (u *inspectedUser) held() money.Amount { return money.FromMinor(u.sums[AccountEscrow]) }

func (u *inspectedUser) debt() money.Amount { return money.FromMinor(-u.sums[AccountDebt]) }

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
