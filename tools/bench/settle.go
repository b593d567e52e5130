package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"stavka.local/bench/load"
	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

const (
	settleEvents = 100
	// loadedShare is the part of the peak rate at which bets are placed while others are settled.
	loadedShare = 0.25
	// longest is far longer than any settlement takes.
	longest = time.Hour
)

// settle measures how fast one event with very many bets is settled, and how much that
// keeps other bets waiting.
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
		Note: "With transfers, wallets and revisions, from the commit of the result to that of the mark that all bets follow it; " +
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
	calm, err := b.placeWhileSettling(ctx, s)
	if err != nil {
		return nil, err
	}
	return []report.Measure{won, lost, calm}, nil
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

// updateBare returns how many rows per second a bare UPDATE changes, of as many bets on an
// event of their own.
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

// placeWhileSettling measures the latency of placing bets while an event is settled, against
// that at other times.
func (b *bench) placeWhileSettling(ctx context.Context, s *rig.System) (report.Measure, error) {
	m := report.Measure{
		Name: "p99 of a bet while winners are settled", Against: "p99 of a bet otherwise", Unit: "ms", Lower: true, Reach: 3,
	}
	if err := b.signIn(ctx, s.Bettors, s.BetMakers[0]); err != nil {
		return m, err
	}
	target := bets(s.BetMakers[0].URL, s.Bettors, settleEvents)
	peak, err := b.placeFor(ctx, s.Database, target, crowd)
	if err != nil {
		return m, err
	}
	rate := peak * loadedShare
	m.Note = "Bets come at a quarter of the peak rate."
	for round := range b.rounds {
		event, err := s.SeedEvent(ctx, b.bets)
		if err != nil {
			return m, err
		}
		load.Open(ctx, target, crowd, rate, warmUp)
		before := load.Open(ctx, target, crowd, rate, b.seconds)
		if err := before.Only(http.StatusCreated); err != nil {
			return m, err
		}
		during, err := b.loadUntilSettled(ctx, s, event, target, rate)
		if err != nil {
			return m, err
		}
		m.Theirs = append(m.Theirs, milliseconds(before.Quantile(http.StatusCreated, 0.99)))
		m.Ours = append(m.Ours, milliseconds(during.Quantile(http.StatusCreated, 0.99)))
		b.Log.Printf("round %d of %d: at %.0f bets/s, p99 %.1f ms, %.1f ms while %.0f bets/s are settled (p50 %.1f, %.1f)",
			round+1, b.rounds, rate, m.Theirs[round], m.Ours[round], float64(b.bets)/during.Took.Seconds(),
			milliseconds(before.Quantile(http.StatusCreated, 0.5)), milliseconds(during.Quantile(http.StatusCreated, 0.5)))
	}
	return m, nil
}

// loadUntilSettled places bets from the moment an event has won until it is settled.
func (b *bench) loadUntilSettled(ctx context.Context, s *rig.System, event int64, target load.Target, rate float64) (load.Result, error) {
	if err := s.SetState(ctx, event, int(rig.Won)); err != nil {
		return load.Result{}, err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var (
		result  load.Result
		running sync.WaitGroup
	)
	running.Go(func() { result = load.Open(loading, target, crowd, rate, longest) })
	_, err := s.AwaitSettled(ctx, event)
	stop()
	running.Wait()
	if err != nil {
		return load.Result{}, err
	}
	return result, result.Only(http.StatusCreated)
}
