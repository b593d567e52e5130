package portstest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// Placements is the suite of ports.Placements.
func Placements(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"keeps an accepted bet":                          keepsAcceptedBet,
		"passes the complete working set":                givesWorkingSet,
		"replays an accepted bet as it was accepted":     replaysAcceptedBet,
		"replays a refusal with its parameters":          replaysRefusal,
		"stores every field of a refusal":                keepsRefusal,
		"decides anew when a refusal has expired":        refusalExpires,
		"forgets expired refusals only":                  forgetsExpiredRefusals,
		"keeps nothing of a decision without verdict":    keepsNothingWithoutVerdict,
		"keeps no refusal without a key":                 keepsNoRefusalWithoutKey,
		"reports a reused key":                           tellsReusedKey,
		"keeps keys apart by user":                       keepsKeysApartByUser,
		"recognizes keys of any characters":              knowsKeysAgain,
		"the first of equal keys in a batch decides":     firstOfEqualKeysDecides,
		"does nothing for an empty batch":                emptyBatch,
		"places one bet for 200 identical requests":      oneBetForIdenticalRequests,
		"writes nothing of a batch that fails":           writesNothingOfFailedBatch,
		"writes nothing and holds nothing after a panic": placePanics,
		"writes nothing when a decision is missing":      decisionIsMissing,
		"keeps every batch, also with common users":      landsEveryBatch,
		"takes no bet of a user once deactivated":        takesNoBetOfDeactivated,
		"finds a verdict by its key":                     findsVerdict,
		"reads its clock after it has waited":            readsClockAfterWaiting,
	})
}

func keepsAcceptedBet(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	before := clock(t, s)
	placement := bet(user, 1)
	placement.Stake = money.MustParse("123456.78")

	accepted := placeBet(t, s, placement)

	isTrue(t, !accepted.AcceptedAt.Before(before) && !accepted.AcceptedAt.After(clock(t, s)), "accepted by the store's clock: %s", accepted.AcceptedAt)
	equal(t, accepted, domain.Bet{
		ID:           accepted.ID,
		UserID:       user,
		EventID:      1,
		Stake:        money.MustParse("123456.78"),
		Coefficient:  odds.MustParse("1.45"),
		EventVersion: 1,
		AcceptedAt:   accepted.AcceptedAt.UTC().Truncate(time.Microsecond),
		Standing:     domain.Standing{Settlement: domain.Settlement{Status: domain.StatusPending}},
	})
	equal(t, readBet(t, s, accepted.ID), accepted)
}

func givesWorkingSet(t *testing.T, s Stores) {
	users := addUsers(t, s, 2)
	deactivate(t, s, users[1])
	event := openEvent(7)
	event.Quarantined, event.Suspended, event.SettleRevision, event.ResultedAt, event.VoidBefore = true, true, 3, past, past
	write(t, s, event)
	const nobody, nowhere = domain.UserID(1 << 40), domain.EventID(1 << 40)
	stored := withKey(bet(users[0], nowhere), "stored")
	stored.EventLookedUp = true
	refusal := place(t, s, stored)[0].Verdict
	before := clock(t, s)

	var set domain.WorkingSet
	batch := []domain.Placement{bet(users[1], 7), bet(nobody, nowhere), withKey(bet(users[0], 7), "unknown"), stored}
	_, err := s.Placements.Place(t.Context(), ports.Batch{Placements: batch}, func(given *domain.WorkingSet) []domain.Decision {
		set = *given
		return nil
	})
	isTrue(t, err != nil, "there are no decisions")

	equal(t, set.Wallets, map[domain.UserID]domain.Wallet{users[0]: {Open: true, Balance: plenty}, users[1]: {Balance: plenty}})
	equal(t, set.Events, map[domain.EventID]domain.Event{7: event})
	equal(t, set.Verdicts, map[domain.VerdictKey]domain.Verdict{{UserID: users[0], Key: "stored"}: refusal})
	isTrue(t, !set.Now.Before(before) && !set.Now.After(clock(t, s)), "the set's clock is the store's: %s", set.Now)
	different := map[domain.BetID]bool{}
	for _, id := range set.BetIDs {
		different[id] = id > 0
	}
	isTrue(t, len(different) >= len(batch), "%d placements have different ids: %v", len(batch), set.BetIDs)
}

