package eventfile_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"stavka.local/shared/odds"
	"stavka.local/stavka/internal/eventfile"
)

// all returns the rows up to the first error, and the error.
func all(rows iter.Seq2[eventfile.Event, error]) (events []eventfile.Event, err error) {
	for event, err := range rows {
		if err != nil {
			return events, err
		}
		events = append(events, event)
	}
	return events, nil
}

func TestReadsRows(t *testing.T) {
	t.Parallel()
	evening := time.Date(2026, time.December, 24, 18, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		format eventfile.Format
		text   string
		want   []eventfile.Event
	}{
		"CSV": {
			eventfile.CSV,
			"name,coefficient,deadline\nReds - Blues,1.45,1798135200\n\"Lions, \"\"Tigers\"\"\",2,2026-12-24T19:00:00+01:00\n\n,3.5,\n",
			[]eventfile.Event{
				{Line: 2, Coefficient: odds.MustParse("1.45"), Deadline: evening, Name: "Reds - Blues"},
				{Line: 3, Coefficient: odds.MustParse("2.00"), Deadline: evening, Name: `Lions, "Tigers"`},
				{Line: 5, Coefficient: odds.MustParse("3.50")},
			},
		},
		"CSV as spreadsheets write it": {
			eventfile.CSV, "\ufeff\"Coefficient \"\r\n1.45\r\n",
			[]eventfile.Event{{Line: 2, Coefficient: odds.MustParse("1.45")}},
		},
		"CSV with blank lines": {
			eventfile.CSV, "coefficient\n1.45\n\n1.50\n",
			[]eventfile.Event{{Line: 2, Coefficient: odds.MustParse("1.45")}, {Line: 4, Coefficient: odds.MustParse("1.50")}},
		},
		"JSON": {
			eventfile.JSON,
			"\ufeff[\n  {\"coefficient\": 1.45, \"deadline\": 1798135200, \"name\": \"Reds – Blues\"},\n\n  {\n    \"deadline\": \"2026-12-24T18:00:00Z\",\n    \"coefficient\": 2\n  }, {\"coefficient\":3.5,\"name\":null,\"deadline\":null}\n]\n",
			[]eventfile.Event{
				{Line: 2, Coefficient: odds.MustParse("1.45"), Deadline: evening, Name: "Reds – Blues"},
				{Line: 4, Coefficient: odds.MustParse("2.00"), Deadline: evening},
				{Line: 7, Coefficient: odds.MustParse("3.50")},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, from := range map[string]io.Reader{
				"whole": strings.NewReader(tt.text), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.text)),
			} {
				got, err := all(eventfile.Read(from, tt.format))
				if err != nil || !reflect.DeepEqual(got, tt.want) {
					t.Errorf("%s: got  %+v %v\nwant %+v", how, got, err, tt.want)
				}
			}
		})
	}
}

