package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"stavka.local/shared/buildinfo"
	"stavka.local/stavka/internal/demo"
)

const usage = `Stavka takes bets on events. This runs both of its services, bet-maker and
line-provider, in one process, and keeps everything in one directory.

Usage:
  stavka [serve]                  serve until Ctrl-C
  stavka demo                     play a story on an instance of its own, which leaves nothing behind
  stavka demo --running           play it on the instance that runs at the two addresses
  stavka events import FILE       put the events of a file, .csv or .json, on the line
  stavka bets export              write all bets to the standard output
  stavka ledger verify            check all that concerns money: transfers, seals, wallets, bets;
                                  with --head N:HASH also that this seal, published before, is there
  stavka version                  show what this is
  stavka --help                   show this; "stavka COMMAND --help" shows a command's flags

Flags of all commands, each with the environment variable of the same name:
  --betmaker-addr HOST:PORT       BETMAKER_ADDR, default 127.0.0.1:8000
  --lineprovider-addr HOST:PORT   LINEPROVIDER_ADDR, default 127.0.0.1:8001
  --data-dir DIRECTORY            DATA_DIR, default ./data

A file of events is CSV with a header, or a JSON array of objects. A row has a
coefficient and may have a deadline (Unix seconds or RFC 3339) and a name. Either
all rows are imported or none, and the same file once only. Events can be imported,
bets exported and the ledger verified while an instance serves from the same directory.

The other settings are those of the services, as environment variables (README.md
lists them); those that say where PostgreSQL, Redis, RabbitMQ or line-provider are
mean nothing here, and no .env file is read.

The exit status is 0 when all went well, 1 when it did not, and 2 when the
command was not understood.
`

// usageError says that a command was not understood.
type usageError struct{ text string }

// Error implements error.
func (e *usageError) Error() string { return e.text + "; see stavka --help" }

func misused(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// program is what a command needs to do its work.
type program struct {
	settings

	stdout, stderr io.Writer
}

// command carries out what the arguments of the program say. It returns when that is
// done; for the services when they have been told to stop. environment knows the variables.
func command(
	ctx context.Context, environment func(string) (string, bool), args []string, stdout, stderr io.Writer,
) error {
	p := &program{settings: newSettings(environment), stdout: stdout, stderr: stderr}
	words := 0 // of the command's name
	for words < min(2, len(args)) && !strings.HasPrefix(args[words], "-") {
		words++
	}
	var err error
	switch name := args[:words]; {
	case words == 0, slices.Equal(name, []string{"serve"}):
		err = p.serve(ctx, args[words:])
	case name[0] == "demo":
		err = p.demo(ctx, args[1:])
	case slices.Equal(name, []string{"events", "import"}):
		err = p.importEvents(ctx, args[2:])
	case slices.Equal(name, []string{"bets", "export"}):
		err = p.exportBets(ctx, args[2:])
	case slices.Equal(name, []string{"ledger", "verify"}):
		err = p.verifyLedger(ctx, args[2:])
	case slices.Equal(name, []string{"version"}):
		return write(stdout, buildinfo.Version("stavka"))
	case slices.Equal(name, []string{"help"}):
		return write(stdout, usage)
	default:
		return misused("unknown command %q", strings.Join(name, " "))
	}
	if errors.Is(err, flag.ErrHelp) {
		return nil // shown already
	}
	return err
}

// flags returns the flags that all commands have.
func (p *program) flags(name string) *flag.FlagSet {
	set := flag.NewFlagSet("stavka "+name, flag.ContinueOnError)
	set.SetOutput(io.Discard) // parse says what was wrong
	set.StringVar(&p.betMakerAddr, "betmaker-addr", p.betMakerAddr, "where bet-maker listens, `HOST:PORT`")
	set.StringVar(&p.lineProviderAddr, "lineprovider-addr", p.lineProviderAddr, "where line-provider listens, `HOST:PORT`")
	set.StringVar(&p.dataDir, "data-dir", p.dataDir, "the `DIRECTORY` of all data")
	return set
}

// parse reads the flags of a command, before and after its arguments, which it returns.
func (p *program) parse(set *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		err := set.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			text := usage
			if set.Name() != "stavka serve" {
				var flags strings.Builder
				set.SetOutput(&flags)
				set.PrintDefaults()
				text = "Flags of " + set.Name() + ":\n" + flags.String()
			}
			return nil, errors.Join(flag.ErrHelp, write(p.stdout, text))
		}
		if err != nil {
			return nil, misused("%s", err)
		}
		if set.NArg() == 0 {
			p.settings = p.withDefaults()
			return rest, nil
		}
		rest, args = append(rest, set.Arg(0)), set.Args()[1:]
	}
}

func (p *program) serve(ctx context.Context, args []string) error {
	rest, err := p.parse(p.flags("serve"), args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return misused("serve takes no argument, got %q", rest[0])
	}
	p.logTo(p.stderr)
	e, err := newEmbedded(ctx, p.settings, p.stdout)
	if err != nil {
		return err
	}
	return e.run(ctx)
}

func (p *program) demo(ctx context.Context, args []string) error {
	set := p.flags("demo")
	running := set.Bool("running", false, "play on the instance that runs at the two addresses")
	rest, err := p.parse(set, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return misused("demo takes no argument, got %q", rest[0])
	}
	p.logTo(p.stderr)
	if *running {
		where, err := p.stage()
		if err != nil {
			return err
		}
		return demo.Play(ctx, where, p.stdout, p.stderr)
	}
	// Whatever ends the demo, what it has made is taken away: also a pipe that nobody reads.
	signal.Ignore(syscall.SIGPIPE)
	ctx, restore := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer restore()
	return p.onInstanceOfItsOwn(ctx, func(ctx context.Context, where demo.Stage) error {
		return demo.Play(ctx, where, p.stdout, p.stderr)
	})
}

func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
