package app

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"stavka.local/shared/config"
	"stavka.local/shared/logging"
	"stavka.local/shared/service"
)

// description returns the text that begins the program's help.
func description() string {
	return `line-provider owns the line of Stavka. It creates, prices, suspends, finishes and
cancels events, and tells bet-maker about every change.

It is configured by environment variables, and by a file .env in the working
directory, which the environment overrides. .env.example lists all of them.
`
}

// NewCommand returns the program's commands.
func NewCommand() *cobra.Command {
	return service.NewCommand(service.Program{
		Name: "lineprovider", Description: description(), Serve: serve,
		Commands: []*cobra.Command{
			service.HealthcheckCommand(func(cmd *cobra.Command) (string, error) {
				c, err := configure(cmd)
				return c.Addr, err
			}),
		},
	})
}

// configure reads the configuration and directs the log to the standard error.
func configure(cmd *cobra.Command) (Config, error) {
	if err := config.LoadDotEnv(".env"); err != nil {
		return Config{}, err
	}
	c, err := ConfigFromEnv(os.LookupEnv)
	if err == nil {
		slog.SetDefault(logging.New(cmd.ErrOrStderr(), c.Logging))
	}
	return c, err
}

func serve(cmd *cobra.Command) error {
	c, err := configure(cmd)
	if err != nil {
		return err
	}
	a, err := New(cmd.Context(), c)
	if err != nil {
		return err
	}
	return a.Run(cmd.Context())
}
