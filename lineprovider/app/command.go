package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"stavka.local/shared/buildinfo"
	"stavka.local/shared/config"
	"stavka.local/shared/logging"
)

const usage = `line-provider owns the line of Stavka: it creates, prices, suspends, finishes and
cancels events, and tells bet-maker about every change.

Usage:
  lineprovider              serve until SIGINT or SIGTERM
  lineprovider healthcheck  ask the service on this machine whether it is ready
  lineprovider version      show what this is
  lineprovider --help       show this

It is configured by environment variables, and by a file .env in the working
directory, which the environment overrides. .env.example lists all of them.
`

// Command carries out what the arguments of the program say. The log goes to
// stderr. It returns when that is done, for the service when it has been told to
// stop.
func Command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	if len(args) > 1 {
		return fmt.Errorf("unexpected %q; see --help", args[1])
	}
	switch name {
	case "--help", "-h", "help":
		return write(stdout, usage)
	case "version":
		return write(stdout, buildinfo.Version("lineprovider"))
	case "", "healthcheck":
	default:
		return fmt.Errorf("unknown command %q; see --help", name)
	}

	if err := config.LoadDotEnv(".env"); err != nil {
		return err
	}
	c, err := ConfigFromEnv(os.LookupEnv)
	if err != nil {
		return err
	}
	if name == "healthcheck" {
		return Healthcheck(ctx, c)
	}
	slog.SetDefault(logging.New(stderr, c.Logging))
	a, err := New(ctx, c)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
