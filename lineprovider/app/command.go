package app

import (
	"github.com/spf13/cobra"

	"stavka.local/shared/service"
)

// description begins the program's help.
const description = `line-provider owns the line of Stavka. It creates, prices, suspends, finishes and
cancels events, and tells bet-maker about every change.

It is configured by environment variables, and by a file .env in the working
directory, which the environment overrides. "lineprovider help variables" lists them.
`

// NewCommand returns the program's commands.
func NewCommand() *cobra.Command {
	configure := service.FromEnvironment(ConfigFromEnv)
	return service.NewCommand(service.Program{
		Name: "lineprovider", Description: description, Settings: Settings(), Serve: service.Serve(configure, New),
		Commands: []*cobra.Command{service.HealthcheckCommand(configure, func(c Config) string { return c.Addr })},
	})
}
