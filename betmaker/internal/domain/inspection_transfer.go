package domain

import (
	"fmt"
	"slices"
)

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

// malformation returns the reason why the transfer alone is impossible, or "".
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

// moves reports whether transfers of the kind go from debit to credit.
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

// isForBet reports whether a transfer of the kind always belongs to a bet.
func (k TransferKind) isForBet() bool { return k >= TransferStake && k <= TransferDebt }

// isWithoutBet reports whether a transfer of the kind never belongs to a bet.
func (k TransferKind) isWithoutBet() bool { return k <= TransferWithdrawal }

// isLoan reports whether the kind is a loan to a wallet, or its repayment, rather than money of a
// bet.
func (k TransferKind) isLoan() bool { return k == TransferDebt || k == TransferRepayment }
