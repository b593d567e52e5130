// Command betmaker runs bet-maker. See betmaker --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"stavka.local/betmaker/app"
)

func main() {
	err := app.Command(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "betmaker:", err)
	if misuse := (*app.UsageError)(nil); errors.As(err, &misuse) {
		os.Exit(2)
	}
	os.Exit(1)
}
