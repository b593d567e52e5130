package eventfile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// readCSV reads RFC 4180 with a header that names the columns, in any order.
func readCSV(from io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		reader := csv.NewReader(from)
		reader.ReuseRecord = true
		header, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield(Event{}, explainCSV(err))
			return
		}
		at, err := columns(header)
		if err != nil {
			yield(Event{}, &LineError{1, err})
			return
		}
		cell := func(record []string, column string) string {
			if i, ok := at[column]; ok {
				return strings.TrimSpace(record[i])
			}
			return ""
		}
		for {
			record, err := reader.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Event{}, explainCSV(err))
				return
			}
			line, _ := reader.FieldPos(0)
			// The reader reuses the record, but not its strings.
			event, err := row{line, cell(record, "coefficient"), cell(record, "deadline"), cell(record, "name")}.event()
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// columns returns the index of each column.
func columns(header []string) (map[string]int, error) {
	at := make(map[string]int, len(header))
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		switch name {
		case "coefficient", "deadline", "name":
		default:
			return nil, fmt.Errorf("the header has a column %.40q; known are coefficient, deadline and name", name)
		}
		if _, twice := at[name]; twice {
			return nil, fmt.Errorf("the header has the column %s twice", name)
		}
		at[name] = i
	}
	if _, ok := at["coefficient"]; !ok {
		return nil, errors.New("the header has no column coefficient")
	}
	return at, nil
}

func explainCSV(err error) error {
	malformed, ok := errors.AsType[*csv.ParseError](err)
	if !ok {
		return err
	}
	if errors.Is(malformed.Err, csv.ErrFieldCount) {
		return &LineError{malformed.Line, errors.New("the row has another number of columns than the header")}
	}
	return &LineError{malformed.Line, malformed.Err}
}
