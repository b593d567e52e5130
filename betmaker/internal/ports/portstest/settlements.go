package portstest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Settlements is the suite of ports.Settlements.
func Settlements(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"moves bets to their settlement":                 movesBets,
		"settles in chunks":                              settlesInChunks,
		"gives the bets, the event and the clock":        givesBetsEventAndClock,
		"skips events that are not settleable":           leavesUnsettleableAlone,
		"skips bets of other events":                     leavesOtherEventsAlone,
		"moves bets again after a correction":            movesBetsAgain,
		"voids bets for each reason":                     voidsBets,
		"takes a bet back to pending":                    takesBetBackToPending,
		"never lowers a revision":                        neverLowersRevision,
		"writes nothing when a settlement is missing":    settlementIsMissing,
		"writes nothing and holds nothing after a panic": settlePanics,
		"finishes when no bet is behind":                 finishesWhenNoneIsBehind,
		"finds unsettled events, longest waiting first":  findsUnsettled,
		"settles each bet once with many settlers":       settlesOnce,
		"never pays more for a divided stake":            payoutOfDividedStake,
		"never finishes a result that comes meanwhile":   neverFinishesNewResult,
		"follows the newest of concurrent results":       followsNewestResult,
	})
}

// movesBets also checks that every field of a settlement is stored.
func movesBets(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 3)
	settlements := []struct {
		state domain.State
		want  domain.Settlement
	}{
		{domain.StateFinishedWin, domain.Settlement{Status: domain.StatusWon, Payout: money.MustParse("14.50")}},
		{domain.StateFinishedLose, domain.Settlement{Status: domain.StatusLost}},
		{domain.StateCancelled, domain.Settlement{Status: domain.StatusVoid, Payout: ten, VoidReason: domain.VoidEventCancelled}},
	}
	for i, settlement := range settlements {
		id := domain.EventID(i + 1)
		placed := placeBet(t, s, bet(user, id))
		finish(t, s, id, settlement.state)
		before := clock(t, s)

		chunk, err := s.Settlements.SettleChunk(t.Context(), id, 0, 10, asDomain)
		ok(t, err)
		equal(t, chunk, ports.Chunk{Settled: 1, Changed: 1, Last: placed.ID})

		settled := readBet(t, s, placed.ID)
		isTrue(t, !settled.SettledAt.Before(before) && !settled.SettledAt.After(clock(t, s)), "settled by the store's clock: %s", settled.SettledAt)
		want := placed
		want.Standing = domain.Standing{Settlement: settlement.want, Revision: 1, SettledAt: settled.SettledAt.UTC()}
		equal(t, settled, want)
	}
}

// placeBets places n bets of one user on event 1.
func placeBets(t *testing.T, s Stores, n int) []domain.BetID {
	t.Helper()
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	batch := slices.Repeat([]domain.Placement{bet(user, 1)}, n)
	ids := make([]domain.BetID, n)
	for i, decision := range place(t, s, batch...) {
		ids[i] = decision.Bet.ID
	}
	slices.Sort(ids)
	return ids
}

func settlesInChunks(t *testing.T, s Stores) {
	ids := placeBets(t, s, 5)
	finish(t, s, 1, domain.StateFinishedWin)
	for _, step := range []struct {
		after domain.BetID
		want  ports.Chunk
	}{
		{0, ports.Chunk{Settled: 2, Changed: 2, Last: ids[1], More: true}},
		{ids[1], ports.Chunk{Settled: 2, Changed: 2, Last: ids[3], More: true}},
		{ids[3], ports.Chunk{Settled: 1, Changed: 1, Last: ids[4]}},
		{ids[4], ports.Chunk{Last: ids[4]}},
		{0, ports.Chunk{}},
	} {
		chunk, err := s.Settlements.SettleChunk(t.Context(), 1, step.after, 2, asDomain)
		ok(t, err)
		equal(t, chunk, step.want)
	}
	for _, bet := range allBets(t, s, ports.BetFilter{}) {
		equal(t, bet.Status, domain.StatusWon)
	}
}

