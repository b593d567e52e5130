package main

import (
	"context"
	"math/rand/v2"

	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

const settleEvents = 100

// settle measures how fast one event with many bets is settled.
func (b *bench) settle(ctx context.Context) ([]report.Measure, error) {
	s, err := b.NewSystem(ctx, "settle", settleEvents, rig.Options{})
	if err != nil {
		return nil, err
	}
	baseline, err := s.Copy(ctx, "settle_baseline")
	if err != nil {
		return nil, err
	}
	won := report.Measure{
		Name: "settling winners of one event", Against: "one bare UPDATE of the same number of rows", Unit: "/s", Reach: 0.5,
		Note: "With transfers, wallets and revisions, from the commit of the result to the commit of the mark that all bets are settled; " +
			"the ledger is sealed meanwhile.",
	}
	lost := won
	lost.Name, lost.Reach = "settling losers of one event", 0.8
	for round := range b.rounds {
		for _, turn := range []struct {
			measure *report.Measure
			status  rig.SeededStatus
		}{{&won, rig.Won}, {&lost, rig.Lost}} {
			ours, err := b.settleEvent(ctx, s, turn.status)
			if err != nil {
				return nil, err
			}
			theirs, err := b.updateBare(ctx, s, baseline, turn.status)
			if err != nil {
				return nil, err
			}
			turn.measure.Ours, turn.measure.Theirs = append(turn.measure.Ours, ours), append(turn.measure.Theirs, theirs)
			b.Log.Printf("round %d of %d: status %d: %.0f/s, bare %.0f/s, ratio %.2f",
				round+1, b.rounds, turn.status, ours, theirs, ours/theirs)
		}
	}
	return []report.Measure{won, lost}, nil
}

// settleEvent returns how many bets of a new event are settled per second.
func (b *bench) settleEvent(ctx context.Context, s *rig.System, status rig.SeededStatus) (float64, error) {
	b.Log.Printf("seeding %d bets", b.bets)
	event, err := s.SeedEvent(ctx, b.bets)
	if err != nil {
		return 0, err
	}
	if err := s.SetState(ctx, event, int(status)); err != nil {
		return 0, err
	}
	took, err := s.AwaitSettled(ctx, event)
	if err != nil {
		return 0, err
	}
	return float64(b.bets) / took.Seconds(), s.CheckSettled(ctx, event, b.bets, status)
}

// updateBare returns how many rows per second a bare UPDATE changes, on another, equally large
// event.
func (b *bench) updateBare(ctx context.Context, s *rig.System, baseline string, status rig.SeededStatus) (float64, error) {
	event := 1<<40 + rand.Int64N(1<<40)
	if err := rig.SeedBets(ctx, baseline, s.Bettors, event, b.bets); err != nil {
		return 0, err
	}
	if err := rig.Settle(ctx, baseline); err != nil {
		return 0, err
	}
	took, err := rig.UpdateBare(ctx, baseline, event, b.bets, status)
	return float64(b.bets) / took.Seconds(), err
}
