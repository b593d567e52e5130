package main

import (
	"context"
	"errors"
	"fmt"
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
	answered := report.Measure{
		Name: "the same, without bets that a disk which stood still kept waiting", Against: m.Against + ", likewise", Unit: "ms", Lower: true,
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
		diskBefore, err := flushes.Stop()
		if err := errors.Join(err, before.Only(http.StatusCreated)); err != nil {
			return nil, err
		}
		flushes = b.WatchFlushes()
		during, err := b.loadUntilSettled(ctx, s, event, target, rate)
		diskDuring, stopErr := flushes.Stop()
		if err := errors.Join(err, stopErr); err != nil {
			return nil, err
		}
		m.Theirs, m.Ours = append(m.Theirs, p99(before)), append(m.Ours, p99(during))
		calmBefore, calmDuring := before.Without(diskBefore.KeptWaiting), during.Without(diskDuring.KeptWaiting)
		answered.Theirs, answered.Ours = append(answered.Theirs, p99(calmBefore)), append(answered.Ours, p99(calmDuring))
		disk.Theirs = append(disk.Theirs, milliseconds(diskBefore.Longest))
		disk.Ours = append(disk.Ours, milliseconds(diskDuring.Longest))
		answered.Note += fmt.Sprintf("In round %d the disk stood still for %.2f s of %.0f, and %.2f %% of the bets are left out. ",
			round+1, diskDuring.Stood.Seconds(), during.Took.Seconds(),
			100*(1-float64(calmDuring.Statuses[http.StatusCreated])/float64(during.Statuses[http.StatusCreated])))
		b.Log.Printf("round %d of %d: at %.0f bets/s, p99 %.1f ms, %.1f ms while %.0f bets/s are settled (p50 %.1f, %.1f; longest flush %.1f, %.1f; without waits for the disk p99 %.1f, %.1f)",
			round+1, b.rounds, rate, m.Theirs[round], m.Ours[round], float64(b.bets)/during.Took.Seconds(),
			milliseconds(before.Quantile(http.StatusCreated, 0.5)), milliseconds(during.Quantile(http.StatusCreated, 0.5)),
			disk.Theirs[round], disk.Ours[round], answered.Theirs[round], answered.Ours[round])
		b.Log.Print(answered.Note)
	}
	return []report.Measure{m, answered, disk}, nil
}

func p99(r load.Result) float64 { return milliseconds(r.Quantile(http.StatusCreated, 0.99)) }

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
