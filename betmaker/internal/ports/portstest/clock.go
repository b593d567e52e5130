package portstest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
)

// Clock tests ports.Clock, and what follows from it when the clock of the server or machine goes back.
func Clock(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"reads both clocks":                       readsBothClocks,
		"goes forward":                            goesForward,
		"gives each transaction another instant":  givesAnotherInstant,
		"opens no event again":                    opensNoEventAgain,
		"gives no day's limit twice":              givesNoDaysLimitTwice,
		"closes after the bets that were in time": closesAfterTheBets,
	})
}

func readsBothClocks(t *testing.T, s Stores) {
	before := clock(t, s)
	wall, store, err := s.Clock.Clocks(t.Context())
	ok(t, err)
	isTrue(t, !store.At.Before(before) && !store.At.After(clock(t, s)), "the store's clock: %s", store.At)
	isTrue(t, wall.At.Sub(store.At).Abs() < time.Second, "the server's clock is the store's: %s, %s", wall.At, store.At)
	isTrue(t, !wall.After.Before(wall.Before) && !store.After.Before(store.Before), "read in between: %+v, %+v", wall, store)
	s.SetBack(t, time.Hour)
	wall, store, err = s.Clock.Clocks(t.Context())
	ok(t, err)
	ahead := store.At.Sub(wall.At)
	isTrue(t, ahead > 59*time.Minute && ahead < 61*time.Minute, "the server's clock has gone back by an hour: %s", ahead)
}

func goesForward(t *testing.T, s Stores) {
	for range 3 {
		before := clock(t, s)
		s.SetBack(t, time.Hour)
		last := clock(t, s)
		isTrue(t, last.Sub(before) > 59*time.Minute && last.Sub(before) < 61*time.Minute, "stays where it was: %s, from %s", last, before)
		for range 20 {
			next := clock(t, s)
			isTrue(t, next.After(last) && next.Sub(last) < time.Second, "%s follows %s", next, last)
			last = next
		}
	}
}

func givesAnotherInstant(t *testing.T, s Stores) {
	s.SetBack(t, time.Hour)
	var (
		readers  sync.WaitGroup
		mu       sync.Mutex
		instants []time.Time
	)
	for range 8 {
		readers.Go(func() {
			for range 25 {
				now := clock(t, s)
				mu.Lock()
				instants = append(instants, now)
				mu.Unlock()
			}
		})
	}
	readers.Wait()
	slices.SortFunc(instants, time.Time.Compare)
	equal(t, len(slices.CompactFunc(instants, time.Time.Equal)), 8*25)
}

func opensNoEventAgain(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	event := openEvent(1)
	event.Deadline = clock(t, s).Add(30 * time.Minute)
	write(t, s, event)
	placeBet(t, s, bet(user, 1))
	s.SetBack(t, time.Hour)
	for range 2 {
		equal(t, place(t, s, bet(user, 1))[0].Refusal, domain.Refusal{Code: domain.RefusedEventClosed})
	}
	listed, err := s.Events.OpenEvents(t.Context(), 0, 10)
	ok(t, err)
	equal(t, len(listed), 0)
}

func givesNoDaysLimitTwice(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "100.00")
	addOpenEvents(t, s, 1)
	_, err := s.Wallets.Restrict(t.Context(), user, func(now time.Time, wallet domain.Wallet) (domain.Wallet, error) {
		wallet.StakeLimit = wallet.StakeLimit.Set(money.MustParse("15.00"), now)
		return wallet, nil
	})
	ok(t, err)
	s.SetBack(t, 24*time.Hour) // tomorrow, and today again
	first := placeBet(t, s, bet(user, 1))
	s.SetBack(t, 0)
	second := place(t, s, bet(user, 1))[0]
	equal(t, second.Refusal, domain.Refusal{Code: domain.RefusedLimitExceeded, Limit: domain.LimitDaily, LargestStake: money.MustParse("5.00")})
	wallet := readWallet(t, s, user)
	equal(t, wallet.StakedDay, domain.DayOf(first.AcceptedAt))
	equal(t, wallet.Staked, first.Stake)
}

func closesAfterTheBets(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	before := placeBet(t, s, bet(user, 1))
	s.SetBack(t, time.Hour)
	last := placeBet(t, s, bet(user, 1))
	closed := finish(t, s, 1, domain.StateFinishedWin)
	isTrue(t, last.AcceptedAt.After(before.AcceptedAt) && closed.ClosedAt.After(last.AcceptedAt),
		"accepted at %s and %s, closed at %s", before.AcceptedAt, last.AcceptedAt, closed.ClosedAt)
}
