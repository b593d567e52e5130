package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"stavka.local/betmaker/internal/adapters/lineclient"
	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/buildinfo"
	"stavka.local/shared/config"
	"stavka.local/shared/fault"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/logging"
)

const usage = `bet-maker takes bets on the events of Stavka's line and settles them.

Usage:
  betmaker [serve]                     serve until SIGINT or SIGTERM
  betmaker healthcheck                 ask the service on this machine whether it is ready
  betmaker migrate up                  bring the database's schema up to date; serve does so too
  betmaker migrate down                take the newest migration back, with the data in it
  betmaker migrate status              list the migrations and when they were applied
  betmaker events resolve ID --void    take an event out of quarantine: void its bets
  betmaker events resolve ID --adopt   take an event out of quarantine: it is the one the bets are on
  betmaker ledger verify               check all that concerns money: transfers, seals, wallets, bets
  betmaker ledger verify --head N:HASH ... and that a seal is there which was published before
  betmaker dead-letters count          count the messages that have been put aside
  betmaker dead-letters redrive        hand them out again
  betmaker version                     show what this is
  betmaker --help                      show this

It is configured by environment variables, and by a file .env in the working
directory, which the environment overrides. .env.example lists all of them.

The exit status is 0 when all went well, 1 when it did not, and 2 when the
command was not understood.
`

// UsageError says that a command was not understood.
type UsageError struct{ text string }

// Error implements error.
func (e *UsageError) Error() string { return e.text + "; see betmaker --help" }

func misused(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// program is what a command needs to do its work.
type program struct {
	Config
	stdout, stderr io.Writer
}

// action is a command that was understood.
type action func(ctx context.Context, p program) error

// Command carries out what the arguments of the program say. The log goes to stderr. It
// returns when that is done, for the service when it has been told to stop. A command
// that is not understood is a *UsageError.
func Command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	switch {
	case slices.Equal(args, []string{"--help"}), slices.Equal(args, []string{"-h"}), slices.Equal(args, []string{"help"}):
		return write(stdout, usage)
	case slices.Equal(args, []string{"version"}):
		return write(stdout, buildinfo.Version("betmaker"))
	}
	do, err := parse(args)
	if err != nil {
		return err
	}
	if err := config.LoadDotEnv(".env"); err != nil {
		return err
	}
	c, err := ConfigFromEnv(os.LookupEnv)
	if err != nil {
		return err
	}
	slog.SetDefault(logging.New(stderr, c.Logging))
	return explain(do(ctx, program{c, stdout, stderr}))
}

// parse understands the arguments.
func parse(args []string) (action, error) {
	switch command := strings.Join(args, " "); command {
	case "", "serve":
		return serve, nil
	case "healthcheck":
		return func(ctx context.Context, p program) error { return Healthcheck(ctx, p.Config) }, nil
	case "migrate up":
		return func(ctx context.Context, p program) error {
			return postgres.Migrate(ctx, postgresConfig(p.Config, slog.Default()))
		}, nil
	case "migrate down":
		return func(ctx context.Context, p program) error {
			return postgres.MigrateDown(ctx, postgresConfig(p.Config, slog.Default()))
		}, nil
	case "migrate status":
		return migrationStatus, nil
	case "dead-letters count":
		return countDeadLetters, nil
	case "dead-letters redrive":
		return redriveDeadLetters, nil
	}
	if len(args) >= 2 && args[0] == "events" && args[1] == "resolve" {
		return parseResolve(args[2:])
	}
	if len(args) >= 2 && args[0] == "ledger" && args[1] == "verify" {
		return parseLedgerVerify(args[2:])
	}
	return nil, misused("unknown command %q", strings.Join(args, " "))
}

// parseResolve understands "ID --void" and "ID --adopt", in either order.
func parseResolve(args []string) (action, error) {
	if len(args) == 2 && strings.HasPrefix(args[0], "-") {
		args = []string{args[1], args[0]}
	}
	if len(args) != 2 {
		return nil, misused("events resolve takes an id and either --void or --adopt")
	}
	id, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || id < 1 {
		return nil, misused("%q is no event id", args[0])
	}
	ways := map[string]domain.Resolution{"--void": domain.ResolveVoid, "--adopt": domain.ResolveAdopt}
	how, ok := ways[args[1]]
	if !ok {
		return nil, misused("%q is neither --void nor --adopt", args[1])
	}
	return func(ctx context.Context, p program) error { return resolve(ctx, p, domain.EventID(id), how) }, nil
}

func serve(ctx context.Context, p program) error {
	a, err := New(ctx, p.Config)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

func migrationStatus(ctx context.Context, p program) error {
	migrations, err := postgres.Migrations(ctx, postgresConfig(p.Config, slog.Default()))
	if err != nil {
		return err
	}
	for _, migration := range migrations {
		applied := "not applied"
		if !migration.AppliedAt.IsZero() {
			applied = "applied " + migration.AppliedAt.UTC().Format(time.RFC3339)
		}
		if err := write(p.stdout, fmt.Sprintf("%-40s %s\n", migration.Name, applied)); err != nil {
			return err
		}
	}
	return nil
}

func resolve(ctx context.Context, p program, id domain.EventID, how domain.Resolution) (err error) {
	store, err := openStore(ctx, p.Config, asGuest, slog.Default())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	lines, err := lineclient.New(lineclient.Config{URL: p.LineURL, Token: p.LineToken.Reveal()})
	if err != nil {
		return err
	}
	defer lines.Close()
	event, err := usecase.ResolveQuarantine{
		Events: store.Events, Line: lines, Origin: domain.Origin{Address: "terminal"},
	}.Resolve(ctx, id, how)
	if err != nil {
		return err
	}
	return write(p.stdout, fmt.Sprintf("event %d is out of quarantine, at settle revision %d; "+
		"its bets follow with the next sweep of a running bet-maker (RECONCILE_INTERVAL)\n", event.ID, event.SettleRevision))
}

func countDeadLetters(ctx context.Context, p program) error {
	return withBroker(p, func(b *rabbitmq.Subscriber) error {
		count, err := b.DeadLetters(ctx)
		if err != nil {
			return err
		}
		return write(p.stdout, fmt.Sprintln(count))
	})
}

func redriveDeadLetters(ctx context.Context, p program) error {
	return withBroker(p, func(b *rabbitmq.Subscriber) error {
		moved, err := b.Redrive(ctx, 0)
		return errors.Join(err, write(p.stdout, fmt.Sprintf("%d messages were handed out again\n", moved)))
	})
}

func withBroker(p program, do func(*rabbitmq.Subscriber) error) error {
	b, err := openBroker(p.Config, rabbitmq.Hooks{}, slog.Default())
	if err != nil {
		return err
	}
	return do(b)
}

// explain puts a fault into the words that it has for people. Its cause, which a person
// at a terminal may see, comes after them.
func explain(err error) error {
	f := fault.Find(err)
	if f == nil {
		return err
	}
	if cause := f.Unwrap(); cause != nil {
		return fmt.Errorf("%s: %w", f.Detail, cause)
	}
	return errors.New(f.Detail)
}

func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
