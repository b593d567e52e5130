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
	// loadedShare is the rate of bets during a settlement as a fraction of the peak rate.
	loadedShare = 0.25
	// longest is longer than any settlement.
	longest = time.Hour
)

// beside measures the latency of placing bets while an event with many bets is settled,
// against the latency during an equal time afterwards.
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
		during, err := b.loadUntilSettled(ctx, s, event, target, rate)
		diskDuring, stopErr := flushes.Stop()
		if err := errors.Join(err, stopErr); err != nil {
			return nil, err
		}
		// The other turn must not pay for work that the settlement left behind. It is as long, so
		// that occasional stalls of the disk are equally likely in both.
		if err := errors.Join(s.AwaitSealed(ctx), rig.Settle(ctx, s.Database)); err != nil {
			return nil, err
		}
		load.Open(ctx, target, crowd, rate, warmUp)
		flushes = b.WatchFlushes()
		otherwise := load.Open(ctx, target, crowd, rate, during.Took)
		diskOtherwise, err := flushes.Stop()
		if err := errors.Join(err, otherwise.Only(http.StatusCreated)); err != nil {
			return nil, err
		}
		m.Theirs, m.Ours = append(m.Theirs, p99(otherwise)), append(m.Ours, p99(during))
		calmOtherwise, calmDuring := otherwise.Without(diskOtherwise.KeptWaiting), during.Without(diskDuring.KeptWaiting)
		answered.Theirs, answered.Ours = append(answered.Theirs, p99(calmOtherwise)), append(answered.Ours, p99(calmDuring))
		disk.Theirs = append(disk.Theirs, milliseconds(diskOtherwise.Longest))
		disk.Ours = append(disk.Ours, milliseconds(diskDuring.Longest))
		stood := fmt.Sprintf("In round %d the disk stalled for %.2f s of %.0f, and %.2f %% of the bets are left out; otherwise for %.2f s, and %.2f %%.",
			round+1, diskDuring.Stood.Seconds(), during.Took.Seconds(), lost(during, calmDuring),
			diskOtherwise.Stood.Seconds(), lost(otherwise, calmOtherwise))
		answered.Note += stood + " "
		b.Log.Printf("round %d of %d: at %.0f bets/s, p99 %.1f ms, %.1f ms while %.0f bets/s are settled (p50 %.1f, %.1f; longest flush %.1f, %.1f; without waits for the disk p99 %.1f, %.1f)",
			round+1, b.rounds, rate, m.Theirs[round], m.Ours[round], float64(b.bets)/during.Took.Seconds(),
			milliseconds(otherwise.Quantile(http.StatusCreated, 0.5)), milliseconds(during.Quantile(http.StatusCreated, 0.5)),
			disk.Theirs[round], disk.Ours[round], answered.Theirs[round], answered.Ours[round])
		b.Log.Print(stood)
	}
	return []report.Measure{m, answered, disk}, nil
}

// lost returns the percentage of the accepted bets in all that are not in left.
func lost(all, left load.Result) float64 {
	return 100 * (1 - float64(left.Statuses[http.StatusCreated])/float64(all.Statuses[http.StatusCreated]))
}

func p99(r load.Result) float64 { return milliseconds(r.Quantile(http.StatusCreated, 0.99)) }

// loadUntilSettled sets an event to won and places bets until the event is settled.
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
