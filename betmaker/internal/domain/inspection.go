package domain

import (
	"fmt"
	"maps"
	"slices"

	"stavka.local/shared/money"
)

// Inspection checks a ledger, whose rows must be passed to it once, in the order of
// ports.LedgerReader. It keeps a few numbers for each user and event, but nothing for each
// transfer, seal or bet. The transfers are taken as the truth, the seals prove that they are
// unchanged, and everything else must follow from them.
type Inspection struct {
	report   LedgerReport
	expected Seal    // the zero Seal for none
	sealing  sealing // the next seal, recomputed
	last     TransferID
	users    map[UserID]*inspectedUser
	events   map[EventID]*inspectedEvent
	stakes   int64 // of the pending bets
	seen     map[transferKey]bool
}

type inspectedEvent struct {
	event Event

	settled   int64         // up to this revision, as the store says
	kept      *money.Amount // nil for none
	liability int64
}

// NewInspection returns an inspection of an empty ledger. expected is a seal that must exist, with
// its number and hash; zero for none.
func NewInspection(expected Seal) *Inspection {
	return &Inspection{
		report:   LedgerReport{Found: make(map[FindingKind]int64)},
		expected: expected,
		sealing:  Seal{}.begin(),
		users:    make(map[UserID]*inspectedUser),
		events:   make(map[EventID]*inspectedEvent),
		seen:     make(map[transferKey]bool),
	}
}

func (i *Inspection) find(kind FindingKind, subject, format string, args ...any) {
	i.report.Found[kind]++
	if len(i.report.Findings) < keptFindings {
		i.report.Findings = append(i.report.Findings, Finding{kind, subject, fmt.Sprintf(format, args...)})
	}
}

// Seal checks a seal against the transfers since the previous one. The next seal is recomputed from
// the stored hash, so that only the range of a change is found and not every range after it.
func (i *Inspection) Seal(seal Seal) error {
	before := i.report.Head
	if seal.ID != before.ID+1 {
		i.find(FindingSealMissing, fmt.Sprintf("seal %d", seal.ID), "comes after seal %d", before.ID)
	}
	if seal.ID == i.expected.ID && seal.Hash != i.expected.Hash {
		i.find(FindingHead, fmt.Sprintf("seal %d", seal.ID), "is %s, not %s", seal, i.expected)
	}
	made := i.sealing.end(seal.At)
	if made != seal || made.Count == 0 {
		i.find(FindingSeal, fmt.Sprintf("transfers %d to %d", before.Last+1, seal.Last),
			"are not those that seal %d was made of: it covers %d up to transfer %d, there are %d up to transfer %d, and their hash is %x, not %x",
			seal.ID, seal.Count, seal.Last, made.Count, made.Last, made.Hash, seal.Hash)
	}
	i.sealing = seal.begin()
	i.report.Head = seal
	i.report.Seals++
	i.report.Sealed += made.Count
	return nil
}

// Event records an event, the revision up to which its bets are marked as settled, and its stored
// liability, if there is one.
func (i *Inspection) Event(event Event, settled int64, liability *money.Amount) error {
	i.report.Events++
	i.events[event.ID] = &inspectedEvent{event: event, settled: settled, kept: liability}
	if settled > event.SettleRevision {
		i.find(FindingRevision, fmt.Sprintf("event %d", event.ID), "is at revision %d, but its bets are marked as settled up to revision %d",
			event.SettleRevision, settled)
	}
	return nil
}

// Report makes the checks that need the whole ledger and returns all findings. It must be called
// once.
func (i *Inspection) Report() LedgerReport {
	if i.report.Head.ID < i.expected.ID {
		i.find(FindingHead, fmt.Sprintf("seal %d", i.expected.ID), "does not exist: the newest is seal %d", i.report.Head.ID)
	}
	for _, id := range sortedKeys(i.users) {
		if !i.users[id].hasWallet {
			i.find(FindingWalletMissing, fmt.Sprintf("wallet %d", id), "does not exist, but there are transfers, which make %s", i.users[id])
		}
	}
	for _, id := range sortedKeys(i.events) {
		event := i.events[id]
		if event.kept != nil && event.kept.Minor() != event.liability {
			i.find(FindingLiability, fmt.Sprintf("event %d", id), "has a liability of %s; its pending bets make %s",
				*event.kept, money.FromMinor(event.liability))
		}
	}
	if held := i.report.totals[AccountEscrow]; held != i.stakes {
		i.find(FindingEscrow, "escrow", "holds %s; the stakes of pending bets are %s", money.FromMinor(held), money.FromMinor(i.stakes))
	}
	return i.report
}

// Unreadable returns the findings so far, preceded by the reason why the ledger cannot be read
// to its end. It leaves out the checks that need the whole ledger. It is called instead of Report.
func (i *Inspection) Unreadable(why error) LedgerReport {
	found := i.report.Findings
	i.report.Findings = nil
	i.find(FindingUnreadable, "ledger", "cannot be read to its end, and the rest is not checked: %v", why)
	i.report.Findings = append(i.report.Findings, found[:min(len(found), keptFindings-1)]...)
	return i.report
}

func sortedKeys[K UserID | EventID, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
