package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"stavka.local/bench/load"
	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

// profile writes profiles of bet-maker and statistics of PostgreSQL's statements while bets are
// placed. If a revision is given, it compares the cost of an accepted bet in bet-maker with the
// cost at that revision.
func (b *bench) profile(ctx context.Context) ([]report.Measure, error) {
	directory, err := b.profiles()
	if err != nil {
		return nil, err
	}
	if err := b.TrackStatements(ctx); err != nil {
		return nil, err
	}
	options, address, err := b.Profiled(ctx, "betmaker")
	if err != nil {
		return nil, err
	}
	s, err := b.NewSystem(ctx, "profile", events, options)
	if err != nil {
		return nil, err
	}
	if err := b.signIn(ctx, s.Bettors, s.BetMakers[0]); err != nil {
		return nil, err
	}
	if err := b.profileKinds(ctx, s, address, directory); err != nil {
		return nil, err
	}
	err = slowest(ctx, s, filepath.Join(directory, "statements.md"), func() (string, error) {
		result := load.Closed(ctx, bets(s.BetMakers[0].URL, s.Bettors, events), crowd, b.seconds)
		return fmt.Sprintf("%d bets were placed in %s", result.Statuses[http.StatusCreated], b.seconds), result.Only(http.StatusCreated)
	})
	if err != nil {
		return nil, err
	}
	if err := s.Stop(); err != nil {
		return nil, err
	}
	if err := b.profileEvent(ctx, directory); err != nil {
		return nil, err
	}
	if err := b.profileEmbedded(ctx, directory); err != nil {
		return nil, err
	}
	if b.before == "" {
		return nil, nil
	}
	return b.compare(ctx)
}

// profiles creates the directory of profiles and returns it.
func (b *bench) profiles() (string, error) {
	directory := filepath.Join(b.Root(), "bench", "results", "profile")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", fmt.Errorf("make a directory: %w", err)
	}
	return directory, nil
}

// profileKinds profiles CPU and allocations one after the other, because they disturb each other.
func (b *bench) profileKinds(ctx context.Context, s *rig.System, address, directory string) error {
	placing := underway{bets(s.BetMakers[0].URL, s.Bettors, events), crowd, http.StatusCreated}
	if err := b.profileOne(ctx, placing, address, "profile", directory, "cpu"); err != nil {
		return err
	}
	return b.profileOne(ctx, placing, address, "allocs", directory, "allocs", "-sample_index=alloc_objects")
}

// profileEvent profiles the CPU time of line-provider while single events are read, cumulative
// by function.
func (b *bench) profileEvent(ctx context.Context, directory string) error {
	options, address, err := b.Profiled(ctx, "lineprovider")
	if err != nil {
		return err
	}
	s, err := b.NewSystem(ctx, "profile-event", events, options)
	if err != nil {
		return err
	}
	reading := underway{anyEvent(s), readers, http.StatusOK}
	err = b.profileOne(ctx, reading, address, "profile", directory, "cpu-event", "-cum", "-nodecount=80")
	return errors.Join(err, s.Stop())
}

// profileEmbedded profiles the CPU time of the embedded shape, cumulative by function.
func (b *bench) profileEmbedded(ctx context.Context, directory string) error {
	options, address, err := b.Profiled(ctx, "stavka")
	if err != nil {
		return err
	}
	e, err := b.NewEmbedded(ctx, "profile-embedded", events, options)
	if err != nil {
		return err
	}
	if err := b.signIn(ctx, e.Bettors, e.Process); err != nil {
		return err
	}
	placing := underway{bets(e.URL, e.Bettors, events), crowd, http.StatusCreated}
	err = b.profileOne(ctx, placing, address, "profile", directory, "cpu-embedded", "-cum", "-nodecount=80")
	return errors.Join(err, e.Stop())
}

// underway is the load during a profile.
type underway struct {
	target      load.Target
	connections int
	status      int // required of all answers
}

// profileOne profiles a process under a load.
func (b *bench) profileOne(ctx context.Context, u underway, address, kind, directory, name string, options ...string) error {
	b.Log.Printf("profiling: %s", name)
	load.Closed(ctx, u.target, u.connections, warmUp)
	seconds := max(1, int(b.seconds.Seconds()))
	group, limited := errgroup.WithContext(ctx)
	group.Go(func() error {
		return rig.SaveProfile(limited, address, kind, seconds, directory, name, options...)
	})
	group.Go(func() error {
		return load.Closed(limited, u.target, u.connections, b.seconds).Only(u.status)
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("profile %s: %w", name, err)
	}
	return nil
}

// compare measures the cost of an accepted bet in bet-maker, now and at the earlier revision.
func (b *bench) compare(ctx context.Context) ([]report.Measure, error) {
	earlier, err := b.Earlier(ctx, b.before)
	if err != nil {
		return nil, err
	}
	now, err := b.NewSystem(ctx, "now", events, rig.Options{})
	if err != nil {
		return nil, err
	}
	then, err := b.NewSystem(ctx, "then", events, rig.Options{Program: earlier})
	if err != nil {
		return nil, err
	}
	against := "bet-maker of " + b.before
	allocations := report.Measure{Name: "allocations per accepted bet", Against: against, Lower: true, Reach: 0.5}
	cpu := report.Measure{Name: "CPU per accepted bet in bet-maker", Against: against, Unit: "µs", Lower: true, Reach: 0.5}
	for _, s := range []*rig.System{now, then} {
		if err := b.signIn(ctx, s.Bettors, s.BetMakers[0]); err != nil {
			return nil, err
		}
	}
	for range b.rounds {
		ours, err := b.costOfBet(ctx, now)
		if err != nil {
			return nil, err
		}
		theirs, err := b.costOfBet(ctx, then)
		if err != nil {
			return nil, err
		}
		b.Log.Printf("a bet costs %.0f allocations and %.0f µs, at %s %.0f and %.0f µs",
			ours.Allocations, ours.CPU*1e6, b.before, theirs.Allocations, theirs.CPU*1e6)
		allocations.Ours, allocations.Theirs = append(allocations.Ours, ours.Allocations), append(allocations.Theirs, theirs.Allocations)
		cpu.Ours, cpu.Theirs = append(cpu.Ours, ours.CPU*1e6), append(cpu.Theirs, theirs.CPU*1e6)
	}
	return []report.Measure{allocations, cpu}, nil
}

// costOfBet returns the cost of one accepted bet.
func (b *bench) costOfBet(ctx context.Context, s *rig.System) (rig.Usage, error) {
	if err := rig.Settle(ctx, s.Database); err != nil {
		return rig.Usage{}, err
	}
	target := bets(s.BetMakers[0].URL, s.Bettors, events)
	load.Closed(ctx, target, crowd, warmUp)
	before, err := s.BetMakers[0].Usage(ctx)
	if err != nil {
		return rig.Usage{}, err
	}
	result := load.Closed(ctx, target, crowd, b.seconds)
	if err := result.Only(http.StatusCreated); err != nil {
		return rig.Usage{}, err
	}
	after, err := s.BetMakers[0].Usage(ctx)
	if err != nil {
		return rig.Usage{}, err
	}
	used, placed := after.Since(before), float64(result.Statuses[http.StatusCreated])
	return rig.Usage{CPU: used.CPU / placed, Allocations: used.Allocations / placed, Allocated: used.Allocated / placed}, nil
}
