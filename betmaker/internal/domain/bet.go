package domain

import (
	"strconv"
	"time"

	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// BetID identifies a bet. Ids start at 1.
type BetID int64

// Status is the present state of a bet.
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

// ParseStatus is the inverse of String. It reports false for an unknown status.
func ParseStatus(text string) (Status, bool) {
	for s := StatusPending; s <= StatusVoid; s++ {
		if statusNames[s] == text {
			return s, true
		}
	}
	return 0, false
}

// VoidReason is the reason for which a bet is void. It is zero for other bets.
type VoidReason uint8

// The reasons for voiding a bet.
const (
	VoidEventCancelled VoidReason = 1 // the event was cancelled
	VoidPastPost       VoidReason = 2 // accepted when the result had become fact, see Event.isPastPost
	VoidLineReset      VoidReason = 3 // the line lost the event
	// VoidWindowed: accepted within a window that an administrator voided.
	VoidWindowed VoidReason = 4
	// VoidCancelledByUser: the user cancelled the bet. This is final.
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

// Bet is an accepted bet. The fields up to HalfEven never change.
type Bet struct {
	ID           BetID
	UserID       UserID
	EventID      EventID
	Stake        money.Amount
	Coefficient  odds.Decimal // the price at acceptance
	EventVersion int64        // the event's version at acceptance
	AcceptedAt   time.Time
	// HalfEven: the payout is rounded half to even, not down. Bets are no longer accepted so, but
	// older ones keep the payout that they were accepted with.
	HalfEven bool
	Standing
}

// PotentialPayout returns what the bet pays if it wins.
func (b Bet) PotentialPayout() money.Amount {
	if b.HalfEven {
		return b.Stake.PayoutHalfEven(b.Coefficient)
	}
	return b.Stake.Payout(b.Coefficient)
}

// Standing is the present settlement of a bet, with the revision that it follows.
type Standing struct {
	Settlement
	Revision  int64     // the settle revision of the event that it follows; 0 for none yet
	SettledAt time.Time // zero while pending
}

// Settlement is a bet's status, payout and reason for being void.
type Settlement struct {
	Status     Status
	Payout     money.Amount // the total returned; zero while pending and when lost
	VoidReason VoidReason
}

// Settlement returns the settlement that the bet should have, given the present state of the event.
// It is a pure function: earlier results, and the order in which their messages arrived, do not
// matter. A bet that its user cancelled keeps its settlement.
func (e Event) Settlement(b Bet) Settlement {
	switch {
	case b.VoidReason == VoidCancelledByUser:
		return b.Settlement
	case b.AcceptedAt.Before(e.VoidBefore):
		return void(b, VoidLineReset)
	case e.isVoided(b.AcceptedAt):
		return void(b, VoidWindowed)
	case e.State == StateCancelled:
		return void(b, VoidEventCancelled)
	case !e.State.IsFinal():
		return Settlement{Status: StatusPending}
	case e.isPastPost(b.AcceptedAt):
		return void(b, VoidPastPost)
	case e.State == StateFinishedWin:
		return Settlement{Status: StatusWon, Payout: b.PotentialPayout()}
	default:
		return Settlement{Status: StatusLost}
	}
}

// isPastPost reports whether a bet accepted at the instant came too late: when the result had become
// fact or, unless the operator has said when that was, when the line had recorded it.
func (e Event) isPastPost(accepted time.Time) bool {
	if !e.EffectiveAt.IsZero() {
		return !accepted.Before(e.EffectiveAt)
	}
	return !e.RecordedBy.IsZero() && accepted.After(e.RecordedBy)
}

func void(b Bet, why VoidReason) Settlement {
	return Settlement{Status: StatusVoid, Payout: b.Stake, VoidReason: why}
}

// Settle returns the standing of a bet after it has been settled by e at the instant now. If the
// settlement does not change, SettledAt stays.
func (e Event) Settle(b Bet, now time.Time) Standing {
	next := Standing{Settlement: e.Settlement(b), Revision: e.SettleRevision}
	switch {
	case next.Status == StatusPending:
	case next.Settlement == b.Settlement:
		next.SettledAt = b.SettledAt
	default:
		next.SettledAt = now
	}
	return next
}

// StakeTransfer returns the transfer of an accepted bet's stake. Its reference holds the terms of
// the bet, such as "event 7 v3 @ 1.45, rounded down", so that the seals cover them too.
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
	text = b.Coefficient.Append(append(text, " @ "...))
	if !b.HalfEven {
		text = append(text, ", rounded down"...)
	}
	return string(text)
}
