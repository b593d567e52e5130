// Package progress shows the progress of long work as a bar on a terminal. Elsewhere it shows
// nothing, because a bar would only fill a log.
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

// New returns a bar on w if w is a terminal. description is shown before the bar, and unit names
// what is counted, such as "events".
func New(w io.Writer, total int64, description, unit string) Bar {
	if !isTerminal(w) {
		return Bar{}
	}
	return Bar{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(description),
		progressbar.OptionSetItsString(unit),
		progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(true),
	)}
}

// Set shows that n of the total are done.
func (b Bar) Set(n int64) {
	if b.bar != nil {
		_ = b.bar.Set64(n) // the work goes on when the bar cannot be drawn
	}
}

// Describe changes the description.
func (b Bar) Describe(description string) {
	if b.bar != nil {
		b.bar.Describe(description)
	}
}

// Clear removes the bar from the terminal, so that other lines can be written.
func (b Bar) Clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
