package domain

import (
	"time"

	"stavka.local/shared/fault"
)

// Faults of cancelling a bet.
var (
	ErrBetNotFound      = fault.New(fault.NotFound, "bet_not_found", "There is no such bet.")
	ErrBetNotPending    = fault.New(fault.Conflict, "bet_not_pending", "The bet is settled.")
	ErrCancelNotAllowed = fault.New(fault.Conflict, "cancel_not_allowed", "Bets cannot be cancelled.")
)

// Cancel voids the only bet of the set on its user's request. This is final: no result changes the
// bet afterwards. It is possible while the event takes bets and for the duration window after the
// bet was accepted. Cancelling again changes nothing and reports false. Errors: ErrBetNotPending,
// ErrEventClosed, ErrEventSuspended; ErrCancelNotAllowed when window is over or 0.
func (s *Settling) Cancel(window time.Duration) (settled Settled, changed bool, err error) {
	bet := s.Bets[0]
	switch {
	case bet.VoidReason == VoidCancelledByUser:
		return Settled{Standing: bet.Standing}, false, nil
	case bet.Status != StatusPending:
		return Settled{}, false, ErrBetNotPending.Detailf("Bet %d is %s.", bet.ID, bet.Status)
	case window == 0:
		return Settled{}, false, ErrCancelNotAllowed
	case s.Event.IsClosed(s.Now), s.Event.Settlement(bet).Status != StatusPending:
		return Settled{}, false, ErrEventClosed
	case s.Event.Suspended, s.Event.Quarantined:
		return Settled{}, false, ErrEventSuspended
	case !s.Now.Before(bet.AcceptedAt.Add(window)):
		return Settled{}, false, ErrCancelNotAllowed.Detailf("A bet can be cancelled for %s; bet %d was accepted longer ago.", window, bet.ID)
	}
	settled = s.move(bet, Standing{Settlement: void(bet, VoidCancelledByUser), Revision: bet.Revision, SettledAt: s.Now})
	for i := range settled.Transfers {
		settled.Transfers[i].Reference = cancelledReference
	}
	return settled, true, nil
}

// cancelledReference marks the refund of a cancelled bet. A final state must be in the transfers,
// because the row of the bet changes.
const cancelledReference = "cancelled"

// isCancellation reports whether the transfer is the refund of a bet that its user cancelled.
func (t Transfer) isCancellation() bool {
	return t.Kind == TransferRefund && t.Reference == cancelledReference
}
