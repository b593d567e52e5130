// Command reference writes the reference of the commands of all programs to its standard output.
package main

import (
	"fmt"
	"os"

	betmaker "stavka.local/betmaker/app"
	lineprovider "stavka.local/lineprovider/app"
	"stavka.local/shared/service"
	"stavka.local/stavka/internal/embedded"
)

func main() {
	noVariables := func(string) (string, bool) { return "", false }
	err := service.WriteReference(os.Stdout, embedded.NewCommand(noVariables), betmaker.NewCommand(), lineprovider.NewCommand())
	if err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}