func givesBetsEventAndClock(t *testing.T, s Stores) {
	placeBets(t, s, 5)
	event := finish(t, s, 1, domain.StateFinishedWin)
	before := clock(t, s)
	_, err := s.Settlements.SettleChunk(t.Context(), 1, 0, 10, func(set *domain.Settling) []domain.Settled {
		isTrue(t, !set.Now.Before(before), "now is the store's: %s is before %s", set.Now, before)
		equal(t, set.Event, event)
		want := allBets(t, s, ports.BetFilter{})
		slices.Reverse(want)
		equal(t, set.Bets, want)
		user := want[0].UserID
		equal(t, set.Wallets, map[domain.UserID]domain.Wallet{user: readWallet(t, s, user)})
		return asDomain(set)
	})
	ok(t, err)
}

func leavesUnsettleableAlone(t *testing.T, s Stores) {
	placeBets(t, s, 1)
	never := func(set *domain.Settling) []domain.Settled {
		t.Errorf("decide is called with %+v", set)
		return make([]domain.Settled, len(set.Bets))
	}
	untouched := func(event domain.EventID) {
		t.Helper()
		chunk, err := s.Settlements.SettleChunk(t.Context(), event, 0, 10, never)
		ok(t, err)
		equal(t, chunk, ports.Chunk{})
		done, err := s.Settlements.FinishSettling(t.Context(), event)
		ok(t, err)
		isTrue(t, done, "there is nothing to finish")
		equal(t, unsettled(t, s), nil)
	}
	untouched(1)       // has no result
	untouched(1 << 40) // does not exist
	finish(t, s, 1, domain.StateFinishedWin)
	update(t, s, 1, func(event domain.Event, _ time.Time) domain.Event {
		event.Quarantined = true
		return event
	})
	untouched(1)

	// It was not marked as settled while it was in quarantine.
	update(t, s, 1, func(event domain.Event, _ time.Time) domain.Event {
		event.Quarantined = false
		return event
	})
	equal(t, unsettled(t, s), []domain.EventID{1})
}

func leavesOtherEventsAlone(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 2)
	finished, open := placeBet(t, s, bet(user, 1)), placeBet(t, s, bet(user, 2))
	finish(t, s, 1, domain.StateFinishedWin)
	changed, err := settle(t.Context(), s, 1, 10)
	ok(t, err)
	equal(t, changed, 1)
	equal(t, readBet(t, s, finished.ID).Status, domain.StatusWon)
	equal(t, readBet(t, s, open.ID), open)
}

func movesBetsAgain(t *testing.T, s Stores) {
	id := placeBets(t, s, 1)[0]
	for revision, state := range []domain.State{
		domain.StateFinishedWin, domain.StateFinishedLose, domain.StateCancelled, domain.StateFinishedWin,
	} {
		event := finish(t, s, 1, state)
		before := readBet(t, s, id)
		chunk, err := s.Settlements.SettleChunk(t.Context(), 1, 0, 10, asDomain)
		ok(t, err)
		equal(t, chunk, ports.Chunk{Settled: 1, Changed: 1, Last: id})
		after := readBet(t, s, id)
		equal(t, after.Standing, event.Settle(before, after.SettledAt))
		equal(t, after.Revision, int64(revision+1))
	}
	// A result may be skipped. A result that changes nothing is followed, too.
	settledAt := readBet(t, s, id).SettledAt
	finish(t, s, 1, domain.StateFinishedLose)
	finish(t, s, 1, domain.StateFinishedWin)
	chunk, err := s.Settlements.SettleChunk(t.Context(), 1, 0, 10, asDomain)
	ok(t, err)
	equal(t, chunk, ports.Chunk{Settled: 1, Last: id})
	after := readBet(t, s, id)
	equal(t, after.Revision, 6)
	equal(t, after.SettledAt, settledAt)
}

func voidsBets(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	early, late := placeBet(t, s, bet(user, 1)), placeBet(t, s, bet(user, 1))
	isTrue(t, early.AcceptedAt.Before(late.AcceptedAt), "one after the other")
	finish(t, s, 1, domain.StateFinishedLose)
	update(t, s, 1, func(event domain.Event, _ time.Time) domain.Event {
		event.EffectiveAt = late.AcceptedAt
		return event
	})
	_, err := settle(t.Context(), s, 1, 10)
	ok(t, err)
	equal(t, readBet(t, s, early.ID).Settlement, domain.Settlement{Status: domain.StatusLost})
	equal(t, readBet(t, s, late.ID).Settlement, domain.Settlement{Status: domain.StatusVoid, Payout: ten, VoidReason: domain.VoidPastPost})

	update(t, s, 1, func(event domain.Event, now time.Time) domain.Event {
		event.VoidBefore, event.SettleRevision, event.ResultedAt = late.AcceptedAt, event.SettleRevision+1, now
		return event
	})
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	equal(t, readBet(t, s, early.ID).Settlement, domain.Settlement{Status: domain.StatusVoid, Payout: ten, VoidReason: domain.VoidLineReset})
	bet := readBet(t, s, early.ID)
	bet.HalfEven = true // KeepsOldRounding has bets with it
	everyFieldSet(t, bet)
}

