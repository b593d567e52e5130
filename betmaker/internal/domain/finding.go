package domain

import (
	"fmt"
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
