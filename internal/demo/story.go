package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
)

// The events and users of the story.
const (
	derby = "Reds - Blues"
	cup   = "Ajax - PSV"
	rain  = "Lions - Tigers"
	final = "Comets - Rockets"

	anna  = "Anna"
	boris = "Boris"
)

// steps returns the story.
func (p *play) steps() []step {
	first := wish{user: anna, event: derby, amount: "10.00"}
	return []step{
		p.create(derby, "1.45"),
		p.create(cup, "2.10"),
		p.create(rain, "3.00"),
		p.create(final, "1.85"),
		p.register(anna),
		p.register(boris),

		p.place(first),
		p.repeat(first),
		p.place(wish{user: boris, event: derby, amount: "7.77"}),
		p.place(wish{user: anna, event: cup, amount: "20.00", seen: "2.10"}),

		p.reprice(cup, "1.95"),
		p.refuse(wish{user: boris, event: cup, amount: "5.00", seen: "2.10"}, "price_changed"),
		p.place(wish{user: boris, event: cup, amount: "5.00"}),

		p.suspend(rain),
		p.refuse(wish{user: anna, event: rain, amount: "3.00"}, "event_suspended"),
		p.resume(rain),
		p.place(wish{user: anna, event: rain, amount: "3.00"}),
		p.place(wish{user: boris, event: final, amount: "0.03"}),

		p.decide(derby+" is won", derby, lineprovider.NewState{State: lineprovider.EventStateFinishedWin}),
		p.settled(derby, betmaker.BetStatusWon, "14.50", "11.26"),
		p.refuse(wish{user: boris, event: derby, amount: "100.00"}, "event_closed"),
		p.decide(rain+" is cancelled", rain, lineprovider.NewState{State: lineprovider.EventStateCancelled}),
		p.settled(rain, betmaker.BetStatusVoid, "3.00"),
		p.decide(cup+" is lost", cup, lineprovider.NewState{State: lineprovider.EventStateFinishedLose}),
		p.settled(cup, betmaker.BetStatusLost, "0.00", "0.00"),
		p.decide(cup+" is won after all: the video has shown it", cup,
			lineprovider.NewState{State: lineprovider.EventStateFinishedWin, Reason: new("the video has shown it")}),
		p.settled(cup, betmaker.BetStatusWon, "42.00", "9.75"),
	}
}

// settled returns the step that waits until the bets on an event follow its result. payouts are the
// expected payouts in the order of placement.
func (p *play) settled(event string, status betmaker.BetStatus, payouts ...string) step {
	return step{fmt.Sprintf("the bets on %s follow", event), func(ctx context.Context) (string, error) {
		begun, n := time.Now(), 0
		for i := range p.bets {
			placed := &p.bets[i]
			if placed.event != event {
				continue
			}
			if n == len(payouts) {
				return "", fmt.Errorf("there are more bets than the %d that were placed", n)
			}
			want := money.MustParse(payouts[n])
			n++
			if err := eventually(ctx, func(ctx context.Context) error { return p.follow(ctx, placed, status, want) }); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("%d %s, within %s", n, status, time.Since(begun).Round(time.Millisecond)), nil
	}}
}

// follow reads a bet again and returns an error unless it has the status and the payout.
func (p *play) follow(ctx context.Context, placed *placedBet, status betmaker.BetStatus, payout money.Amount) error {
	got, err := placed.user.api.GetBetWithResponse(ctx, placed.bet.ID)
	if err != nil {
		return err
	}
	if got.JSON200 == nil {
		return unexpected(got.StatusCode(), got.Body)
	}
	if placed.bet = *got.JSON200; placed.bet.Status != status || placed.bet.Payout == nil || *placed.bet.Payout != payout {
		return fmt.Errorf("bet %d should be %s and pay %s; it is %s", placed.bet.ID, status, payout, got.Body)
	}
	return nil
}

// writeTable writes the final state of all bets.
func (p *play) writeTable(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := []string{"", "bet\tuser\tevent\tstake\tprice\tstatus\tpayout"}
	for _, placed := range p.bets {
		payout := "-"
		if placed.bet.Payout != nil {
			payout = placed.bet.Payout.String()
		}
		rows = append(rows, fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s\t%s",
			placed.bet.ID, placed.user.name, placed.event, placed.bet.Amount, placed.bet.Coefficient, placed.bet.Status, payout))
	}
	_, err := io.WriteString(table, strings.Join(rows, "\n")+"\n")
	return errors.Join(err, table.Flush())
}
