package buildinfo_test

import (
	"runtime"
	"strings"
	"testing"

	"stavka.local/shared/buildinfo"
)

func TestVersionIsOneLine(t *testing.T) {
	t.Parallel()
	got := buildinfo.Version("stavka")
	if !strings.HasPrefix(got, "stavka ") || !strings.Contains(got, " "+runtime.Version()) || strings.Index(got, "\n") != len(got)-1 {
		t.Errorf("got %q", got)
	}
}
