// Package eventfile reads files of new events, CSV or JSON, row by row. It checks the form of
// each row; the line decides whether it accepts an event. Every error in a file names the line.
package eventfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"stavka.local/shared/odds"
	"stavka.local/shared/plaintext"
)

const (
	// maxName and maxDeadline are the bounds of api/lineprovider.yaml, NewEvent.
	maxName     = 200
	maxDeadline = 253402300799 // the last second of the year 9999
)

// Event is a row.
type Event struct {
	Line        int // of the file, from 1, where the row begins
	Coefficient odds.Decimal
	Deadline    time.Time // in whole seconds, UTC; zero when the row has none
	Name        string    // may be empty
}

// LineError is an error in a line of the file.
type LineError struct {
	Line int
	Err  error
}

// Error implements error.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// Format is the format of a file.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	JSON Format = "json"
)

// FormatOf returns the format that the extension of a file name stands for.
func FormatOf(name string) (Format, error) {
	switch ending := strings.ToLower(filepath.Ext(name)); ending {
	case ".csv":
		return CSV, nil
	case ".json":
		return JSON, nil
	default:
		return "", fmt.Errorf("the name %q ends neither in .csv nor in .json", filepath.Base(name))
	}
}

// Read yields the rows of a file in order. It holds one row at a time. It ends with the first error,
// which is a *LineError unless reading itself failed. A file without rows is an error.
func Read(from io.Reader, format Format) iter.Seq2[Event, error] {
	rows := readCSV
	if format == JSON {
		rows = readJSON
	}
	return func(yield func(Event, error) bool) {
		found := false
		for event, err := range rows(withoutMark(from)) {
			if found = true; !yield(event, err) || err != nil {
				return
			}
		}
		if !found {
			yield(Event{}, errors.New("the file has no events"))
		}
	}
}

// byteOrderMark is written by spreadsheets and some editors at the beginning of a file.
const byteOrderMark = "\ufeff"

func withoutMark(from io.Reader) io.Reader {
	buffered := bufio.NewReader(from)
	if begin, _ := buffered.Peek(len(byteOrderMark)); string(begin) == byteOrderMark {
		_, _ = buffered.Discard(len(byteOrderMark)) // it is in the buffer
	}
	return buffered
}

// row holds the unchecked texts of a row.
type row struct {
	line                        int
	coefficient, deadline, name string
}

func (r row) event() (Event, error) {
	event := Event{Line: r.line, Name: r.name}
	wrong := func(err error) (Event, error) { return Event{}, &LineError{r.line, err} }
	if r.coefficient == "" {
		return wrong(errors.New("there is no coefficient"))
	}
	var err error
	if event.Coefficient, err = odds.Parse(r.coefficient); err != nil {
		return wrong(err)
	}
	if event.Deadline, err = deadline(r.deadline); err != nil {
		return wrong(err)
	}
	if err := checkName(r.name); err != nil {
		return wrong(err)
	}
	return event, nil
}

// deadline parses Unix seconds or RFC 3339. An empty text is no deadline.
func deadline(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return time.Time{}, fmt.Errorf("the deadline %.40q is neither Unix seconds nor an instant such as 2026-12-24T18:00:00Z", text)
		}
		seconds = at.Unix()
	}
	switch {
	case seconds > maxDeadline && seconds/1000 <= maxDeadline:
		return time.Time{}, fmt.Errorf("the deadline %.40q is not from 1970 to 9999; it looks like milliseconds, and Unix seconds are wanted", text)
	case seconds < 0 || seconds > maxDeadline:
		return time.Time{}, fmt.Errorf("the deadline %.40q is not from 1970 to 9999", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n > maxName {
		return fmt.Errorf("the name has %d characters, more than %d", n, maxName)
	}
	if problem := plaintext.Problem(name); name != "" && problem != "" {
		return fmt.Errorf("the name %.40q %s", name, problem)
	}
	return nil
}
