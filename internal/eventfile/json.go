package eventfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"
)

// readJSON reads an array of objects.
func readJSON(from io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		lines := &lineCounter{from: from}
		decoder := json.NewDecoder(lines)
		decoder.UseNumber() // digits, not floats
		fail := func(err error) { yield(Event{}, explainJSON(lines, decoder, err)) }

		begin, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil && begin != json.Delim('[') {
			err = errors.New("the file is not a JSON array")
		}
		if err != nil {
			fail(err)
			return
		}
		for decoder.More() {
			line := lines.at(decoder.InputOffset())
			var raw json.RawMessage
			if err := decoder.Decode(&raw); err != nil {
				fail(err)
				return
			}
			// Between two objects there are white space and a comma.
			line = max(line, lines.at(decoder.InputOffset()-int64(len(raw))))
			r, err := object(line, raw)
			if err != nil {
				yield(Event{}, &LineError{line, err})
				return
			}
			event, err := r.event()
			if !yield(event, err) || err != nil {
				return
			}
		}
		if _, err := decoder.Token(); err != nil {
			fail(err)
			return
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			fail(errors.New("there is more after the end of the array"))
		}
	}
}

// object reads the members of one object.
func object(line int, raw json.RawMessage) (row, error) {
	var members struct {
		Coefficient json.RawMessage `json:"coefficient"`
		Deadline    json.RawMessage `json:"deadline"`
		Name        *string         `json:"name"`
	}
	if !utf8.Valid(raw) {
		return row{}, errors.New("it is not valid UTF-8")
	}
	if err := checkKeys(raw); err != nil {
		return row{}, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&members); err != nil {
		if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			if wrongType.Field == "" {
				return row{}, fmt.Errorf("an event is an object, not a %s", wrongType.Value)
			}
			return row{}, fmt.Errorf("%s must not be a %s", wrongType.Field, wrongType.Value)
		}
		return row{}, err
	}
	r := row{line: line, coefficient: string(members.Coefficient)}
	if members.Name != nil {
		r.name = *members.Name
	}
	if isNull(members.Coefficient) {
		r.coefficient = ""
	}
	if !isNull(members.Deadline) {
		r.deadline = string(members.Deadline)
		if text := ""; members.Deadline[0] == '"' {
			if err := json.Unmarshal(members.Deadline, &text); err != nil {
				return row{}, err
			}
			r.deadline = text
		}
	}
	return r, nil
}

// checkKeys refuses keys in another spelling, and duplicate keys: encoding/json takes the last of
// them, other readers may take the first, and one of the keys is a price.
func checkKeys(raw json.RawMessage) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return err // decoding reports any other type
	}
	seen := make(map[string]bool)
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		switch {
		case seen[name]:
			return fmt.Errorf("%.40q is there twice", name)
		case name != strings.ToLower(name):
			return fmt.Errorf("there is a %.40q; known are coefficient, deadline and name", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
	}
	return nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func explainJSON(lines *lineCounter, decoder *json.Decoder, err error) error {
	offset := decoder.InputOffset()
	malformed, isSyntax := errors.AsType[*json.SyntaxError](err)
	switch {
	case isSyntax:
		offset = max(offset, malformed.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		offset, err = lines.read, errors.New("the file ends in the middle of a value")
	case lines.failed != nil:
		return lines.failed
	}
	return &LineError{lines.at(offset), err}
}

// lineCounter is a reader that maps the offsets of what was read through it to lines. Offsets must
// be looked up in ascending order.
type lineCounter struct {
	from     io.Reader
	read     int64
	newlines []int64 // the offsets of newlines behind the last offset looked up
	line     int     // the number of newlines before it
	failed   error
}

// Read implements io.Reader.
func (l *lineCounter) Read(into []byte) (int, error) {
	n, err := l.from.Read(into)
	for i, b := range into[:n] {
		if b == '\n' {
			l.newlines = append(l.newlines, l.read+int64(i))
		}
	}
	l.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		l.failed = err
	}
	return n, err
}

// at returns the line of an offset, counted from 1.
func (l *lineCounter) at(offset int64) int {
	passed := 0
	for passed < len(l.newlines) && l.newlines[passed] < offset {
		passed++
	}
	l.newlines = l.newlines[passed:]
	l.line += passed
	return l.line + 1
}
