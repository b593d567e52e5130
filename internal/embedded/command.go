// Package embedded runs both services in one process, on two SQLite files in one directory, and works
// on the data in that directory. An instance needs no other program and reads no .env file.
package embedded

import (
	"context"

	"github.com/spf13/cobra"

	betmaker "stavka.local/betmaker/app"
	"stavka.local/shared/lifecycle"
	"stavka.local/shared/service"
	"stavka.local/stavka/internal/demo"
)

// description begins the program's help.
const description = `Stavka takes bets on events. This program runs both of its services, bet-maker and
line-provider, in one process, and keeps all data in one directory.

Events can be imported, bets exported, the ledger verified and passwords set while an
instance serves from the same directory.

It is configured by flags and environment variables: "stavka help variables" lists them.
It reads no .env file.
`

// program is the state that its commands share.
type program struct{ settings }

// NewCommand returns the program's commands. environment looks variables up.
func NewCommand(environment func(string) (string, bool)) *cobra.Command {
	root, _ := newCommand(environment)
	return root
}

func newCommand(environment func(string) (string, bool)) (*cobra.Command, *program) {
	p := &program{newSettings(environment)}
	root := service.NewCommand(service.Program{
		Name: "stavka", Description: description, Settings: Settings(), Serve: p.serve,
		Commands: []*cobra.Command{
			p.demoCommand(),
			service.Group("events", "Import events", p.importCommand()),
			betmaker.BetsCommand(p.configureGuest),
			betmaker.LedgerCommand(p.configureGuest),
			betmaker.UsersCommand(p.configureGuest),
		},
	})
	flags := root.PersistentFlags()
	flags.StringVar(&p.betMakerAddr, "betmaker-addr", p.betMakerAddr, "`HOST:PORT` where bet-maker listens; BETMAKER_ADDR")
	flags.StringVar(&p.lineProviderAddr, "lineprovider-addr", p.lineProviderAddr, "`HOST:PORT` where line-provider listens; LINEPROVIDER_ADDR")
	flags.StringVar(&p.dataDir, "data-dir", p.dataDir, "`DIRECTORY` of all data; DATA_DIR")
	return root, p
}

// begin directs the log to the standard error and returns the settings.
func (p *program) begin(cmd *cobra.Command) settings {
	s := p.withDefaults()
	service.LogTo(cmd.ErrOrStderr(), s.lookup)
	return s
}

// configureGuest returns the configuration of bet-maker for a command that may run beside an instance
// and signs nothing.
func (p *program) configureGuest(cmd *cobra.Command) (betmaker.Config, error) {
	s := p.begin(cmd)
	s.secretKey = noSecretKey
	config, _, err := s.configure(nil)
	return config, err
}

func (p *program) serve(cmd *cobra.Command) error {
	i, err := newInstance(cmd.Context(), p.begin(cmd), cmd.OutOrStdout())
	if err != nil {
		return err
	}
	return lifecycle.Run(cmd.Context(), i, grace)
}

func (p *program) demoCommand() *cobra.Command {
	var running bool
	cmd := &cobra.Command{
		Use: "demo", Short: "Play a story and check every answer",
		Long: `Play a story on an instance that is started for it and leaves nothing behind, and check
every answer. With --running, play it on the instance that runs at the two addresses.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := p.begin(cmd)
			play := func(ctx context.Context, stage demo.Stage) error {
				return demo.Play(ctx, stage, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			if !running {
				return onTemporaryInstance(cmd.Context(), s, play)
			}
			stage, err := s.stage()
			if err != nil {
				return err
			}
			return play(cmd.Context(), stage)
		},
	}
	cmd.Flags().BoolVar(&running, "running", false, "play on the instance that runs at the two addresses")
	return cmd
}
