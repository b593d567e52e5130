package domain

import (
	"fmt"
)

// FindingKind is the kind of a finding.
type FindingKind string

// The kinds of findings.
const (
	// FindingTransfer: no rule makes such a transfer.
	FindingTransfer FindingKind = "transfer_malformed"
	// FindingRepeated: two transfers of one bet and revision are between the same accounts, or a
	// user has two openings.
	FindingRepeated FindingKind = "transfer_repeated"
	// FindingSeal: the transfers that a seal covers are not those from which it was made.
	FindingSeal FindingKind = "seal_differs"
	// FindingSealMissing: there is a gap in the seals.
	FindingSealMissing FindingKind = "seal_missing"
	// FindingHead: the expected seal is missing or different.
	FindingHead FindingKind = "head_missing"
	// FindingWallet: a wallet is not the sum of its transfers.
	FindingWallet FindingKind = "wallet_differs"
	// FindingWalletMissing: a user has transfers but no wallet.
	FindingWalletMissing FindingKind = "wallet_missing"
	// FindingWalletNegative: a balance, held amount or debt was negative.
	FindingWalletNegative FindingKind = "wallet_negative"
	// FindingBet: the money of a bet differs from its transfers or from its status.
	FindingBet FindingKind = "bet_differs"
	// FindingBetMissing: there are transfers for a bet that does not exist.
	FindingBetMissing FindingKind = "bet_missing"
	// FindingSettlement: a bet follows its event but has another settlement than the event gives it.
	FindingSettlement FindingKind = "bet_outcome_differs"
	// FindingRevision: a bet, its transfers or the mark of a settled event are ahead of the
	// revision that they follow.
	FindingRevision FindingKind = "revision_ahead"
	// FindingUnsettled: a bet does not follow its event's result although the event is marked as
	// settled, so that no settler would find it.
	FindingUnsettled FindingKind = "bet_unsettled"
	// FindingEventMissing: a bet is on an event that does not exist.
	FindingEventMissing FindingKind = "event_missing"
	// FindingLiability: the stored liability of an event is not that of its pending bets.
	FindingLiability FindingKind = "liability_differs"
	// FindingEscrow: the escrow is not the sum of the stakes of the pending bets.
	FindingEscrow FindingKind = "escrow_differs"
	// FindingUnreadable: a row cannot be read, and the rows after it were not checked.
	FindingUnreadable FindingKind = "unreadable"
)

// FindingKinds returns all kinds.
func FindingKinds() []FindingKind {
	return []FindingKind{
		FindingTransfer, FindingRepeated, FindingSeal, FindingSealMissing, FindingHead,
		FindingWallet, FindingWalletMissing, FindingWalletNegative,
		FindingBet, FindingBetMissing, FindingSettlement, FindingRevision, FindingUnsettled, FindingEventMissing, FindingLiability, FindingEscrow,
		FindingUnreadable,
	}
}

// Finding is an inconsistency in the ledger.
type Finding struct {
	Kind    FindingKind
	Subject string // "wallet 7", "transfers 1001 to 2000"
	Detail  string
}

// String returns the finding as one line.
func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.Subject, f.Detail) }
