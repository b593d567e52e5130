package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"stavka.local/shared/config"
	"stavka.local/shared/fault"
	"stavka.local/shared/logging"
)

// Configure returns the configuration with which a command works. It is called after the command
// line has been parsed.
type Configure[C any] func(*cobra.Command) (C, error)

// FromEnvironment returns a Configure that reads the environment and the file .env in the working
// directory, which the environment overrides.
func FromEnvironment[C any](read func(lookup func(string) (string, bool)) (C, error)) Configure[C] {
	return func(cmd *cobra.Command) (c C, err error) {
		if err := config.LoadDotEnv(".env"); err != nil {
			return c, err
		}
		LogTo(cmd.ErrOrStderr(), os.LookupEnv)
		return read(os.LookupEnv)
	}
}

// LogTo directs the default log to w. Problems of the variables are left to the configuration, which
// reads them too.
func LogTo(w io.Writer, lookup func(string) (string, bool)) {
	slog.SetDefault(logging.New(w, logging.Read(config.NewReader(lookup))))
}

// Run returns a function that reads the configuration and calls do.
func (configure Configure[C]) Run(do func(*cobra.Command, C) error) func(*cobra.Command) error {
	return func(cmd *cobra.Command) error {
		c, err := configure(cmd)
		if err != nil {
			return err
		}
		return explain(do(cmd, c))
	}
}

// Command returns a command without arguments that reads the configuration and calls do.
func (configure Configure[C]) Command(use, short string, do func(*cobra.Command, C) error) *cobra.Command {
	run := configure.Run(do)
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd) },
	}
}

// Serve returns a function that reads the configuration, makes a service and runs it.
func Serve[C any, A interface {
	Run(ctx context.Context) error
}](configure Configure[C], newService func(context.Context, C) (A, error)) func(*cobra.Command) error {
	return configure.Run(func(cmd *cobra.Command, c C) error {
		a, err := newService(cmd.Context(), c)
		if err != nil {
			return err
		}
		return a.Run(cmd.Context())
	})
}

// explain replaces a fault by its text for people, followed by the cause, which a person at a
// terminal may see.
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
