package portstest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Cancellations is the suite of ports.Settlements.CancelBet.
func Cancellations(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"cancels a bet":                     cancelsBet,
		"leaves the bet without a decision": cancelsNothing,
		"is ordered against the close":      cancelsBeforeClose,
	})
}

func cancel(ctx context.Context, s Stores, id domain.BetID) (domain.Bet, error) {
	return s.Settlements.CancelBet(ctx, id, func(set *domain.Settling) (*ports.Cancellation, error) {
		settled, changed, err := set.Cancel(time.Hour)
		if err != nil || !changed {
			return nil, err
		}
		return &ports.Cancellation{Settled: settled}, nil
	})
}

func cancelsBet(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "10.00")
	addOpenEvents(t, s, 1)
	placed := placeBet(t, s, bet(user, 1))
	record := fullRecord(time.Time{})
	before := clock(t, s)
	cancelled, err := s.Settlements.CancelBet(t.Context(), placed.ID, func(set *domain.Settling) (*ports.Cancellation, error) {
		isTrue(t, !set.Now.Before(before), "now is the store's: %s", set.Now)
		equal(t, set.Event, openEvent(1))
		equal(t, set.Bets, []domain.Bet{placed})
		wallet := set.Wallets[user]
		equal(t, []money.Amount{wallet.Balance, wallet.Held}, []money.Amount{{}, ten})
		settled, changed, err := set.Cancel(time.Hour)
		isTrue(t, changed, "it changes: %v", err)
		record.At = set.Now
		return &ports.Cancellation{Settled: settled, Audit: &record}, err
	})
	ok(t, err)
	want := placed
	want.Standing = domain.Standing{
		Settlement: domain.Settlement{Status: domain.StatusVoid, Payout: ten, VoidReason: domain.VoidCancelledByUser},
		SettledAt:  record.At.UTC(),
	}
	equal(t, cancelled, want)
	equal(t, readBet(t, s, placed.ID), want)
	hasMoney(t, s, user, "10.00", "0.00", "0.00")
	isRecorded(t, s, record)

	again, err := cancel(t.Context(), s, placed.ID)
	ok(t, err)
	equal(t, again, want)
	// No result reverts it.
	finish(t, s, 1, domain.StateFinishedWin)
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	want.Revision = 1
	equal(t, readBet(t, s, placed.ID), want)
	hasMoney(t, s, user, "10.00", "0.00", "0.00")
	isSound(t, s)
}

func cancelsNothing(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "10.00")
	addOpenEvents(t, s, 1)
	placed := placeBet(t, s, bet(user, 1))
	refusal := fmt.Errorf("no")
	_, err := s.Settlements.CancelBet(t.Context(), placed.ID, func(set *domain.Settling) (*ports.Cancellation, error) {
		_, _, _ = set.Cancel(time.Hour)
		return nil, refusal
	})
	isError(t, err, refusal)
	unchanged, err := s.Settlements.CancelBet(t.Context(), placed.ID, func(*domain.Settling) (*ports.Cancellation, error) { return nil, nil })
	ok(t, err)
	equal(t, unchanged, placed)
	hasMoney(t, s, user, "0.00", "10.00", "0.00")
	_, err = cancel(t.Context(), s, 1<<40)
	isError(t, err, ports.ErrNotFound)
}

// cancelsBeforeClose cancels bets while their events are closed: no bet is cancelled after the close.
func cancelsBeforeClose(t *testing.T, s Stores) {
	for round := range scaled(t, 100) {
		id := domain.EventID(round + 1)
		write(t, s, openEvent(id))
		user := addUserWith(t, s, fmt.Sprint("player", round), "10.00")
		placed := placeBet(t, s, bet(user, id))
		var refused atomic.Bool
		together(t, 2, func(i int) error {
			if i == 0 {
				finish(t, s, id, domain.StateFinishedWin)
				_, err := settle(t.Context(), s, id, 10)
				return err
			}
			_, err := cancel(t.Context(), s, placed.ID)
			if err != nil {
				refused.Store(true)
			}
			return nil
		})
		event, err := s.Events.Event(t.Context(), id)
		ok(t, err)
		settled := readBet(t, s, placed.ID)
		if refused.Load() {
			equal(t, settled.Status, domain.StatusWon)
			hasMoney(t, s, user, "14.50", "0.00", "0.00")
			continue
		}
		isTrue(t, settled.Status == domain.StatusVoid && settled.SettledAt.Before(event.ClosedAt), "cancelled before the close: %+v, %+v", settled, event)
		hasMoney(t, s, user, "10.00", "0.00", "0.00")
	}
	isSound(t, s)
}
