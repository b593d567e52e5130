// Package system runs Stavka as its users run it: the real binaries against real
// servers, reached over HTTP only.
package system

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Root is the root of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Binaries is where the services' binaries are.
type Binaries struct{ BetMaker, LineProvider string }

// Build builds both services, with the race detector and with crash points, into dir.
func Build(dir string) (Binaries, error) {
	binaries := Binaries{filepath.Join(dir, "betmaker"), filepath.Join(dir, "lineprovider")}
	for binary, module := range map[string]string{binaries.BetMaker: "betmaker", binaries.LineProvider: "lineprovider"} {
		cmd := exec.Command("go", "build", "-race", "-tags", "crashpoints", "-o", binary, "./"+module+"/cmd/"+module)
		cmd.Dir = Root()
		if out, err := cmd.CombinedOutput(); err != nil {
			return Binaries{}, fmt.Errorf("build %s: %w\n%s", module, err, out)
		}
	}
	return binaries, nil
}

// Remove deletes the binaries' directory.
func (b Binaries) Remove() error {
	if err := os.RemoveAll(filepath.Dir(b.BetMaker)); err != nil {
		return fmt.Errorf("remove the binaries: %w", err)
	}
	return nil
}
