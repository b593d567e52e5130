// Package buildinfo describes the build of a program.
package buildinfo

import (
	"runtime/debug"
	"strings"
)

// Version returns one line about a program: its name, the versions of the module and of Go, and the
// commit, as far as they are known.
func Version(program string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return program + ", built without build information\n"
	}
	words := []string{program, info.Main.Version, info.GoVersion}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			words = append(words, s.Value)
		}
	}
	return strings.Join(words, " ") + "\n"
}
