package portstest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Limits is the suite of the limits of stakes.
func Limits(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"fills the liability of an event, but not more": fillsLiability,
		"follows the liability of bets":                 followsLiability,
		"computes a liability that is not stored":       computesLiability,
		"holds while liabilities are forgotten":         holdsThoughForgotten,
		"keeps restrictions, and nothing else":          keepsRestrictions,
		"restricts at once":                             restrictsAtOnce,
	})
}

// kept returns the stored liability of event 1, and whether there is one.
func kept(t *testing.T, s Stores) (amount money.Amount, is bool) {
	t.Helper()
	r := &liabilityReader{}
	ok(t, s.Ledger.Read(t.Context(), r))
	if r.liability == nil {
		return money.Amount{}, false
	}
	return *r.liability, true
}

type liabilityReader struct{ liability *money.Amount }

func (r *liabilityReader) Seal(domain.Seal) error                    { return nil }
func (r *liabilityReader) Transfer(domain.Transfer) error            { return nil }
func (r *liabilityReader) Wallet(domain.UserID, domain.Wallet) error { return nil }
func (r *liabilityReader) Bet(domain.Bet, []domain.Transfer) error   { return nil }
func (r *liabilityReader) Event(e domain.Event, _ int64, l *money.Amount) error {
	if e.ID == 1 {
		r.liability = l
	}
	return nil
}

func withLiability(amount string) domain.Limits {
	limited := limits
	limited.Liability = money.MustParse(amount)
	return limited
}

// fillsLiability places 100 bets at once where about 33 have room: each adds 4.50.
func fillsLiability(t *testing.T, s Stores) {
	const bets = 100
	users := addUsers(t, s, 10)
	addOpenEvents(t, s, 1)
	limited := withLiability("150.00")
	var (
		mu       sync.Mutex
		accepted int
	)
	together(t, bets, func(i int) error {
		placement := bet(users[i%len(users)], 1)
		decisions, err := placeWithin(t.Context(), s, limited, placement)
		if err != nil {
			return err
		}
		refusal := decisions[0].Refusal
		mu.Lock()
		defer mu.Unlock()
		switch {
		case decisions[0].Accepted():
			accepted++
		case refusal.Code != domain.RefusedLimitExceeded || refusal.Limit != domain.LimitLiability || !refusal.LargestStake.Less(placement.Stake):
			return fmt.Errorf("decided %+v", decisions[0])
		}
		return nil
	})
	equal(t, accepted, 33) // 148.50
	// The room that is left takes exactly the stake that the refusal names.
	refused, err := placeWithin(t.Context(), s, limited, bet(users[0], 1))
	ok(t, err)
	last := bet(users[0], 1)
	last.Stake = refused[0].Refusal.LargestStake.Plus(money.FromMinor(1))
	over, err := placeWithin(t.Context(), s, limited, last)
	ok(t, err)
	isTrue(t, !over[0].Accepted(), "one more is too much: %+v", over[0])
	last.Stake = refused[0].Refusal.LargestStake
	filled, err := placeWithin(t.Context(), s, limited, last)
	ok(t, err)
	isTrue(t, filled[0].Accepted(), "the named stake passes: %+v", filled[0])
	amount, is := kept(t, s)
	isTrue(t, is && amount == limited.Liability, "filled: %s", amount)
}

func followsLiability(t *testing.T, s Stores) {
	users := addUsers(t, s, 2)
	addOpenEvents(t, s, 1)
	isKept := func(want string) {
		t.Helper()
		amount, is := kept(t, s)
		isTrue(t, is, "a liability is stored")
		equal(t, amount, money.MustParse(want))
	}
	decisions, err := placeWithin(t.Context(), s, withLiability("100.00"), bet(users[0], 1), bet(users[1], 1), bet(users[1], 1))
	ok(t, err)
	isKept("13.50")
	_, err = s.Settlements.CancelBet(t.Context(), decisions[0].Bet.ID, func(set *domain.Settling) (*ports.Cancellation, error) {
		settled, _, err := set.Cancel(time.Hour)
		return &ports.Cancellation{Settled: settled}, err
	})
	ok(t, err)
	isKept("9.00")
	voided := decisions[1].Bet.AcceptedAt
	window := domain.VoidWindow{From: voided, To: voided.Add(time.Microsecond), Reason: "a wrong price"}
	for clock(t, s).Before(window.To) {
	}
	update(t, s, 1, func(event domain.Event, now time.Time) domain.Event {
		event, _, _, err = event.Void(window, now)
		ok(t, err)
		return event
	})
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	isKept("0.00")
	update(t, s, 1, func(event domain.Event, now time.Time) domain.Event {
		event, _, err = event.UndoVoid(1, "it was right", 1, now)
		ok(t, err)
		return event
	})
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	isKept("9.00")
	finish(t, s, 1, domain.StateFinishedWin)
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	isKept("0.00")
	isSound(t, s)
}

func computesLiability(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	odd := bet(user, 1)
	odd.Stake = money.MustParse("0.10") // returns 0.145, which is rounded to 0.14
	place(t, s, bet(user, 1), odd)
	_, is := kept(t, s)
	isTrue(t, !is, "no batch has included it")
	refused, err := placeWithin(t.Context(), s, withLiability("5.00"), bet(user, 1))
	ok(t, err)
	equal(t, refused[0].Refusal, domain.Refusal{Code: domain.RefusedLimitExceeded, Limit: domain.LimitLiability, LargestStake: money.MustParse("1.04")})
	decisions, err := placeWithin(t.Context(), s, withLiability("10.00"), bet(user, 1))
	ok(t, err)
	isTrue(t, decisions[0].Accepted(), "there is room: %+v", decisions[0])
	amount, _ := kept(t, s)
	equal(t, amount, money.MustParse("9.04"))
	ok(t, s.Placements.ForgetLiabilities(t.Context()))
	place(t, s, bet(user, 1))
	_, err = placeWithin(t.Context(), s, withLiability("20.00"), bet(user, 1))
	ok(t, err)
	amount, _ = kept(t, s)
	equal(t, amount, money.MustParse("18.04"))
}

