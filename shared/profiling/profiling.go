//go:build profiling

package profiling

import (
	"fmt"
	"net/http"
	_ "net/http/pprof" //nolint:gosec // registered with the default mux, which a build for profiling alone serves
	"os"
)

func init() { //nolint:gochecknoinits // so that main need not mention it
	address := os.Getenv("PROFILING_ADDR")
	if address == "" {
		return
	}
	go func() {
		fmt.Fprintln(os.Stderr, "profiling:", http.ListenAndServe(address, nil)) //nolint:gosec // see doc.go
	}()
}
