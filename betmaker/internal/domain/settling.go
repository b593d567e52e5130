package domain

import (
	"time"

	"stavka.local/shared/money"
)

// Settling is what bets of one event are settled on. All of it has been read under locks
// that hold until the settlements have been committed.
type Settling struct {
	// Now is the store's clock.
	Now     time.Time
	Event   Event
	Bets    []Bet
	Wallets map[UserID]Wallet // of the bets' users
}

// Settled is what becomes of a bet, and the transfers that go with it: none when its
// outcome stays the same.
type Settled struct {
	Settlement
	Transfers []Transfer
}

// Settle moves each bet to where the event wants it, in order, and returns as many
// settlements. The wallets in the set are afterwards what the transfers make of them.
func (s *Settling) Settle() []Settled {
	settled := make([]Settled, len(s.Bets))
	for i, bet := range s.Bets {
		settled[i] = s.move(bet, s.Event.Settle(bet, s.Now))
	}
	return settled
}

func (s *Settling) move(bet Bet, to Settlement) Settled {
	wallet, transfers := s.Wallets[bet.UserID].move(bet.transfers(to, s.Now)...)
	s.Wallets[bet.UserID] = wallet
	return Settled{Settlement: to, Transfers: transfers}
}

// LiabilityChange returns by how much the settlements, one for each bet, change the
// event's liability.
func (s *Settling) LiabilityChange(settled []Settled) money.Amount {
	change := money.Amount{}
	for i, bet := range s.Bets {
		before := bet.Liability()
		bet.Settlement = settled[i].Settlement
		change = change.Plus(bet.Liability()).Minus(before)
	}
	return change
}

// transfers returns what moves between escrow, the user and the house when the bet goes
// from what it is to another settlement: the difference, whatever was before. Of the
// three, one alone gives or one alone takes, so there is one way to do it.
func (b Bet) transfers(to Settlement, now time.Time) []Transfer {
	next := b
	next.Settlement = to
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

// held returns what of the bet is in escrow.
func (b Bet) held() money.Amount {
	if b.Status == StatusPending {
		return b.Stake
	}
	return money.Amount{}
}

func (b Bet) transferKind(to Settlement) TransferKind {
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
