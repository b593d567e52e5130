// Command betmaker runs bet-maker. See betmaker --help.
package main

import (
	"os"

	"stavka.local/betmaker/app"
	"stavka.local/shared/service"
)

func main() { os.Exit(service.Main(app.NewCommand())) }
