package lifecycle

import (
	"os"
	"runtime/debug"
)

// collectorPercent is Go's GOGC: by how much the heap may grow before its garbage is collected.
// A bet took a seventh less CPU in bet-maker than with Go's default of 100.
const collectorPercent = 400

// relaxCollector lets garbage lie for longer, unless the operator has said otherwise.
func relaxCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
}
