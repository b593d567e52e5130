// Command lineprovider runs line-provider. See lineprovider --help.
package main

import (
	"os"

	"stavka.local/lineprovider/app"
	"stavka.local/shared/service"
)

func main() { os.Exit(service.Main(app.NewCommand())) }
