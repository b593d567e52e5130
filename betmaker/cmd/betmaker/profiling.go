//go:build profiling

package main

import (
	"fmt"
	"net/http"
	_ "net/http/pprof" //nolint:gosec // registered with the default mux, which a build for profiling alone serves
	"os"
)

// A build with the tag profiling serves profiles at PROFILING_ADDR, which the benchmark
// keeps on the loopback interface. Nothing of it is in a released program.
func init() { //nolint:gochecknoinits // so that main knows nothing of it
	address := os.Getenv("PROFILING_ADDR")
	if address == "" {
		return
	}
	go func() {
		fmt.Fprintln(os.Stderr, "betmaker: profiling:", http.ListenAndServe(address, nil)) //nolint:gosec // see above
	}()
}