// holdsThoughForgotten places bets up to the limit of an event while its stored liability is deleted again
// and again, and bets are cancelled.
func holdsThoughForgotten(t *testing.T, s Stores) {
	const placers, bets = 4, 15
	users := addUsers(t, s, placers)
	addOpenEvents(t, s, 1)
	limited := withLiability("100.00") // 22 bets of 4.50
	done := make(chan struct{})
	var forgetting sync.WaitGroup
	forgetting.Go(func() {
		for {
			if err := s.Placements.ForgetLiabilities(t.Context()); err != nil {
				t.Errorf("forget: %v", err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	together(t, placers, func(i int) error {
		for n := range bets {
			decisions, err := placeWithin(t.Context(), s, limited, bet(users[i], 1))
			if err != nil {
				return err
			}
			if n%5 == 0 && decisions[0].Accepted() {
				if _, err := cancel(t.Context(), s, decisions[0].Bet.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
	close(done)
	forgetting.Wait()
	pending := allBets(t, s, ports.BetFilter{Status: domain.StatusPending})
	equal(t, len(pending), 22)
	_, err := placeWithin(t.Context(), s, limited, bet(users[0], 1))
	ok(t, err)
	amount, _ := kept(t, s)
	equal(t, amount, money.MustParse("99.00"))
}

func keepsRestrictions(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "100.00")
	addOpenEvents(t, s, 1)
	placeBet(t, s, bet(user, 1))
	before, start := readWallet(t, s, user), clock(t, s)
	restricted := before
	restricted.StakeLimit = domain.StakeLimit{Amount: ten, Next: plenty, NextAt: distant}
	restricted.ExcludedUntil = distant
	var at time.Time
	returned, err := s.Wallets.Restrict(t.Context(), user, func(now time.Time, wallet domain.Wallet) (domain.Wallet, error) {
		at = now
		equal(t, wallet, before)
		changed := restricted
		changed.Balance, changed.Held, changed.Staked, changed.Open = plenty, plenty, plenty, false
		return changed, nil
	})
	ok(t, err)
	equal(t, readWallet(t, s, user), restricted)
	equal(t, returned.StakeLimit, restricted.StakeLimit)
	isTrue(t, !at.Before(start) && !at.After(clock(t, s)), "now is the store's: %s", at)

	refusal := fmt.Errorf("no")
	_, err = s.Wallets.Restrict(t.Context(), user, func(_ time.Time, wallet domain.Wallet) (domain.Wallet, error) {
		wallet.StakeLimit = domain.StakeLimit{}
		return wallet, refusal
	})
	isError(t, err, refusal)
	equal(t, readWallet(t, s, user), restricted)
	_, err = s.Wallets.Restrict(t.Context(), 1<<40, func(_ time.Time, wallet domain.Wallet) (domain.Wallet, error) { return wallet, nil })
	isError(t, err, ports.ErrNotFound)
	// Bets, payments and settlement do not change them.
	pay(t, s, deposit(user, "1.00", "key"))
	finish(t, s, 1, domain.StateFinishedWin)
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	wallet := readWallet(t, s, user)
	equal(t, wallet.StakeLimit, restricted.StakeLimit)
	equal(t, wallet.ExcludedUntil, restricted.ExcludedUntil)
	hasMoney(t, s, user, "105.50", "0.00", "0.00") // an excluded user is still paid
}

func restrictsAtOnce(t *testing.T, s Stores) {
	user := addUserWith(t, s, "bella", "100.00")
	addOpenEvents(t, s, 1)
	restrict := func(change func(now time.Time, wallet domain.Wallet) domain.Wallet) {
		t.Helper()
		_, err := s.Wallets.Restrict(t.Context(), user, func(now time.Time, wallet domain.Wallet) (domain.Wallet, error) {
			return change(now, wallet), nil
		})
		ok(t, err)
	}
	restrict(func(now time.Time, wallet domain.Wallet) domain.Wallet {
		wallet.StakeLimit = wallet.StakeLimit.Set(money.MustParse("15.00"), now)
		return wallet
	})
	decisions := place(t, s, bet(user, 1), bet(user, 1))
	isTrue(t, decisions[0].Accepted(), "the first is within the limit: %+v", decisions[0])
	if domain.DayOf(clock(t, s)) == domain.DayOf(decisions[0].Bet.AcceptedAt) {
		equal(t, decisions[1].Refusal, domain.Refusal{Code: domain.RefusedLimitExceeded, Limit: domain.LimitDaily, LargestStake: money.MustParse("5.00")})
	}
	var until time.Time
	restrict(func(now time.Time, wallet domain.Wallet) domain.Wallet {
		until = now.Add(48 * time.Hour)
		wallet.ExcludedUntil = until
		return wallet
	})
	equal(t, place(t, s, bet(user, 1))[0].Refusal, domain.Refusal{Code: domain.RefusedSelfExcluded, ExcludedUntil: until.UTC()})
}
