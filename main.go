// Command stavka runs all of Stavka in one process: bet-maker and line-provider, on two
// SQLite files, without any other program. See stavka --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

func main() {
	err := command(context.Background(), os.LookupEnv, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "stavka:", err)
	if misuse := (*usageError)(nil); errors.As(err, &misuse) {
		os.Exit(2)
	}
	os.Exit(1)
}