func replaysAcceptedBet(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	accepted := place(t, s, withKey(bet(user, 1), "key"))[0]
	finish(t, s, 1, domain.StateFinishedWin)
	_, err := settle(t.Context(), s, 1, 10)
	ok(t, err)
	equal(t, readBet(t, s, accepted.Bet.ID).Status, domain.StatusWon)

	again := withKey(bet(user, 1), "key")
	again.RequestID = "second"
	replayed := place(t, s, again)[0]

	equal(t, replayed, domain.Decision{Verdict: accepted.Verdict, Replayed: true})
	equal(t, replayed.RequestID, "first")
	equal(t, len(allBets(t, s, ports.BetFilter{})), 1)
}

func replaysRefusal(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	price := withKey(bet(user, 1), "price")
	price.Policy, price.Seen = domain.OddsChangeNone, odds.MustParse("1.40")
	stake := withKey(bet(user, 1), "stake")
	stake.Stake = money.MustParse("1000000.01")
	refused := place(t, s, price, stake)
	equal(t, refused[0].Refusal, domain.Refusal{
		Code: domain.RefusedPriceChanged, CurrentCoefficient: odds.MustParse("1.45"), EventVersion: 1,
	})
	equal(t, refused[1].Refusal, domain.Refusal{Code: domain.RefusedStakeOutOfLimits, Min: limits.Stake.Min, Max: limits.Stake.Max})

	// The cause of the refusal is gone; the refusal stays.
	update(t, s, 1, func(event domain.Event, _ time.Time) domain.Event {
		event.Coefficient = odds.MustParse("1.40")
		return event
	})
	price.RequestID, stake.RequestID = "second", "second"
	replayed := place(t, s, price, stake)

	equal(t, replayed, []domain.Decision{
		{Verdict: refused[0].Verdict, Replayed: true},
		{Verdict: refused[1].Verdict, Replayed: true},
	})
	equal(t, replayed[0].RequestID, "first")
}

func keepsRefusal(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	refused := domain.Verdict{
		Fingerprint: [32]byte{0: 1, 31: 2},
		Refusal: domain.Refusal{
			Code: domain.RefusedPriceChanged, CurrentCoefficient: odds.MustParse("99999.99"), EventVersion: 1 << 40, Min: ten, Max: plenty,
			LargestStake: ten, Limit: domain.LimitDaily, ExcludedUntil: distant, Debt: ten,
		},
		RequestID: "request",
	}
	everyFieldSet(t, refused.Refusal)
	batch := []domain.Placement{withKey(bet(user, 1), "key")}
	_, err := s.Placements.Place(t.Context(), ports.Batch{Placements: batch}, func(*domain.WorkingSet) []domain.Decision {
		return []domain.Decision{{Verdict: refused}}
	})
	ok(t, err)
	stored, err := s.Placements.Verdict(t.Context(), domain.VerdictKey{UserID: user, Key: "key"})
	ok(t, err)
	equal(t, stored, refused)
}

func refusalExpires(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	event := openEvent(1)
	event.Suspended = true
	write(t, s, event)
	refused := place(t, s, withKey(bet(user, 1), "key"))[0]
	equal(t, refused.Refusal.Code, domain.RefusedEventSuspended)
	write(t, s, openEvent(1))

	s.AgeRefusals(t, domain.RefusalTTL-time.Minute)
	equal(t, place(t, s, withKey(bet(user, 1), "key"))[0], domain.Decision{Verdict: refused.Verdict, Replayed: true})

	s.AgeRefusals(t, time.Minute)
	_, err := s.Placements.Verdict(t.Context(), domain.VerdictKey{UserID: user, Key: "key"})
	isError(t, err, ports.ErrNotFound)
	decided := place(t, s, withKey(bet(user, 1), "key"))[0]
	isTrue(t, decided.Accepted() && !decided.Replayed, "decided anew: %+v", decided)
	replayed := place(t, s, withKey(bet(user, 1), "key"))[0]
	equal(t, replayed, domain.Decision{Verdict: decided.Verdict, Replayed: true})
}

