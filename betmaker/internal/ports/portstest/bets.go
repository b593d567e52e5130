package portstest

import (
	"testing"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Bets is the suite of ports.Bets.
func Bets(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"does not find an unknown bet":     betNotFound,
		"lists the newest first, filtered": listsBets,
		"lists in pages":                   pagesBets,
	})
}

func betNotFound(t *testing.T, s Stores) {
	_, err := s.Bets.Bet(t.Context(), 1)
	isError(t, err, ports.ErrNotFound)
}

func listsBets(t *testing.T, s Stores) {
	users := addUsers(t, s, 2)
	addOpenEvents(t, s, 2)
	for _, user := range users {
		for event := domain.EventID(1); event <= 2; event++ {
			placeBet(t, s, bet(user, event))
		}
	}
	finish(t, s, 2, domain.StateFinishedWin)
	_, err := settle(t.Context(), s, 2, 10)
	ok(t, err)

	everything := allBets(t, s, ports.BetFilter{})
	equal(t, len(everything), 4)
	for i := 1; i < len(everything); i++ {
		isTrue(t, everything[i-1].ID > everything[i].ID, "newest first")
	}
	for _, filter := range []ports.BetFilter{
		{UserID: users[0]},
		{EventID: 1},
		{Status: domain.StatusPending},
		{Status: domain.StatusWon},
		{Status: domain.StatusLost},
		{UserID: users[1], EventID: 2},
		{UserID: users[1], Status: domain.StatusWon},
		{EventID: 2, Status: domain.StatusWon},
		{EventID: 1, Status: domain.StatusWon},
		{UserID: users[0], EventID: 1, Status: domain.StatusPending},
		{UserID: users[0], Before: everything[2].ID},
		{UserID: users[0], Before: everything[1].ID}, // of another user
		{UserID: users[0], Before: 1 << 40},
		{EventID: 1, Before: everything[1].ID},
		{Status: domain.StatusWon, Before: everything[0].ID},
		{UserID: 1 << 40},
	} {
		var want []domain.Bet
		for _, bet := range everything {
			if (filter.UserID == 0 || bet.UserID == filter.UserID) && (filter.EventID == 0 || bet.EventID == filter.EventID) &&
				(filter.Status == 0 || bet.Status == filter.Status) && (filter.Before == 0 || bet.ID < filter.Before) {
				want = append(want, bet)
			}
		}
		got := allBets(t, s, filter)
		if len(got) != 0 || len(want) != 0 {
			equal(t, got, want)
		}
	}
}

func pagesBets(t *testing.T, s Stores) {
	user := addUsers(t, s, 1)[0]
	addOpenEvents(t, s, 1)
	for range 5 {
		placeBet(t, s, bet(user, 1))
	}
	everything := allBets(t, s, ports.BetFilter{})
	for _, filter := range []ports.BetFilter{{}, {UserID: user}, {EventID: 1}} {
		var read []domain.Bet
		for len(read) < len(everything) {
			page, err := s.Bets.List(t.Context(), filter, 2)
			ok(t, err)
			isTrue(t, len(page) > 0 && len(page) <= 2, "a page of one or two: %v", page)
			read = append(read, page...)
			filter.Before = page[len(page)-1].ID
		}
		equal(t, read, everything)
		page, err := s.Bets.List(t.Context(), filter, 2)
		ok(t, err)
		equal(t, len(page), 0)
	}
}
