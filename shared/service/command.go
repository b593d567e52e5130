// Package service is the skeleton that all programs of Stavka share: the command tree with its exit
// codes, the health check, and how a service is put together, run and stopped.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"stavka.local/shared/buildinfo"
	"stavka.local/shared/config"
)

// The exit statuses of all programs.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// exitStatuses ends the help of every program.
const exitStatuses = `
The exit status is 0 on success, 1 on failure, and 2 when the command line is not
understood.`

// UsageError is the error of an invalid command line.
type UsageError struct {
	Command string // the command whose help to read, such as "betmaker ledger verify"
	Err     error
}

// Error implements error.
func (e *UsageError) Error() string { return fmt.Sprintf("%v; see %s --help", e.Err, e.Command) }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Program describes a program whose main purpose is to serve.
type Program struct {
	Name        string
	Description string // begins its help
	Settings    []config.Setting
	Serve       func(*cobra.Command) error
	Commands    []*cobra.Command
}

// NewCommand returns the command tree of a program: its own commands, serve, which is also what the
// program does without a command, and version.
func NewCommand(p Program) *cobra.Command {
	serve := func(cmd *cobra.Command, _ []string) error { return p.Serve(cmd) }
	root := &cobra.Command{
		Use: p.Name, Long: p.Description + exitStatuses, RunE: serve,
		// Run reports errors.
		SilenceErrors: true, SilenceUsage: true, DisableSuggestions: true,
	}
	root.AddCommand(
		&cobra.Command{Use: "serve", Short: "Serve until SIGINT or SIGTERM (the default)", Args: cobra.NoArgs, RunE: serve},
		&cobra.Command{
			Use: "version", Short: "Show the version of the program", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return Printf(cmd.OutOrStdout(), "%s", buildinfo.Version(p.Name))
			},
		})
	root.AddCommand(p.Commands...)
	// Without a function to run, cobra takes it for a topic of the help.
	root.AddCommand(&cobra.Command{
		Use: "variables", Short: "The environment variables that configure the program",
		Long: "The environment variables that configure the program:\n\n" + config.Describe(p.Settings),
	})
	root.SetHelpCommand(&cobra.Command{Use: "help [COMMAND]", Short: "Show the help of a command", RunE: showHelp})
	return root
}

// showHelp is cobra's command help, but fails when there is no such command.
func showHelp(cmd *cobra.Command, args []string) error {
	found, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return &UsageError{cmd.Root().Name(), fmt.Errorf("unknown command %q", strings.Join(args, " "))}
	}
	return found.Help()
}

// Group returns a command that only has subcommands, which its description lists.
func Group(name, short string, commands ...*cobra.Command) *cobra.Command {
	names := make([]string, len(commands))
	for i, command := range commands {
		names[i] = command.Name()
	}
	group := &cobra.Command{
		Use: name, Short: short + ": " + strings.Join(names, ", "), Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return &UsageError{cmd.CommandPath(), fmt.Errorf("%q needs a command", cmd.CommandPath())}
		},
	}
	group.AddCommand(commands...)
	return group
}

// Main runs a program with the arguments of the process, writes an error to the standard error, and
// returns the exit status.
func Main(root *cobra.Command) int {
	relaxCollector()
	err := Run(context.Background(), root, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", root.Name(), err)
	if _, ok := errors.AsType[*UsageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// Run runs the command that the arguments name and returns its error. An error in the arguments is a
// *UsageError; the command has not begun then.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) error {
	understood := false
	root.PersistentPreRun = func(*cobra.Command, []string) { understood = true }
	root.SetArgs(append([]string{}, args...)) // nil would be the arguments of the process
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !understood {
		return &UsageError{cmd.CommandPath(), err}
	}
	return err
}

// Printf writes formatted text. It wraps the error of w.
func Printf(w io.Writer, format string, args ...any) error {
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