func forgetsExpiredRefusals(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	unknown := bet(user, 1<<40)
	unknown.EventLookedUp = true
	place(t, s, withKey(bet(user, 1), "accepted"), withKey(unknown, "old"), withKey(unknown, "old too"))
	s.AgeRefusals(t, domain.RefusalTTL)
	place(t, s, withKey(unknown, "young"))

	forgotten, err := s.Placements.ForgetRefusals(t.Context())
	ok(t, err)
	equal(t, forgotten, 2)
	forgotten, err = s.Placements.ForgetRefusals(t.Context())
	ok(t, err)
	equal(t, forgotten, 0)
	for _, key := range []string{"accepted", "young"} {
		_, err = s.Placements.Verdict(t.Context(), domain.VerdictKey{UserID: user, Key: key})
		ok(t, err)
	}
}

func keepsNothingWithoutVerdict(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	isError(t, place(t, s, withKey(bet(user, 1), "key"))[0].Err, domain.ErrEventUnknown)
	addOpenEvents(t, s, 1)
	decision := place(t, s, withKey(bet(user, 1), "key"))[0]
	isTrue(t, decision.Accepted() && !decision.Replayed, "the key is still unused: %+v", decision)
}

func keepsNoRefusalWithoutKey(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	unknown := bet(user, 1)
	unknown.EventLookedUp = true
	equal(t, place(t, s, unknown)[0].Refusal.Code, domain.RefusedEventNotFound)
	addOpenEvents(t, s, 1)
	placeBet(t, s, unknown)
	s.AgeRefusals(t, 2*domain.RefusalTTL)
	forgotten, err := s.Placements.ForgetRefusals(t.Context())
	ok(t, err)
	equal(t, forgotten, 0)
}

func tellsReusedKey(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 2)
	place(t, s, withKey(bet(user, 1), "key"))
	equal(t, place(t, s, withKey(bet(user, 2), "key"))[0], domain.Decision{Err: domain.ErrKeyReused})
	equal(t, len(allBets(t, s, ports.BetFilter{})), 1)
}

func keepsKeysApartByUser(t *testing.T, s Stores) {
	users := addUsers(t, s, 2)
	addOpenEvents(t, s, 1)
	decisions := place(t, s, withKey(bet(users[0], 1), "key"), withKey(bet(users[1], 1), "key"))
	isTrue(t, decisions[0].Accepted() && decisions[1].Accepted() && decisions[0].Bet.ID != decisions[1].Bet.ID, "two bets: %+v", decisions)
	replayed := place(t, s, withKey(bet(users[1], 1), "key"))[0]
	equal(t, replayed, domain.Decision{Verdict: decisions[1].Verdict, Replayed: true})
}

func knowsKeysAgain(t *testing.T, s Stores) {
	users := addUsers(t, s, 2)
	addOpenEvents(t, s, 1)
	var batch []domain.Placement
	for _, key := range []string{`"`, `\`, `\\`, `\"`, `\u0041`, "A", "a", `A","B`, `}`, `':`, "<&>", "%_", "0", "00", "0x0", "1e0", "null", " ", "  ", "'"} {
		for _, user := range users {
			batch = append(batch, withKey(bet(user, 1), key))
		}
	}
	placed := place(t, s, batch...)
	different := map[domain.BetID]bool{}
	for _, decision := range placed {
		different[decision.Bet.ID] = true
	}
	equal(t, len(different), len(batch))

	for i, decision := range place(t, s, batch...) {
		equal(t, decision.Bet.ID, placed[i].Bet.ID)
	}
}