func TestNamesTheLineOfAMistake(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 201)
	for _, tt := range []struct {
		format eventfile.Format
		text   string
		line   int
		want   string
	}{
		{eventfile.CSV, "name\nReds\n", 1, "no column coefficient"},
		{eventfile.CSV, "coefficient,odds\n1.45,2\n", 1, `"odds"`},
		{eventfile.CSV, "coefficient,Coefficient\n1.45,2\n", 1, "twice"},
		{eventfile.CSV, "coefficient,name\n1.45,a\n1.45,b,c\n", 3, "number of columns"},
		{eventfile.CSV, "coefficient\n1.45\n1.455\n", 3, `"1.455"`},
		{eventfile.CSV, "coefficient\n1,45\n", 2, "number of columns"},
		{eventfile.CSV, "coefficient\n1e2\n", 2, `"1e2"`},
		{eventfile.CSV, "coefficient\n-1.45\n", 2, `"-1.45"`},
		{eventfile.CSV, "coefficient,name\n,Reds\n", 2, "no coefficient"},
		{eventfile.CSV, "coefficient,deadline\n1.45,tomorrow\n", 2, `"tomorrow"`},
		{eventfile.CSV, "coefficient,deadline\n1.45,253402300800\n", 2, "1970 to 9999"},
		{eventfile.CSV, "coefficient,deadline\n1.45,1830297600000\n", 2, `"1830297600000" is not from 1970 to 9999; it looks like milliseconds`},
		{eventfile.CSV, "coefficient,deadline\n1.45,2030-02-30T18:00:00Z\n", 2, `deadline "2030-02-30T18:00:00Z"`},
		{eventfile.CSV, "coefficient,name\n1.45," + long + "\n", 2, "201 characters"},
		{eventfile.CSV, "coefficient,name\n1.45,\"a\nb\"\n", 2, "control character"},
		{eventfile.CSV, "coefficient,name\n1.45,\xff\n", 2, "UTF-8"},
		{eventfile.CSV, "coefficient,name\n1.45,a\n1.45,\"b\n", 3, ""},
		{eventfile.JSON, "{\"coefficient\":1.45}", 1, "not a JSON array"},
		{eventfile.JSON, "[\n{\"coefficient\":1.45},\n{\"coefficient\":1.455}\n]", 3, "1.455"},
		{eventfile.JSON, "[\n{\"coefficient\":\"1.45\"}\n]", 2, "1.45"},
		{eventfile.JSON, "[\n{\"name\":\"Reds\"}\n]", 2, "no coefficient"},
		{eventfile.JSON, "[\n{\"coefficient\":1.45,\"odds\":2}\n]", 2, "odds"},
		{eventfile.JSON, "[\n{\"coefficient\":1.45,\"name\":7}\n]", 2, "name"},
		{eventfile.JSON, "[\n1.45\n]", 2, "object"},
		{eventfile.JSON, "[\n{\"coefficient\":2,\"coefficient\":3}\n]", 2, "twice"},
		{eventfile.JSON, "[\n{\"coefficient\":2,\"COEFFICIENT\":3}\n]", 2, "COEFFICIENT"},
		{eventfile.JSON, "[\n{\"coefficient\":2,\"name\":\"\xff\"}\n]", 2, "UTF-8"},
		{eventfile.JSON, "[\n{\"coefficient\":1.45},\n{\"coefficient\":1.45,\n\"name\" \"Reds\"}\n]", 4, "invalid character"},
		{eventfile.JSON, "[\n{\"coefficient\":1.45}\n{\"coefficient\":1.45}]", 3, ""},
		{eventfile.JSON, "[\n{\"coefficient\":1.45},\n{\"coefficient\":1.4", 3, "ends"},
		{eventfile.JSON, "[\n{\"coefficient\":1.45}\n]\n[]", 4, "more"},
	} {
		t.Run(fmt.Sprintf("%s %.60q", tt.format, tt.text), func(t *testing.T) {
			t.Parallel()
			_, err := all(eventfile.Read(strings.NewReader(tt.text), tt.format))
			wrong, ok := errors.AsType[*eventfile.LineError](err)
			if !ok || wrong.Line != tt.line || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error of line %d that has %q", err, tt.line, tt.want)
			}
		})
	}
}

func TestFileWithoutEventsIsAnError(t *testing.T) {
	t.Parallel()
	for _, format := range []eventfile.Format{eventfile.CSV, eventfile.JSON} {
		for _, text := range []string{"", "\n", "coefficient,name\n", "[]"} {
			if events, err := all(eventfile.Read(strings.NewReader(text), format)); err == nil {
				t.Errorf("%s %q: got %+v", format, text, events)
			}
		}
	}
}

// A reading error is passed on unchanged: it is not an error in the file.
func TestPassesReadingErrorsOn(t *testing.T) {
	t.Parallel()
	for format, begin := range map[eventfile.Format]string{eventfile.CSV: "coefficient\n1.45\n", eventfile.JSON: "[\n{\"coefficient\":1.45},"} {
		broken := errors.New("the disk is gone")
		_, err := all(eventfile.Read(io.MultiReader(strings.NewReader(begin), iotest.ErrReader(broken)), format))
		if !errors.Is(err, broken) {
			t.Errorf("%s: got %v", format, err)
		}
	}
}

func TestFormatOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]eventfile.Format{"a.csv": eventfile.CSV, "b/A.JSON": eventfile.JSON, "csv": "", "a.txt": ""} {
		if got, err := eventfile.FormatOf(name); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q %v", name, got, err)
		}
	}
}

// For any file, no row comes after an error, and the API would take every row.
func FuzzRead(f *testing.F) {
	f.Add("coefficient,deadline,name\n1.45,1798135200,Reds\n", true)
	f.Add("[\n{\"coefficient\":1.45,\"deadline\":\"2026-12-24T18:00:00Z\"}]", false)
	f.Fuzz(func(t *testing.T, text string, isCSV bool) {
		format := eventfile.JSON
		if isCSV {
			format = eventfile.CSV
		}
		failed, lines := false, []int{}
		for event, err := range eventfile.Read(strings.NewReader(text), format) {
			if failed {
				t.Fatalf("a row after an error: %+v %v", event, err)
			}
			if failed = err != nil; failed {
				continue
			}
			lines = append(lines, event.Line)
			if len([]rune(event.Name)) > 200 || event.Deadline.Nanosecond() != 0 {
				t.Errorf("not an event: %+v", event)
			}
		}
		if !slices.IsSorted(lines) || len(lines) > 0 && (lines[0] < 1 || lines[len(lines)-1] > 1+strings.Count(text, "\n")+strings.Count(text, "\r")) {
			t.Errorf("lines %v of %q", lines, text)
		}
	})
}
