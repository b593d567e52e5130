// Package system runs Stavka as its users do: the real binaries with real servers, or the
// embedded one without servers. Tests reach them over HTTP only.
package system

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Root is the root of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// leaveOut excludes the C code of SQLite and argon2 from the race detector, as the Makefile does.
// The detector makes them much slower. The driver of SQLite is not excluded: it instantiates
// generic types that other packages use too.
var leaveOut = []string{
	"-gcflags=modernc.org/sqlite/lib=-race=false", "-gcflags=modernc.org/libc=-race=false",
	"-gcflags=golang.org/x/crypto/argon2=-race=false",
}

// Binaries are the programs, with race detector and crash points. Each function builds its
// program on the first call and returns its path.
type Binaries struct{ BetMaker, LineProvider, Embedded func() (string, error) }

// NewBinaries returns the programs. They are built into dir.
func NewBinaries(dir string) Binaries {
	build := func(name, pkg string) func() (string, error) {
		return sync.OnceValues(func() (string, error) {
			binary := filepath.Join(dir, name)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			args := slices.Concat([]string{"build", "-race", "-tags", "crashpoints"}, leaveOut, []string{"-o", binary, pkg})
			cmd := exec.CommandContext(ctx, "go", args...)
			cmd.Dir = Root()
			if out, err := cmd.CombinedOutput(); err != nil {
				return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
			}
			return binary, nil
		})
	}
	return Binaries{
		BetMaker:     build("betmaker", "./betmaker/cmd/betmaker"),
		LineProvider: build("lineprovider", "./lineprovider/cmd/lineprovider"),
		Embedded:     build("stavka", "."),
	}
}
