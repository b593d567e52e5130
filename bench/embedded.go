package main

import (
	"context"
	"net/http"

	"stavka.local/bench/load"
	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

// embedded measures how many bets the embedded shape accepts per second, with the same load
// and against the same pgbench as the shape with servers.
func (b *bench) embedded(ctx context.Context) ([]report.Measure, error) {
	baseline, err := b.NewSystem(ctx, "baseline", events, rig.Options{})
	if err != nil {
		return nil, err
	}
	if err := baseline.Stop(); err != nil {
		return nil, err
	}
	e, err := b.NewEmbedded(ctx, "embedded", events, rig.Options{})
	if err != nil {
		return nil, err
	}
	if err := b.signIn(ctx, e.Bettors, e.Process); err != nil {
		return nil, err
	}
	target := bets(e.URL, e.Bettors, events)
	placed := report.Measure{
		Name: "bets accepted, SQLite, embedded, 256 connections", Against: "pgbench, one statement per bet, 64 clients", Unit: "/s", Reach: 2,
	}
	for round := range b.rounds {
		load.Closed(ctx, target, crowd, warmUp)
		result := load.Closed(ctx, target, crowd, b.seconds)
		if err := result.Only(http.StatusCreated); err != nil {
			return nil, err
		}
		theirs, err := b.pgbenchPlacing(ctx, baseline.Database, baseline.Bettors)
		if err != nil {
			return nil, err
		}
		placed.Ours, placed.Theirs = append(placed.Ours, result.Rate(http.StatusCreated)), append(placed.Theirs, theirs)
		b.Log.Printf("round %d of %d: %.0f/s, pgbench %.0f/s, p99 %.1f ms",
			round+1, b.rounds, placed.Ours[round], theirs, milliseconds(result.Quantile(http.StatusCreated, 0.99)))
	}
	return []report.Measure{placed}, nil
}
