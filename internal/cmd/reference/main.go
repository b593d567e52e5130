// Command reference writes docs/commands.md, docs/configuration.md and .env.example from the programs,
// below the directory that is its argument. tools/generate runs it in the root of the repository.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	betmaker "stavka.local/betmaker/app"
	lineprovider "stavka.local/lineprovider/app"
	"stavka.local/shared/service"
	"stavka.local/stavka/internal/embedded"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("the only argument is a directory")
	}
	return errors.Join(writeCommands(args[0]), writeConfiguration(ctx, args[0]))
}

func writeCommands(directory string) error {
	noVariables := func(string) (string, bool) { return "", false }
	var text bytes.Buffer
	err := service.WriteReference(&text, embedded.NewCommand(noVariables), betmaker.NewCommand(), lineprovider.NewCommand())
	if err != nil {
		return err
	}
	return write(directory, "docs/commands.md", text.Bytes())
}

func write(directory, file string, text []byte) error {
	return os.WriteFile(filepath.Join(directory, file), text, 0o644) //nolint:gosec // a public file
}
