package service

import (
	"os"
	"runtime/debug"
)

// collectorPercent is Go's GOGC: how far the heap may grow before garbage is collected. A bet
// takes less CPU than with Go's default of 100; see docs/performance.md.
const collectorPercent = 400

// relaxCollector sets collectorPercent for the process unless the operator has set GOGC.
func relaxCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
}