func takesBetBackToPending(t *testing.T, s Stores) {
	id := placeBets(t, s, 1)[0]
	finish(t, s, 1, domain.StateFinishedWin)
	_, err := settle(t.Context(), s, 1, 10)
	ok(t, err)
	// This is what an operator does to resolve a quarantine while the event is still open.
	update(t, s, 1, func(event domain.Event, now time.Time) domain.Event {
		event.State, event.ResultRevision, event.ClosedAt = domain.StateNew, 0, time.Time{}
		event.SettleRevision, event.ResultedAt = event.SettleRevision+1, now
		return event
	})
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	equal(t, readBet(t, s, id).Standing, domain.Standing{Settlement: domain.Settlement{Status: domain.StatusPending}, Revision: 2})
}

func neverLowersRevision(t *testing.T, s Stores) {
	id := placeBets(t, s, 1)[0]
	finish(t, s, 1, domain.StateFinishedWin)
	_, err := settle(t.Context(), s, 1, 10)
	ok(t, err)
	won := readBet(t, s, id)
	wallet := readWallet(t, s, won.UserID)
	finish(t, s, 1, domain.StateFinishedLose)
	_, err = s.Settlements.SettleChunk(t.Context(), 1, 0, 10, func(set *domain.Settling) []domain.Settled {
		settled := set.Settle()
		settled[0].Revision = won.Revision
		for i := range settled[0].Transfers {
			settled[0].Transfers[i].Revision = won.Revision
		}
		return settled
	})
	isTrue(t, err != nil && !errors.Is(err, ports.ErrOutcomeUnknown), "certainly nothing was written: %v", err)
	equal(t, readBet(t, s, id), won)
	equal(t, readWallet(t, s, won.UserID), wallet)
}

func settlementIsMissing(t *testing.T, s Stores) {
	placeBets(t, s, 2)
	finish(t, s, 1, domain.StateFinishedWin)
	_, err := s.Settlements.SettleChunk(t.Context(), 1, 0, 10, func(set *domain.Settling) []domain.Settled {
		return asDomain(set)[:1]
	})
	isTrue(t, err != nil && !errors.Is(err, ports.ErrOutcomeUnknown), "certainly nothing was written: %v", err)
	equal(t, len(allBets(t, s, ports.BetFilter{Status: domain.StatusPending})), 2)
}

func settlePanics(t *testing.T, s Stores) {
	placeBets(t, s, 2)
	finish(t, s, 1, domain.StateFinishedWin)
	isTrue(t, panics(func() {
		_, err := s.Settlements.SettleChunk(t.Context(), 1, 0, 10, func(*domain.Settling) []domain.Settled {
			panic("a defect in a rule")
		})
		t.Errorf("the panic was swallowed: %v", err)
	}), "the panic goes on")
	equal(t, len(allBets(t, s, ports.BetFilter{Status: domain.StatusPending})), 2)
	changed, err := settle(t.Context(), s, 1, 10)
	ok(t, err)
	equal(t, changed, 2)
}

func unsettled(t *testing.T, s Stores) (ids []domain.EventID) {
	t.Helper()
	events, err := s.Settlements.Unsettled(t.Context(), 1000)
	ok(t, err)
	for _, event := range events {
		isTrue(t, event.For >= 0 && event.For < time.Hour, "waits since its result: %s", event.For)
		ids = append(ids, event.Event)
	}
	return ids
}

func finishesWhenNoneIsBehind(t *testing.T, s Stores) {
	ids := placeBets(t, s, 2)
	finish(t, s, 1, domain.StateFinishedWin)
	finishes := func() bool {
		t.Helper()
		done, err := s.Settlements.FinishSettling(t.Context(), 1)
		ok(t, err)
		return done
	}
	isTrue(t, !finishes(), "two bets are behind")
	_, err := s.Settlements.SettleChunk(t.Context(), 1, 0, 1, asDomain)
	ok(t, err)
	isTrue(t, !finishes(), "one bet is behind")
	equal(t, unsettled(t, s), []domain.EventID{1})
	_, err = s.Settlements.SettleChunk(t.Context(), 1, ids[0], 1, asDomain)
	ok(t, err)
	isTrue(t, finishes(), "no bet is behind")
	equal(t, unsettled(t, s), nil)
	isTrue(t, finishes(), "it stays finished")

	finish(t, s, 1, domain.StateFinishedLose)
	isTrue(t, !finishes(), "there is a new result")
	equal(t, unsettled(t, s), []domain.EventID{1})
}