func firstOfEqualKeysDecides(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 2)
	placement := withKey(bet(user, 1), "key")
	decisions := place(t, s, placement, placement, withKey(bet(user, 2), "key"))
	isTrue(t, decisions[0].Accepted(), "the first is accepted: %+v", decisions[0])
	equal(t, decisions[1], domain.Decision{Verdict: decisions[0].Verdict, Replayed: true})
	equal(t, decisions[2], domain.Decision{Err: domain.ErrKeyReused})
	equal(t, allBets(t, s, ports.BetFilter{}), []domain.Bet{decisions[0].Bet})
}

func emptyBatch(t *testing.T, s Stores) {
	decisions, err := tryPlace(t.Context(), s)
	ok(t, err)
	equal(t, len(decisions), 0)
}

func oneBetForIdenticalRequests(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	placement := withKey(bet(user, 1), "key")
	const requests = 200
	var (
		decisions [requests]domain.Decision
		firsts    atomic.Int32
	)
	together(t, requests, func(i int) error {
		answers, err := tryPlace(t.Context(), s, placement)
		if err != nil {
			return err
		}
		if decisions[i] = answers[0]; !answers[0].Replayed {
			firsts.Add(1)
		}
		return nil
	})
	equal(t, firsts.Load(), 1)
	bets := allBets(t, s, ports.BetFilter{})
	equal(t, len(bets), 1)
	for _, decision := range decisions {
		equal(t, decision.Verdict, decisions[0].Verdict)
		equal(t, decision.Bet, bets[0])
	}
}

func writesNothingOfFailedBatch(t *testing.T, s Stores) {
	users := addUsers(t, s, 2)
	addOpenEvents(t, s, 1)
	batch := []domain.Placement{withKey(bet(users[0], 1), "key"), bet(users[1], 1)}
	decisions, err := s.Placements.Place(t.Context(), ports.Batch{Placements: batch}, func(set *domain.WorkingSet) []domain.Decision {
		decisions := set.Decide(limits, batch)
		decisions[1].Bet.Stake = money.Amount{} // no store accepts a stake of zero
		return decisions
	})
	isTrue(t, err != nil && !errors.Is(err, ports.ErrOutcomeUnknown), "certainly nothing was written: %v", err)
	equal(t, len(decisions), 0)
	equal(t, len(allBets(t, s, ports.BetFilter{})), 0)
	_, err = s.Placements.Verdict(t.Context(), domain.VerdictKey{UserID: users[0], Key: "key"})
	isError(t, err, ports.ErrNotFound)
	isTrue(t, !place(t, s, batch[0])[0].Replayed, "the key is still unused")
}

func placePanics(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	isTrue(t, panics(func() {
		decisions, err := s.Placements.Place(t.Context(), ports.Batch{Placements: []domain.Placement{bet(user, 1)}}, func(*domain.WorkingSet) []domain.Decision {
			panic("a defect in a rule")
		})
		t.Errorf("the panic was swallowed: %v, %v", decisions, err)
	}), "the panic goes on")
	equal(t, len(allBets(t, s, ports.BetFilter{})), 0)
	// Neither the user nor the event is still locked.
	placeBet(t, s, bet(user, 1))
	finish(t, s, 1, domain.StateFinishedWin)
}

func decisionIsMissing(t *testing.T, s Stores) {
	users := addUsers(t, s, 2)
	addOpenEvents(t, s, 1)
	batch := []domain.Placement{bet(users[0], 1), bet(users[1], 1)}
	_, err := s.Placements.Place(t.Context(), ports.Batch{Placements: batch}, func(set *domain.WorkingSet) []domain.Decision {
		return set.Decide(limits, batch)[:1]
	})
	isTrue(t, err != nil, "it is unclear which placement was decided")
	equal(t, len(allBets(t, s, ports.BetFilter{})), 0)
}

