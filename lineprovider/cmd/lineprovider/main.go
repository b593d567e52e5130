// Command lineprovider runs line-provider. See lineprovider --help.
package main

import (
	"context"
	"fmt"
	"os"

	"stavka.local/lineprovider/app"
)

func main() {
	if err := app.Command(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "lineprovider:", err)
		os.Exit(1)
	}
}
