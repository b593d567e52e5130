// Package progress shows how far long work has got: a bar on a terminal, and nothing
// anywhere else, where it would only fill a log.
package progress

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Bar is a bar, or nothing.
type Bar struct{ bar *progressbar.ProgressBar }

// New returns a bar on w, if that is a terminal, of what there is to do in all. unit is what
// is counted, such as "events".
func New(w io.Writer, total int64, what, unit string) Bar {
	if !IsTerminal(w) {
		return Bar{}
	}
	return Bar{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetItsString(unit),
		progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(true),
	)}
}

// Set says that n of the total are done.
func (b Bar) Set(n int64) {
	if b.bar != nil {
		_ = b.bar.Set64(n) // a bar that cannot be drawn is no reason to stop working
	}
}

// Say changes what the bar says is being done.
func (b Bar) Say(what string) {
	if b.bar != nil {
		b.bar.Describe(what)
	}
}

// Clear takes the bar off the terminal, so that other lines can be written.
func (b Bar) Clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}

// IsTerminal tells whether a person sees what is written to w.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
