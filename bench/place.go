package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"stavka.local/bench/load"
	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

const (
	events         = 1000
	pgbenchClients = 64
	crowd          = 256 // connections
)

// bets returns a load of bets, each by a random bettor on a random event, with a unique key.
func bets(address string, bettors rig.Bettors, events int) load.Target {
	return load.Target{Address: strings.TrimPrefix(address, "http://"), Fill: func(random *rand.Rand, r *fasthttp.Request) {
		stake := 100 + random.IntN(4900)
		body := []byte(`{"event_id":`)
		body = strconv.AppendInt(body, 1+random.Int64N(int64(events)), 10)
		body = append(body, `,"amount":`...)
		body = strconv.AppendInt(body, int64(stake/100), 10)
		body = append(body, '.', byte('0'+stake/10%10), byte('0'+stake%10))
		body = append(body, `,"coefficient":`+rig.Price+`}`...)
		r.SetBodyRaw(body)
		r.SetRequestURI("/api/bets")
		r.Header.SetMethod(http.MethodPost)
		r.Header.SetContentType("application/json")
		r.Header.Set("Authorization", "Bearer "+bettors.Tokens[random.IntN(len(bettors.Tokens))])
		r.Header.Set("Idempotency-Key", strconv.FormatUint(random.Uint64(), 36))
	}}
}

// signIn uses every token once, because bet-maker remembers tokens and bettors bet more than once with a token.
func (b *bench) signIn(ctx context.Context, bettors rig.Bettors, p *rig.Process) error {
	b.Log.Print("using every token once")
	next := make(chan string)
	go func() {
		defer close(next)
		for _, token := range bettors.Tokens {
			select {
			case next <- token:
			case <-ctx.Done():
				return
			}
		}
	}()
	target := load.Target{Address: strings.TrimPrefix(p.URL, "http://"), Fill: func(_ *rand.Rand, r *fasthttp.Request) {
		r.SetRequestURI("/api/users/me")
		r.Header.Set("Authorization", "Bearer "+<-next)
	}}
	return load.Times(ctx, target, 64, len(bettors.Tokens)).Only(http.StatusOK)
}

// place measures how many bets are accepted per second, and their latency.
func (b *bench) place(ctx context.Context) ([]report.Measure, error) {
	s, err := b.NewSystem(ctx, "place", events, rig.Options{})
	if err != nil {
		return nil, err
	}
	baseline, err := s.Copy(ctx, "baseline")
	if err != nil {
		return nil, err
	}
	if err := b.signIn(ctx, s.Bettors, s.BetMakers[0]); err != nil {
		return nil, err
	}
	target := bets(s.BetMakers[0].URL, s.Bettors, events)
	many := report.Measure{
		Name: "bets accepted, 256 connections", Against: "pgbench, one statement per bet, 64 clients", Unit: "/s", Reach: 2,
	}
	few := report.Measure{Name: "bets accepted, 64 connections", Against: many.Against, Unit: "/s", Reach: 1.3}
	calm := report.Measure{Name: "p99 of a bet at half of the peak rate", Unit: "ms", Lower: true, Reach: 25}
	disk := report.Measure{Name: "longest flush of 8 KB to the disk meanwhile", Unit: "ms", Lower: true}
	for round := range b.rounds {
		placed, err := b.placeFor(ctx, s.Database, target, crowd)
		if err != nil {
			return nil, err
		}
		many.Ours = append(many.Ours, placed)
		placed, err = b.placeFor(ctx, s.Database, target, 64)
		if err != nil {
			return nil, err
		}
		few.Ours = append(few.Ours, placed)
		theirs, err := b.pgbenchPlacing(ctx, baseline, s.Bettors)
		if err != nil {
			return nil, err
		}
		many.Theirs, few.Theirs = append(many.Theirs, theirs), append(few.Theirs, theirs)
		// The other database, too, so that PostgreSQL does not clean up after pgbench during the turn.
		if err := errors.Join(rig.Settle(ctx, baseline), rig.Settle(ctx, s.Database)); err != nil {
			return nil, err
		}
		load.Open(ctx, target, crowd, many.Ours[round]/2, warmUp)
		flushes := b.WatchFlushes()
		half := load.Open(ctx, target, crowd, many.Ours[round]/2, b.seconds)
		flushed, err := flushes.Stop()
		if err := errors.Join(err, half.Only(http.StatusCreated)); err != nil {
			return nil, err
		}
		calm.Ours = append(calm.Ours, milliseconds(half.Quantile(http.StatusCreated, 0.99)))
		disk.Ours = append(disk.Ours, milliseconds(flushed.Longest))
		b.Log.Printf("round %d of %d: %.0f/s with 256 connections, %.0f/s with 64, pgbench %.0f/s, p99 at half %.1f ms, longest flush %.1f ms",
			round+1, b.rounds, many.Ours[round], few.Ours[round], theirs, calm.Ours[round], disk.Ours[round])
	}
	return []report.Measure{many, few, calm, disk}, nil
}

// placeFor returns how many bets were accepted per second. It fails if one was not.
func (b *bench) placeFor(ctx context.Context, database string, target load.Target, connections int) (float64, error) {
	if err := rig.Settle(ctx, database); err != nil {
		return 0, err
	}
	load.Closed(ctx, target, connections, warmUp)
	result := load.Closed(ctx, target, connections, b.seconds)
	return result.Rate(http.StatusCreated), result.Only(http.StatusCreated)
}

// warmUp is how long a load runs before it is measured. After a checkpoint PostgreSQL logs a full
// image of each page at its first change; most of them are written during the warm-up.
const warmUp = 3 * time.Second

// pgbenchPlacing returns how many bets per second pgbench places.
func (b *bench) pgbenchPlacing(ctx context.Context, database string, bettors rig.Bettors) (float64, error) {
	if err := rig.Settle(ctx, database); err != nil {
		return 0, err
	}
	script := rig.Pgbench{Script: rig.PlaceStatement, Clients: pgbenchClients, Variables: map[string]int64{
		"first": bettors.First, "last": bettors.First + int64(len(bettors.Tokens)) - 1, "events": events,
	}}
	if _, err := b.Pgbench(ctx, database, script, warmUp); err != nil {
		return 0, fmt.Errorf("place by pgbench: %w", err)
	}
	rate, err := b.Pgbench(ctx, database, script, b.seconds)
	if err != nil {
		return 0, fmt.Errorf("place by pgbench: %w", err)
	}
	return rate, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
