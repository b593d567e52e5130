// Command bench measures Stavka against alternatives. A figure compares two programs that
// run in turn, on servers that write to disk before they acknowledge.
//
// It is run by `make bench`; `bench -help` lists the parts. It writes to bench/results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

// bench is one run of the command.
type bench struct {
	*rig.Rig
	settings
}

type settings struct {
	seconds time.Duration // the length of a turn
	rounds  int           // the number of turns
	bets    int           // the number of bets on an event that is settled
	rows    int           // the number of bets in the large table
	before  string        // the revision to compare CPU and allocations with
}

// part is one of the benchmarks.
type part struct {
	name, help string
	run        func(*bench, context.Context) ([]report.Measure, error)
}

var parts = []part{
	{"place", "placing bets, on PostgreSQL", (*bench).place},
	{"settle", "settling the bets of one event, on PostgreSQL", (*bench).settle},
	{"beside", "placing bets while an event is settled", (*bench).beside},
	{"follow", "the time until a change of the line affects bets", (*bench).follow},
	{"read", "reading events and bets", (*bench).read},
	{"overload", "idle connections, and three times the peak load", (*bench).overload},
	{"floods", "honest bets while an attacker floods bet-maker", (*bench).floods},
	{"growth", "with ten million bets in the table, against a small table", (*bench).growth},
	{"profile", "CPU, allocations and statements of placing", (*bench).profile},
	{"embedded", "placing bets, in the embedded shape", (*bench).embedded},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, arguments []string) error {
	if len(arguments) > 0 && arguments[0] == attackerCommand {
		return beAttacker(ctx, arguments[1:])
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Usage = func() {
		_, _ = fmt.Fprintln(flags.Output(), "Usage: bench [FLAG...] [PART...]\n\nParts (all by default):")
		for _, p := range parts {
			_, _ = fmt.Fprintf(flags.Output(), "  %-10s %s\n", p.name, p.help)
		}
		_, _ = fmt.Fprintln(flags.Output(), "\nFlags:")
		flags.PrintDefaults()
	}
	var s settings
	root := flags.String("root", "..", "the `directory` of the repository")
	seconds := flags.Int("seconds", 10, "how long each turn is measured")
	flags.IntVar(&s.rounds, "rounds", 3, "how often the turns are taken")
	flags.IntVar(&s.bets, "bets", 1_000_000, "how many bets of one event are settled")
	flags.IntVar(&s.rows, "rows", 10_000_000, "how many bets are in the large table")
	flags.StringVar(&s.before, "before", "", "the `revision` to compare CPU and allocations with")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *seconds < 1 || s.rounds < 1 || s.bets < 1 || s.rows < 1 {
		return fmt.Errorf("-seconds, -rounds, -bets and -rows must be at least 1")
	}
	s.seconds = time.Duration(*seconds) * time.Second
	chosen, err := choose(flags.Args())
	if err != nil {
		return err
	}
	absolute, err := filepath.Abs(*root)
	if err != nil {
		return fmt.Errorf("-root: %w", err)
	}
	for _, p := range chosen {
		if err := measure(ctx, absolute, s, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func choose(names []string) ([]part, error) {
	if len(names) == 0 {
		return parts, nil
	}
	var chosen []part
	for _, name := range names {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no part %q; bench -help lists them", name)
		}
		chosen = append(chosen, parts[i])
	}
	return chosen, nil
}

// measure runs one part on a new rig, and prints and saves the measures.
func measure(ctx context.Context, root string, s settings, p part) (err error) {
	progress := log.New(os.Stderr, p.name+": ", log.Ltime)
	r, err := rig.New(ctx, root, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	measures, err := p.run(&bench{r, s}, ctx)
	if err != nil {
		return err
	}
	done := report.Part{
		Name: p.name, Machine: machine(), Commit: commit(ctx, root), Measures: measures,
		Command: fmt.Sprintf("make bench-%s (%d rounds of %s)", p.name, s.rounds, s.seconds),
	}
	fmt.Print(report.Table(done))
	return report.Save(filepath.Join(root, "bench", "results"), done)
}

func machine() string {
	model := "unknown processor"
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%d cores of %s, %s", runtime.NumCPU(), model, runtime.GOOS)
}

func commit(ctx context.Context, root string) string {
	git := func(arguments ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, arguments...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	revision, err := git("rev-parse", "--short", "HEAD")
	if err != nil {
		return "unknown"
	}
	// The results of earlier parts do not change the programs.
	if changed, err := git("status", "--porcelain", "--", ".", ":!bench/results"); err != nil || changed != "" {
		revision += "-dirty"
	}
	return revision
}