func landsEveryBatch(t *testing.T, s Stores) {
	const placers, batches, size, eventCount = 8, 10, 20, 10
	users := addUsers(t, s, 10)
	addOpenEvents(t, s, eventCount)
	together(t, placers, func(int) error {
		for range batches {
			batch := make([]domain.Placement, size)
			for i := range batch {
				user, event := users[rand.IntN(len(users))], domain.EventID(1+rand.IntN(eventCount))
				batch[i] = withKey(bet(user, event), fmt.Sprint(rand.Uint64()))
			}
			decisions, err := tryPlace(t.Context(), s, batch...)
			if err != nil {
				return err
			}
			for i, decision := range decisions {
				if !decision.Accepted() || decision.Bet.UserID != batch[i].UserID || decision.Bet.EventID != batch[i].EventID {
					return fmt.Errorf("placement %+v got the decision %+v", batch[i], decision)
				}
			}
		}
		return nil
	})
	equal(t, len(allBets(t, s, ports.BetFilter{})), placers*batches*size)
}

func takesNoBetOfDeactivated(t *testing.T, s Stores) {
	users := addUsers(t, s, scaled(t, 200))
	addOpenEvents(t, s, 1)
	for _, user := range users {
		const placers = 8
		var deactivated atomic.Bool
		first := make(chan struct{}, placers)
		together(t, placers+1, func(i int) error {
			if i == placers {
				<-first // bets of this user are being placed
				deactivate(t, s, user)
				deactivated.Store(true)
				return nil
			}
			for {
				late := deactivated.Load()
				decisions, err := tryPlace(t.Context(), s, bet(user, 1))
				switch {
				case err != nil:
					return err
				case errors.Is(decisions[0].Err, domain.ErrUserInactive):
					return nil
				case late:
					return fmt.Errorf("a bet after the deactivation: %+v", decisions[0])
				}
				select {
				case first <- struct{}{}:
				default:
				}
			}
		})
	}
}

func deactivate(t *testing.T, s Stores, user domain.UserID) {
	t.Helper()
	updated, err := updateUser(t.Context(), s, user, func(user ports.Credentials, _ int) (ports.Credentials, error) {
		user.Active = false
		return user, nil
	})
	if err != nil || updated.Active {
		t.Errorf("deactivate user %d: %+v, %v", user, updated, err)
	}
}

func findsVerdict(t *testing.T, s Stores) {
	users := addUsers(t, s, 2)
	addOpenEvents(t, s, 1)
	unknown := bet(users[0], 1<<40)
	unknown.EventLookedUp = true
	decisions := place(t, s, withKey(bet(users[0], 1), "accepted"), withKey(unknown, "refused"))
	finish(t, s, 1, domain.StateCancelled)
	_, err := settle(t.Context(), s, 1, 10)
	ok(t, err)
	for i, key := range []string{"accepted", "refused"} {
		verdict, err := s.Placements.Verdict(t.Context(), domain.VerdictKey{UserID: users[0], Key: key})
		ok(t, err)
		equal(t, verdict, decisions[i].Verdict)
	}
	for _, key := range []domain.VerdictKey{{UserID: users[0], Key: "other"}, {UserID: users[1], Key: "accepted"}} {
		_, err := s.Placements.Verdict(t.Context(), key)
		isError(t, err, ports.ErrNotFound)
	}
}

// readsClockAfterWaiting lets a bet wait for its user's lock until the event's deadline has passed.
func readsClockAfterWaiting(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 2)
	event := openEvent(1)
	const open = 200 * time.Millisecond
	event.Deadline = clock(t, s).Add(open)
	write(t, s, event)

	decided := make(chan domain.Decision, 1)
	_, err := updateUser(t.Context(), s, user, func(user ports.Credentials, _ int) (ports.Credentials, error) {
		passed := time.After(open + 50*time.Millisecond)
		go func() {
			decisions, err := tryPlace(t.Context(), s, bet(user.ID, 1))
			if err != nil {
				decisions = []domain.Decision{{Err: err}}
			}
			decided <- decisions[0]
		}()
		<-passed
		return user, nil
	})
	ok(t, err)
	equal(t, (<-decided).Refusal, domain.Refusal{Code: domain.RefusedEventClosed})
}
