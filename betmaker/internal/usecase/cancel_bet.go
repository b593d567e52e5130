package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// CancelBet cancels bets for their users. All members are required; a Window of 0 allows no
// cancellation.
type CancelBet struct {
	Settlements ports.Settlements
	Window      time.Duration // after the acceptance
}

// Cancel voids a pending bet, as domain.Settling.Cancel does, and returns it. Repeating it changes
// nothing. Errors: domain.ErrBetNotFound, also if the actor may not see the bet; those of
// domain.Settling.Cancel and of the store.
func (c CancelBet) Cancel(ctx context.Context, by domain.Caller, id domain.BetID) (domain.Bet, error) {
	bet, err := c.Settlements.CancelBet(ctx, id, func(set *domain.Settling) (*ports.Cancellation, error) {
		bet := set.Bets[0]
		if !by.MaySee(bet.UserID) {
			return nil, domain.ErrBetNotFound
		}
		settled, changed, err := set.Cancel(c.Window)
		if err != nil || !changed {
			return nil, err
		}
		cancellation := &ports.Cancellation{Settled: settled}
		if bet.UserID != by.ID {
			cancellation.Audit = new(bet.CancelledBy(by.Origin(), settled.Standing))
		}
		return cancellation, nil
	})
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return domain.Bet{}, domain.ErrBetNotFound
	case err != nil:
		return domain.Bet{}, fmt.Errorf("cancel bet %d: %w", id, withoutKey(err))
	}
	return bet, nil
}