func findsUnsettled(t *testing.T, s Stores) {
	addOpenEvents(t, s, 4)
	finish(t, s, 3, domain.StateFinishedWin)
	finish(t, s, 1, domain.StateFinishedLose)
	finish(t, s, 2, domain.StateCancelled)
	equal(t, unsettled(t, s), []domain.EventID{3, 1, 2})
	limited, err := s.Settlements.Unsettled(t.Context(), 2)
	ok(t, err)
	equal(t, len(limited), 2)
	isTrue(t, limited[0].For > limited[1].For, "the first has waited longer: %v", limited)

	update(t, s, 1, func(event domain.Event, now time.Time) domain.Event {
		event.ResultedAt = now.Add(-10 * time.Minute)
		return event
	})
	limited, err = s.Settlements.Unsettled(t.Context(), 1)
	ok(t, err)
	equal(t, limited[0].Event, 1)
	isTrue(t, limited[0].For >= 10*time.Minute && limited[0].For < time.Hour, "ten minutes by the store's clock: %s", limited[0].For)
}

func settlesOnce(t *testing.T, s Stores) {
	const settlers, chunk = 4, 50
	n := 2000
	placeBets(t, s, n)
	for revision, state := range []domain.State{domain.StateFinishedWin, domain.StateFinishedLose} {
		finish(t, s, 1, state)
		var changed atomic.Int64
		together(t, settlers, func(int) error {
			moved, err := settle(t.Context(), s, 1, chunk)
			changed.Add(int64(moved))
			return err
		})
		equal(t, changed.Load(), int64(n))
		for _, bet := range allBets(t, s, ports.BetFilter{}) {
			equal(t, bet.Revision, int64(revision+1))
		}
		equal(t, unsettled(t, s), nil)
	}
}

// neverFinishesNewResult sends a result while the one before is being marked as settled.
func neverFinishesNewResult(t *testing.T, s Stores) {
	placeBets(t, s, 1)
	const finishers, finishes = 4, 5
	for range scaled(t, 500) {
		finish(t, s, 1, domain.StateFinishedWin)
		_, err := s.Settlements.SettleChunk(t.Context(), 1, 0, 10, asDomain)
		ok(t, err)
		together(t, finishers+1, func(i int) error {
			if i == 0 {
				finish(t, s, 1, domain.StateFinishedLose)
				return nil
			}
			for range finishes {
				if _, err := s.Settlements.FinishSettling(t.Context(), 1); err != nil {
					return err
				}
			}
			return nil
		})
		equal(t, unsettled(t, s), []domain.EventID{1})
	}
}

// followsNewestResult runs settlers while results arrive. After the last result the settlers stop. Then
// settling the events that the store lists as unsettled leaves no bet behind.
func followsNewestResult(t *testing.T, s Stores) {
	const settlers, results = 4, 8
	placeBets(t, s, 300)
	for round := range scaled(t, 100) {
		ctx, stop := context.WithCancel(t.Context())
		var working sync.WaitGroup
		for range settlers {
			working.Go(func() {
				for ctx.Err() == nil {
					if _, err := settle(ctx, s, 1, 40); err != nil && ctx.Err() == nil {
						t.Errorf("settle: %v", err)
						return
					}
				}
			})
		}
		var event domain.Event
		for i := range results {
			event = finish(t, s, 1, domain.StateFinishedWin+domain.State(i%2))
		}
		stop()
		working.Wait()

		if slices.Contains(unsettled(t, s), 1) {
			_, err := settle(t.Context(), s, 1, 500)
			ok(t, err)
		}
		equal(t, unsettled(t, s), nil)
		for _, bet := range allBets(t, s, ports.BetFilter{}) {
			if bet.Revision != event.SettleRevision || bet.Settlement != event.Settlement(bet) {
				t.Fatalf("round %d: bet %+v does not follow revision %d", round, bet, event.SettleRevision)
			}
		}
	}
}
