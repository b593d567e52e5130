package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"stavka.local/betmaker/internal/adapters/lineclient"
	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/service"
)

// description begins the program's help.
const description = `bet-maker takes bets on the events of Stavka's line and settles them.

It is configured by environment variables, and by a file .env in the working
directory, which the environment overrides. "betmaker help variables" lists them.
`

// NewCommand returns the program's commands.
func NewCommand() *cobra.Command { return newCommand(service.FromEnvironment(ConfigFromEnv)) }

func newCommand(configure service.Configure[Config]) *cobra.Command {
	return service.NewCommand(service.Program{
		Name: "betmaker", Description: description, Settings: Settings(), Serve: service.Serve(configure, New),
		Commands: []*cobra.Command{
			service.HealthcheckCommand(configure, func(c Config) string { return c.Addr }),
			service.Group("migrate", "Change the schema of the database",
				configure.Command("up", "Bring the schema up to date; serve does so too", migrateUp),
				configure.Command("down", "Take the newest migration back, with the data in it", migrateDown),
				configure.Command("status", "List the migrations and when they were applied", migrationStatus)),
			service.Group("events", "Resolve events in quarantine", resolveCommand(configure)),
			BetsCommand(configure),
			LedgerCommand(configure),
			UsersCommand(configure),
			service.Group("dead-letters", "Handle dead letters",
				configure.Command("count", "Count the dead letters", countDeadLetters),
				configure.Command("redrive", "Deliver the dead letters again", redriveDeadLetters)),
		},
	})
}

func migrateUp(cmd *cobra.Command, c Config) error {
	return postgres.Migrate(cmd.Context(), postgresConfig(c, slog.Default()))
}

func migrateDown(cmd *cobra.Command, c Config) error {
	return postgres.MigrateDown(cmd.Context(), postgresConfig(c, slog.Default()))
}

func migrationStatus(cmd *cobra.Command, c Config) error {
	migrations, err := postgres.Migrations(cmd.Context(), postgresConfig(c, slog.Default()))
	if err != nil {
		return err
	}
	for _, migration := range migrations {
		applied := "not applied"
		if !migration.AppliedAt.IsZero() {
			applied = "applied " + migration.AppliedAt.UTC().Format(time.RFC3339)
		}
		if err := service.Printf(cmd.OutOrStdout(), "%-40s %s\n", migration.Name, applied); err != nil {
			return err
		}
	}
	return nil
}

// resolveCommand returns the command that takes an event out of quarantine.
func resolveCommand(configure service.Configure[Config]) *cobra.Command {
	var (
		id          domain.EventID
		void, adopt bool
	)
	cmd := configure.Command("resolve ID", "Take an event out of quarantine", func(cmd *cobra.Command, c Config) error {
		how := domain.ResolveVoid
		if adopt {
			how = domain.ResolveAdopt
		}
		event, err := resolve(cmd.Context(), c, id, how)
		if err != nil {
			return err
		}
		return service.Printf(cmd.OutOrStdout(), "event %d is out of quarantine, at settle revision %d; "+
			"its bets follow with the next sweep of a running bet-maker (RECONCILE_INTERVAL)\n", event.ID, event.SettleRevision)
	})
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(1)(cmd, args); err != nil {
			return err
		}
		if void == adopt {
			return errors.New("either --void or --adopt is needed")
		}
		n, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no event id", args[0])
		}
		id = domain.EventID(n)
		return nil
	}
	cmd.Flags().BoolVar(&void, "void", false, "void the bets on the event")
	cmd.Flags().BoolVar(&adopt, "adopt", false, "keep the bets: the event is the one that they were placed on")
	return cmd
}

func resolve(ctx context.Context, c Config, id domain.EventID, how domain.Resolution) (_ domain.Event, err error) {
	store, err := openStore(ctx, c, true, slog.Default())
	if err != nil {
		return domain.Event{}, err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	lines, err := lineclient.New(lineclient.Config{URL: c.LineURL, Token: c.LineTokens[0].Reveal()})
	if err != nil {
		return domain.Event{}, err
	}
	defer lines.Close()
	return usecase.ResolveQuarantine{
		Events: store.Events, Line: lines, Origin: domain.Origin{Address: "terminal"},
		RecordedBy: domain.ClockDifference{Margin: c.MaxClockSkew}.RecordedBy,
	}.Resolve(ctx, id, how)
}

func countDeadLetters(cmd *cobra.Command, c Config) error {
	broker, err := openBroker(c, rabbitmq.Hooks{}, slog.Default())
	if err != nil {
		return err
	}
	count, err := broker.DeadLetters(cmd.Context())
	if err != nil {
		return err
	}
	return service.Printf(cmd.OutOrStdout(), "%d\n", count)
}

func redriveDeadLetters(cmd *cobra.Command, c Config) error {
	broker, err := openBroker(c, rabbitmq.Hooks{}, slog.Default())
	if err != nil {
		return err
	}
	moved, err := broker.Redrive(cmd.Context(), 0)
	return errors.Join(err, service.Printf(cmd.OutOrStdout(), "%d messages were handed out again\n", moved))
}
