// Command stavka runs all of Stavka in one process: bet-maker and line-provider on two SQLite files,
// without any other program. See stavka --help.
package main

import (
	"os"

	"stavka.local/shared/service"
	"stavka.local/stavka/internal/embedded"
)

func main() { os.Exit(service.Main(embedded.NewCommand(os.LookupEnv))) }
