// Package e2e tests Stavka from outside: the real binaries with real PostgreSQL, Redis and
// RabbitMQ. Every exchange goes over HTTP and is checked against the OpenAPI documents.
// `make test` runs it. To run single tests:
//
//	tools/services run go test ./e2e -run TestStory
//
// The tests named TestEmbedded... test the embedded shape, one process that keeps its data in
// files. They need no server: go test ./e2e -run '^TestEmbedded'
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

// everythingRan reports whether all tests were run, so that all answers of the contract must have been seen.
func everythingRan() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.bench", "test.fuzz"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}

// unreachable lists the documented answers that no black-box test can provoke, each with the
// test that shows it instead.
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
