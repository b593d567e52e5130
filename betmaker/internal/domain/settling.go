package domain

import (
	"time"

	"stavka.local/shared/money"
)

// Settling is the input for settling bets of one event. All of it was read under locks that are
// held until the settlements have been committed.
type Settling struct {
	// Now is the store's clock.
	Now     time.Time
	Event   Event
	Bets    []Bet
	Wallets map[UserID]Wallet // of the users of the bets
}

// Settled is the new standing of a bet with its transfers. There are none if its settlement does
// not change.
type Settled struct {
	Standing
	Transfers []Transfer
}

// Settle settles each bet by the event, in order, and returns one standing for each. It updates
// Wallets by the transfers.
func (s *Settling) Settle() []Settled {
	settled := make([]Settled, len(s.Bets))
	for i, bet := range s.Bets {
		settled[i] = s.move(bet, s.Event.Settle(bet, s.Now))
	}
	return settled
}

func (s *Settling) move(bet Bet, to Standing) Settled {
	wallet, transfers := s.Wallets[bet.UserID].move(bet.transfers(to, s.Now)...)
	s.Wallets[bet.UserID] = wallet
	return Settled{Standing: to, Transfers: transfers}
}

// LiabilityChange returns the change of the event's liability by the new standings, one for each
// bet.
func (s *Settling) LiabilityChange(settled []Settled) money.Amount {
	change := money.Amount{}
	for i, bet := range s.Bets {
		before := bet.Liability()
		bet.Standing = settled[i].Standing
		change = change.Plus(bet.Liability()).Minus(before)
	}
	return change
}

// transfers returns the transfers between escrow, user and house that move the bet to another
// standing: the difference to its present one. Of the three accounts either one alone
// pays or one alone receives, so the transfers are unique.
func (b Bet) transfers(to Standing, now time.Time) []Transfer {
	next := b
	next.Standing = to
	var (
		escrow = next.held().Minus(b.held())
		user   = to.Payout.Minus(b.Payout)
		house  = escrow.Plus(user).Neg()
		kind   = b.transferKind(to)
		moves  []Transfer
	)
	changes := [...]struct {
		account Account
		change  money.Amount
	}{{AccountEscrow, escrow}, {AccountHouse, house}, {AccountWallet, user}}
	for _, from := range changes {
		for _, into := range changes {
			if from.change.Minor() < 0 && into.change.IsPositive() {
				moves = append(moves, Transfer{
					UserID: b.UserID, Debit: from.account, Credit: into.account,
					Amount: money.Min(from.change.Neg(), into.change),
					Kind:   kind, BetID: b.ID, Revision: to.Revision, At: now,
				})
			}
		}
	}
	return moves
}

// held returns the part of the stake that is in escrow.
func (b Bet) held() money.Amount {
	if b.Status == StatusPending {
		return b.Stake
	}
	return money.Amount{}
}

func (b Bet) transferKind(to Standing) TransferKind {
	switch {
	case b.Status != StatusPending:
		return TransferCorrection
	case to.Status == StatusWon:
		return TransferPayout
	case to.Status == StatusVoid:
		return TransferRefund
	default:
		return TransferLoss
	}
}
