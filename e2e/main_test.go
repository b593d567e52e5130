// Package e2e tells Stavka's story from outside: the real binaries, real PostgreSQL,
// Redis and RabbitMQ, everything asked and answered over HTTP and held against the
// OpenAPI documents. `make test` runs it; single tests run by
//
//	tools/services run go test ./e2e -run TestStory
//
// The tests called TestEmbedded... tell it of the embedded shape, one process that keeps
// its data in files. They need no server: go test ./e2e -run '^TestEmbedded'
package e2e

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"stavka.local/stavka/e2e/contract"
	"stavka.local/stavka/e2e/system"
)

var binaries system.Binaries

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "stavka-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binaries = system.NewBinaries(dir)
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if code == 0 && everythingRan() {
		return reportUnseen()
	}
	return code
}

// everythingRan tells whether no test was left out, so that the contract's answers can be counted.
func everythingRan() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.bench", "test.fuzz"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}

// unreachable lists the documented answers that no black-box test can provoke, each
// with where it is shown instead.
var unreachable = []contract.Answer{}

// reportUnseen fails the run when a documented operation or error was never answered.
func reportUnseen() int {
	code := 0
	for name, spec := range map[string]*contract.Spec{"bet-maker": system.BetMakerSpec(), "line-provider": system.LineProviderSpec()} {
		unseen := slices.DeleteFunc(spec.Unseen(), func(a contract.Answer) bool { return slices.Contains(unreachable, a) })
		fmt.Printf("contract of %s: %d of %d documented answers seen\n", name, len(spec.Documented())-len(unseen), len(spec.Documented()))
		for _, answer := range unseen {
			fmt.Printf("FAIL: no test saw %s: %s\n", name, answer)
			code = 1
		}
	}
	return code
}

// start starts a system for one test.
func start(t *testing.T, options system.Options) *system.System {
	t.Helper()
	options.Binaries = binaries
	return system.Start(t, options)
}
