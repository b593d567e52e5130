package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"stavka.local/bench/load"
	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

const (
	followedEvents = 200 // besides those of the load
	followLoad     = 200 // bets per second
	// probePause is the time between two requests for a bet.
	probePause = time.Millisecond
	// followTimeout limits the wait for one event.
	followTimeout = 10 * time.Second
)

// follow measures the time from line-provider's acknowledgement of a result until all
// bet-makers refuse bets on the event, and until its bets are settled.
func (b *bench) follow(ctx context.Context) ([]report.Measure, error) {
	s, err := b.NewSystem(ctx, "follow", settleEvents, rig.Options{})
	if err != nil {
		return nil, err
	}
	if err := s.AddBetMaker(ctx); err != nil {
		return nil, err
	}
	refused := report.Measure{
		Name: "p99 from a result to bets refused everywhere", Unit: "ms", Lower: true, Reach: 50,
		Note: fmt.Sprintf("From the answer of PATCH /event/{id}/status to the later of two answers: the first refusal by each of "+
			"two bet-makers, which receive bets on that event one after the other. A round has %d events, and %d bets/s on others.",
			followedEvents, followLoad),
	}
	settled := report.Measure{
		Name: "p99 from a result to the first bet settled", Unit: "ms", Lower: true, Reach: 250,
		Note: "From the same answer to the first answer of GET /api/bets/{id} in which the event's only earlier bet is not pending; " +
			"requested with pauses of 1 ms.",
	}
	target := bets(s.BetMakers[0].URL, s.Bettors, settleEvents)
	for round := range b.rounds {
		times, err := b.followEvents(ctx, s, target)
		if err != nil {
			return nil, err
		}
		untilRefused, untilSettled := make([]time.Duration, len(times)), make([]time.Duration, len(times))
		for i, t := range times {
			untilRefused[i], untilSettled[i] = t.refused, t.settled
		}
		refused.Ours = append(refused.Ours, quantile(untilRefused, 0.99))
		settled.Ours = append(settled.Ours, quantile(untilSettled, 0.99))
		b.Log.Printf("round %d of %d: p50 %.1f ms and p99 %.1f ms until refused, %.1f ms and %.1f ms until settled", round+1, b.rounds,
			quantile(untilRefused, 0.5), refused.Ours[round], quantile(untilSettled, 0.5), settled.Ours[round])
	}
	return []report.Measure{refused, settled}, nil
}

// followTimes are the times from the answer of line-provider to an observation.
type followTimes struct{ refused, settled time.Duration }

// quantile returns the quantile q of durations, in milliseconds.
func quantile(durations []time.Duration, q float64) float64 {
	slices.Sort(durations)
	return milliseconds(durations[int(q*float64(len(durations)-1))])
}

// followEvents sets results of new events one after the other, under a light load of bets on others.
func (b *bench) followEvents(ctx context.Context, s *rig.System, target load.Target) ([]followTimes, error) {
	ctx, stop := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if result := load.Open(ctx, target, 16, followLoad, longest); result.Err != nil {
			return fmt.Errorf("place bets: %w", result.Err)
		}
		return nil
	})
	times := make([]followTimes, followedEvents)
	var err error
	for i := range times {
		if times[i], err = b.followEvent(ctx, s); err != nil {
			break
		}
	}
	stop()
	if loadErr := group.Wait(); err == nil {
		err = loadErr
	}
	return times, err
}

// followEvent sets the result of a new event that has a bet.
func (b *bench) followEvent(ctx context.Context, s *rig.System) (times followTimes, err error) {
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	event, err := s.OpenEvent(ctx)
	if err != nil {
		return times, err
	}
	var first int64
	for _, p := range s.BetMakers { // ensures that each of them knows the event
		bet, err := p.PlaceBet(ctx, s.Bettors.Tokens[0], event)
		if err != nil {
			return times, fmt.Errorf("a bet on the new event %d: %w", event, err)
		}
		first = cmp.Or(first, bet)
	}
	if err := s.SetState(ctx, event, int(rig.Won)); err != nil {
		return times, err
	}
	acknowledged := time.Now()
	refused := make([]time.Duration, len(s.BetMakers))
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range s.BetMakers {
		group.Go(func() error {
			// A bettor for each bet-maker, so that they do not contend for a wallet.
			err := awaitRefusal(ctx, p, s.Bettors.Tokens[1+i], event)
			refused[i] = time.Since(acknowledged)
			return err
		})
	}
	group.Go(func() error {
		err := awaitBetSettled(ctx, s.BetMakers[0], s.Bettors.Tokens[0], first)
		times.settled = time.Since(acknowledged)
		return err
	})
	err = group.Wait()
	times.refused = slices.Max(refused)
	return times, err
}

// awaitRefusal places bets one after the other until one is refused because the event is closed.
func awaitRefusal(ctx context.Context, p *rig.Process, token string, event int64) error {
	for {
		_, err := p.PlaceBet(ctx, token, event)
		if errors.Is(err, rig.ErrEventClosed) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func awaitBetSettled(ctx context.Context, p *rig.Process, token string, bet int64) error {
	for {
		status, err := p.BetStatus(ctx, token, bet)
		if err != nil || status != "pending" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(probePause):
		}
	}
}
