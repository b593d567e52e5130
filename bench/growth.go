package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"

	"stavka.local/bench/load"
	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

const (
	pastEvents  = 100_000
	fewBets     = readUsers * betsOfUser // in the small table; more than a page for each reader
	grownSettle = 200_000                // bets on the event that is settled
	// tolerated is how many times slower the large table may be.
	tolerated = 1 / 1.3
)

// growth compares a table with millions of bets with a small table.
func (b *bench) growth(ctx context.Context) ([]report.Measure, error) {
	// profileSettling needs it. It costs both tables the same.
	if err := b.TrackStatements(ctx); err != nil {
		return nil, err
	}
	options := rig.Options{}
	small, err := b.NewSystem(ctx, "small", events, options)
	if err != nil {
		return nil, err
	}
	// Readers of both tables get equally large pages.
	if err := small.SeedHistory(ctx, events, fewBets, readUsers); err != nil {
		return nil, err
	}
	grown, err := b.NewSystem(ctx, "grown", events, options)
	if err != nil {
		return nil, err
	}
	if b.rows < len(grown.Bettors.Tokens)*betsOfUser {
		return nil, fmt.Errorf("-rows must be at least %d, so that every reader has a page", len(grown.Bettors.Tokens)*betsOfUser)
	}
	if err := grown.SeedHistory(ctx, pastEvents, b.rows, len(grown.Bettors.Tokens)); err != nil {
		return nil, err
	}
	b.Log.Print("waiting until the ledger is sealed")
	for _, s := range []*rig.System{small, grown} {
		if err := s.AwaitSealed(ctx); err != nil {
			return nil, err
		}
		if err := b.signIn(ctx, s.Bettors, s.BetMakers[0]); err != nil {
			return nil, err
		}
	}
	against := fmt.Sprintf("the same after %d bets on %d events", fewBets, events)
	after := fmt.Sprintf(", after %d bets on %d events", b.rows, pastEvents)
	turns := []struct {
		report.Measure

		run func(context.Context, *rig.System) (float64, error)
	}{
		{report.Measure{Name: "bets accepted, 256 connections" + after}, func(ctx context.Context, s *rig.System) (float64, error) {
			return b.placeFor(ctx, s.Database, bets(s.BetMakers[0].URL, s.Bettors, events), crowd)
		}},
		{report.Measure{Name: "settling winners of one event" + after}, b.settleFew},
		{report.Measure{Name: "GET /api/bets" + after}, func(ctx context.Context, s *rig.System) (float64, error) {
			return b.list(ctx, s, "/api/bets")
		}},
		{report.Measure{Name: "GET /api/events" + after}, func(ctx context.Context, s *rig.System) (float64, error) {
			return b.list(ctx, s, "/api/events")
		}},
	}
	for range b.rounds {
		for i := range turns {
			turn := &turns[i]
			ours, err := turn.run(ctx, grown)
			if err != nil {
				return nil, err
			}
			theirs, err := turn.run(ctx, small)
			if err != nil {
				return nil, err
			}
			b.Log.Printf("%s: %.0f/s, small table %.0f/s", turn.Name, ours, theirs)
			turn.Ours, turn.Theirs = append(turn.Ours, ours), append(turn.Theirs, theirs)
		}
	}
	if err := b.profileSettling(ctx, small, grown); err != nil {
		return nil, err
	}
	var measures []report.Measure
	for _, turn := range turns {
		turn.Against, turn.Unit, turn.Reach = against, "/s", tolerated
		measures = append(measures, turn.Measure)
	}
	return measures, nil
}

// settleFew returns how many bets of a new event are settled per second.
func (b *bench) settleFew(ctx context.Context, s *rig.System) (float64, error) {
	event, err := s.SeedEvent(ctx, grownSettle)
	if err != nil {
		return 0, err
	}
	if err := s.SetState(ctx, event, int(rig.Won)); err != nil {
		return 0, err
	}
	took, err := s.AwaitSettled(ctx, event)
	return grownSettle / took.Seconds(), err
}

// profileSettling settles one more event in each system, and writes statistics of the statements.
func (b *bench) profileSettling(ctx context.Context, small, grown *rig.System) error {
	directory, err := b.profiles()
	if err != nil {
		return err
	}
	for name, s := range map[string]*rig.System{"settling-small": small, "settling-grown": grown} {
		event, err := s.SeedEvent(ctx, grownSettle)
		if err != nil {
			return err
		}
		err = slowest(ctx, s, filepath.Join(directory, name+".md"), func() (string, error) {
			if err := s.SetState(ctx, event, int(rig.Won)); err != nil {
				return "", err
			}
			took, err := s.AwaitSettled(ctx, event)
			return fmt.Sprintf("%d winners were settled in %.1f s", grownSettle, took.Seconds()), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// list returns how many times per second random readers get a list.
func (b *bench) list(ctx context.Context, s *rig.System, path string) (float64, error) {
	users := s.Bettors.Tokens[:readUsers]
	target := get(s.BetMakers[0].URL, func(random *rand.Rand) string {
		return path + "?limit=" + strconv.Itoa(1+random.IntN(betsShown))
	}, func(random *rand.Rand) string { return users[random.IntN(len(users))] })
	load.Closed(ctx, target, readers, warmUp)
	result := load.Closed(ctx, target, readers, b.seconds)
	return result.Rate(http.StatusOK), result.Only(http.StatusOK)
}
