package portstest

import (
	"fmt"
	"testing"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// KeepsOldRounding checks that bets keep their payout that were accepted before payouts were rounded down.
// meanwhile closes the stores, takes back the migration that added half_even, executes statements, migrates,
// and opens the stores again. epoch is the instant 0 in the store's dialect.
func KeepsOldRounding(t *testing.T, s Stores, epoch string, meanwhile func(statements ...string) Stores) {
	t.Helper()
	user := addUserWith(t, s, "player", "1.00")
	events := [...]domain.Event{openEvent(1), openEvent(2)}
	for i := range events {
		events[i].Coefficient = odds.MustParse("1.50")
	}
	write(t, s, events[:]...)
	finish(t, s, 1, domain.StateFinishedWin)
	s = meanwhile(
		fmt.Sprintf(`insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at, status, payout, settle_revision, settled_at)
		values (%d, 1, 1, 150, 1, %[2]s, 2, 2, 1, %[2]s), (%[1]d, 1, 1, 150, 1, %[2]s, 1, null, 0, null), (%[1]d, 2, 1, 150, 1, %[2]s, 1, null, 0, null)`, user, epoch),
		`insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, reference, at)
		select user_id, 1, 2, 1, 4, id, 0, 'event ' || event_id || ' v1 @ 1.50', accepted_at from bets order by id`,
		`insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, at)
		select user_id, 2, 1, 1, 5, id, 1, settled_at from bets where status = 2`,
		`insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, at)
		select user_id, 3, 1, 1, 5, id, 1, settled_at from bets where status = 2`,
		fmt.Sprintf(`update wallets set balance = 99, held = 2, staked = 3, staked_day = 0 where user_id = %d`, user),
	)
	isInOrder(t, s)
	p := bet(user, 2)
	p.Stake = money.MustParse("0.01")
	placed, err := placeWithin(t.Context(), s, withLiability("100.00"), p)
	ok(t, err)
	equal(t, placed[0].Bet.PotentialPayout(), p.Stake)
	isInOrder(t, s) // the liability of event 2 has been computed from an old bet and a new one
	wins := func(event domain.EventID, payouts ...string) {
		t.Helper()
		finish(t, s, event, domain.StateFinishedWin)
		_, err := settle(t.Context(), s, event, 10)
		ok(t, err)
		isInOrder(t, s)
		var got []string
		for _, bet := range allBets(t, s, ports.BetFilter{EventID: event}) {
			equal(t, bet.Payout, bet.PotentialPayout())
			got = append(got, bet.Payout.String())
		}
		equal(t, got, payouts)
	}
	wins(2, "0.01", "0.02") // the newest bet first
	wins(1, "0.02", "0.02")
	finish(t, s, 1, domain.StateFinishedLose)
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	wins(1, "0.02", "0.02")
}

// isInOrder checks that the check of the ledger finds nothing.
func isInOrder(t *testing.T, s Stores) {
	t.Helper()
	inspection := domain.NewInspection(domain.Seal{})
	ok(t, s.Ledger.Read(t.Context(), inspection))
	findings := inspection.Report().Findings
	isTrue(t, len(findings) == 0, "the ledger is in order: %v", findings)
}

// payoutOfDividedStake divides a stake of 1.00 into 100 bets at 1.50. Rounded to the nearest cent or half to
// even they would pay 2.00.
func payoutOfDividedStake(t *testing.T, s Stores) {
	user := addUserWith(t, s, "player", "1.00")
	event := openEvent(1)
	event.Coefficient = odds.MustParse("1.50")
	write(t, s, event)
	p := bet(user, 1)
	p.Stake = money.MustParse("0.01")
	for range 100 {
		equal(t, placeBet(t, s, p).PotentialPayout(), p.Stake)
	}
	hasMoney(t, s, user, "0.00", "1.00", "0.00")
	finish(t, s, 1, domain.StateFinishedWin)
	for more := 1; more > 0; {
		var err error
		more, err = settle(t.Context(), s, 1, 30)
		ok(t, err)
	}
	hasMoney(t, s, user, "1.00", "0.00", "0.00")
	for _, bet := range allBets(t, s, ports.BetFilter{}) {
		equal(t, bet.Settlement, domain.Settlement{Status: domain.StatusWon, Payout: p.Stake})
	}
	isInOrder(t, s)
}
