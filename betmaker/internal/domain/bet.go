package domain

import (
	"strconv"
	"time"

	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// BetID names a bet, from 1.
type BetID int64

// Status is what a bet is at the moment.
type Status uint8

// The statuses of a bet.
const (
	StatusPending Status = 1
	StatusWon     Status = 2
	StatusLost    Status = 3
	StatusVoid    Status = 4
)

var statusNames = [...]string{StatusPending: "pending", StatusWon: "won", StatusLost: "lost", StatusVoid: "void"}

// String returns the status as the API spells it.
func (s Status) String() string {
	if s < StatusPending || s > StatusVoid {
		return "unknown"
	}
	return statusNames[s]
}

// ParseStatus is the inverse of String.
func ParseStatus(text string) (Status, bool) {
	for s := StatusPending; s <= StatusVoid; s++ {
		if statusNames[s] == text {
			return s, true
		}
	}
	return 0, false
}

// VoidReason says why a bet is void. The zero value is for bets that are not.
type VoidReason uint8

// The reasons for voiding a bet.
const (
	VoidEventCancelled VoidReason = 1 // the event will not be decided
	VoidPastPost       VoidReason = 2 // accepted at or after the result became fact
	VoidLineReset      VoidReason = 3 // the line lost the event the bet was placed on
	// VoidWindowed: accepted within a window that an administrator has voided.
	VoidWindowed VoidReason = 4
	// VoidCancelledByUser: the user did not want the bet any more. It is final.
	VoidCancelledByUser VoidReason = 5
)

var voidReasonNames = [...]string{
	VoidEventCancelled: "event_cancelled", VoidPastPost: "past_post", VoidLineReset: "line_reset",
	VoidWindowed: "void_window", VoidCancelledByUser: "cancelled_by_user",
}

// String returns the reason as the API spells it.
func (r VoidReason) String() string {
	if r < VoidEventCancelled || r > VoidCancelledByUser {
		return "unknown"
	}
	return voidReasonNames[r]
}

// Bet is an accepted bet. Everything up to AcceptedAt never changes.
type Bet struct {
	ID           BetID
	UserID       UserID
	EventID      EventID
	Stake        money.Amount
	Coefficient  odds.Decimal // the price at acceptance
	EventVersion int64        // the event's version at acceptance
	AcceptedAt   time.Time
	Settlement
}

// PotentialPayout is what the bet returns if it wins.
func (b Bet) PotentialPayout() money.Amount { return b.Stake.Payout(b.Coefficient) }

// Settlement is what has become of a bet so far.
type Settlement struct {
	Outcome
	Revision  int64     // the event's settle revision that this follows; 0 for none yet
	SettledAt time.Time // zero while pending
}

// Outcome is what becomes of a bet under a result.
type Outcome struct {
	Status     Status
	Payout     money.Amount // the total returned: nothing while pending and when lost
	VoidReason VoidReason
}

// Outcome returns what the bet should be, given the event as it is now. It is a
// pure function: however many results came before, in whatever order their
// messages arrived, only the present one counts. A bet that its user has cancelled
// stays so.
func (e Event) Outcome(b Bet) Outcome {
	switch {
	case b.VoidReason == VoidCancelledByUser:
		return b.Outcome
	case b.AcceptedAt.Before(e.VoidBefore):
		return void(b, VoidLineReset)
	case e.isVoided(b.AcceptedAt):
		return void(b, VoidWindowed)
	case e.State == StateCancelled:
		return void(b, VoidEventCancelled)
	case !e.State.IsFinal():
		return Outcome{Status: StatusPending}
	case !e.EffectiveAt.IsZero() && !b.AcceptedAt.Before(e.EffectiveAt):
		return void(b, VoidPastPost)
	case e.State == StateFinishedWin:
		return Outcome{Status: StatusWon, Payout: b.PotentialPayout()}
	default:
		return Outcome{Status: StatusLost}
	}
}

func void(b Bet, why VoidReason) Outcome {
	return Outcome{Status: StatusVoid, Payout: b.Stake, VoidReason: why}
}

// Settle returns what the bet's settlement is once it follows e, at the instant now.
// A bet whose outcome does not change keeps the time it was settled at.
func (e Event) Settle(b Bet, now time.Time) Settlement {
	next := Settlement{Outcome: e.Outcome(b), Revision: e.SettleRevision}
	switch {
	case next.Status == StatusPending:
	case next.Outcome == b.Outcome:
		next.SettledAt = b.SettledAt
	default:
		next.SettledAt = now
	}
	return next
}

// StakeTransfer is the transfer of an accepted bet's stake. Its reference is what was bet
// on, so that the seals cover that, too: "event 7 v3 @ 1.45".
func (b Bet) StakeTransfer() Transfer {
	return Transfer{
		UserID: b.UserID, Debit: AccountWallet, Credit: AccountEscrow, Amount: b.Stake, Kind: TransferStake,
		BetID: b.ID, Revision: b.Revision, Reference: b.terms(), At: b.AcceptedAt,
	}
}

func (b Bet) terms() string {
	text := make([]byte, 0, 48)
	text = strconv.AppendInt(append(text, "event "...), int64(b.EventID), 10)
	text = strconv.AppendInt(append(text, " v"...), b.EventVersion, 10)
	return string(b.Coefficient.Append(append(text, " @ "...)))
}
