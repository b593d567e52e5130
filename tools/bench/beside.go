package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"stavka.local/bench/load"
	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

const (
	// loadedShare is the part of the peak rate at which bets are placed while others are settled.
	loadedShare = 0.25
	// longest is far longer than any settlement takes.
	longest = time.Hour
)

// beside measures the latency of placing bets while an event with very many bets is
// settled, against that at other times.
func (b *bench) beside(ctx context.Context) ([]report.Measure, error) {
	s, err := b.NewSystem(ctx, "beside", settleEvents, rig.Options{})
	if err != nil {
		return nil, err
	}
	m := report.Measure{
		Name: "p99 of a bet while winners are settled", Against: "p99 of a bet otherwise", Unit: "ms", Lower: true, Reach: 3,
		Note: "Bets come at a quarter of the peak rate.",
	}
	disk := report.Measure{
		Name: "longest flush of 8 KB to the disk while winners are settled", Against: "the same otherwise", Unit: "ms", Lower: true,
	}
	if err := b.signIn(ctx, s.Bettors, s.BetMakers[0]); err != nil {
		return nil, err
	}
	target := bets(s.BetMakers[0].URL, s.Bettors, settleEvents)
	peak, err := b.placeFor(ctx, s.Database, target, crowd)
	if err != nil {
		return nil, err
	}
	rate := peak * loadedShare
	for round := range b.rounds {
		b.Log.Printf("seeding %d bets", b.bets)
		event, err := s.SeedEvent(ctx, b.bets)
		if err != nil {
			return nil, err
		}
		load.Open(ctx, target, crowd, rate, warmUp)
		flushes := b.WatchFlushes()
		before := load.Open(ctx, target, crowd, rate, b.seconds)
		longestBefore, err := flushes.Stop()
		if err := errors.Join(err, before.Only(http.StatusCreated)); err != nil {
			return nil, err
		}
		flushes = b.WatchFlushes()
		during, err := b.loadUntilSettled(ctx, s, event, target, rate)
		longestDuring, stopErr := flushes.Stop()
		if err := errors.Join(err, stopErr); err != nil {
			return nil, err
		}
		m.Theirs = append(m.Theirs, milliseconds(before.Quantile(http.StatusCreated, 0.99)))
		m.Ours = append(m.Ours, milliseconds(during.Quantile(http.StatusCreated, 0.99)))
		disk.Theirs, disk.Ours = append(disk.Theirs, milliseconds(longestBefore)), append(disk.Ours, milliseconds(longestDuring))
		b.Log.Printf("round %d of %d: at %.0f bets/s, p99 %.1f ms, %.1f ms while %.0f bets/s are settled (p50 %.1f, %.1f; longest flush %.1f, %.1f)",
			round+1, b.rounds, rate, m.Theirs[round], m.Ours[round], float64(b.bets)/during.Took.Seconds(),
			milliseconds(before.Quantile(http.StatusCreated, 0.5)), milliseconds(during.Quantile(http.StatusCreated, 0.5)),
			disk.Theirs[round], disk.Ours[round])
	}
	return []report.Measure{m, disk}, nil
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
