package line_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"stavka.local/shared/line"
	"stavka.local/shared/line/linetest"
	"stavka.local/shared/odds"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	golden := func(t *testing.T, name string) []byte {
		t.Helper()
		body, err := linetest.Golden.ReadFile("golden/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.TrimSuffix(body, []byte("\n"))
	}

	t.Run("reads and writes the golden changes", func(t *testing.T) {
		t.Parallel()
		for name, change := range linetest.GoldenChanges() {
			body := golden(t, name)
			if got, err := line.DecodeChange(body); err != nil || got != change {
				t.Errorf("%s decodes to %+v, %v; want %+v", name, got, err, change)
			}
			if got, err := line.EncodeChange(change); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%s is encoded as\n%s, %v; want\n%s", name, got, err, body)
			}
		}
	})

	t.Run("reads and writes the golden heartbeats", func(t *testing.T) {
		t.Parallel()
		for name, heartbeat := range linetest.GoldenHeartbeats() {
			body := golden(t, name)
			if got, err := line.DecodeHeartbeat(body); err != nil || got != heartbeat {
				t.Errorf("%s decodes to %+v, %v; want %+v", name, got, err, heartbeat)
			}
			if got, err := line.EncodeHeartbeat(heartbeat); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%s is encoded as\n%s, %v; want\n%s", name, got, err, body)
			}
		}
	})

	t.Run("has a meaning for every golden file", func(t *testing.T) {
		t.Parallel()
		files, err := fs.Glob(linetest.Golden, "golden/*")
		if err != nil {
			t.Fatal(err)
		}
		want := slices.AppendSeq(slices.Collect(maps.Keys(linetest.GoldenChanges())), maps.Keys(linetest.GoldenHeartbeats()))
		for i := range want {
			want[i] = "golden/" + want[i]
		}
		slices.Sort(want)
		if !slices.Equal(files, want) {
			t.Errorf("golden files are %q, want %q", files, want)
		}
	})

	t.Run("ignores unknown members", func(t *testing.T) {
		t.Parallel()
		body := strings.Replace(string(golden(t, "change_won.json")), "{", `{"Epoch":1,"markets":[{"a":{}}],"x":null,`, 1)
		want := linetest.GoldenChanges()["change_won.json"]
		if got, err := line.DecodeChange([]byte(body)); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

// An event of the HTTP API is a change without the epoch.
func TestDecodeEvent(t *testing.T) {
	t.Parallel()
	for name, want := range linetest.GoldenChanges() {
		body, err := line.EncodeChange(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		event := bytes.Replace(body, []byte(`"epoch":"`+want.Epoch.String()+`",`), nil, 1)
		if got, err := line.DecodeEvent(want.Epoch, event); err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", event, got, err, want)
		}
		spoilt := bytes.Replace(event, []byte(`"seq":`), []byte(`"seq":-`), 1)
		if got, err := line.DecodeEvent(want.Epoch, spoilt); !errors.Is(err, line.ErrPoison) || got != (line.Change{}) {
			t.Errorf("%s: got %+v, %v; want ErrPoison", spoilt, got, err)
		}
	}
}

func TestDecodePoison(t *testing.T) {
	t.Parallel()
	const change = `{"epoch":"d.1","event_id":1,"coefficient":1.45,"deadline":1737178310,"state":1,"create_date":1737173310,` +
		`"update_date":1737173310,"name":null,"suspended":false,"version":1,"seq":1,"result_revision":0,"effective_at":null}`
	const heartbeat = `{"epoch":"d.1","last_seq":42,"sent_at":1737178402250}`
	if _, err := line.DecodeChange([]byte(change)); err != nil {
		t.Fatalf("the change that the cases below spoil: %v", err)
	}
	if _, err := line.DecodeHeartbeat([]byte(heartbeat)); err != nil {
		t.Fatalf("the heartbeat that the cases below spoil: %v", err)
	}
	decodeChange := func(body []byte) error { _, err := line.DecodeChange(body); return err }
	decodeHeartbeat := func(body []byte) error { _, err := line.DecodeHeartbeat(body); return err }

	tests := []struct {
		name     string
		old, new string // old text in the message and its replacement; without old, new is the whole message
		want     string // part of the error
	}{
		{"empty", "", "", "not one JSON value"},
		{"text", "", "hello", "not one JSON value"},
		{"cut off", `:null}`, `:nul`, "not one JSON value"},
		{"array", "", "[]", "not a JSON object"},
		{"null", "", "null", "not a JSON object"},
		{"empty object", "", "{}", "epoch: missing"},
		{"trailing data", `:null}`, `:null}{}`, "not one JSON value"},
		{"too large", `:null}`, `:null,"x":"` + strings.Repeat("x", line.MaxBody) + `"}`, "more than 65536"},
		{"too deep", `:null}`, `:null,"x":` + strings.Repeat("[", 11000) + strings.Repeat("]", 11000) + `}`, "not one JSON value"},
		{"not UTF-8", `"name":null`, "\"name\":\"\xff\"", "not UTF-8"},
		{"not UTF-8 in an unknown member", `:null}`, ":null,\"x\":\"\xc0\xaf\"}", "not UTF-8"},
		{"duplicate member", `"seq":1`, `"seq":1,"seq":2`, `"seq": occurs twice`},
		{"duplicate member, escaped", `"seq":1`, `"seq":1,"\u0073eq":2`, `"seq": occurs twice`},
		{"duplicate unknown member", `"seq":1`, `"seq":1,"x":1,"x":1`, `"x": occurs twice`},
		{"member in another case", `"seq":1`, `"Seq":1`, "seq: missing"},

		{"epoch null", `"d.1"`, `null`, "epoch: null is not a string"},
		{"epoch number", `"d.1"`, `1.1`, "epoch: 1.1 is not a string"},
		{"epoch without generation", `"d.1"`, `"d"`, "epoch: "},
		{"epoch of generation 0", `"d.1"`, `"d.0"`, "epoch: "},
		{"event_id zero", `"event_id":1`, `"event_id":0`, "event_id: 0 is less than 1"},
		{"event_id negative", `"event_id":1`, `"event_id":-1`, "event_id: -1 is not a whole number in digits"},
		{"event_id text", `"event_id":1`, `"event_id":"1"`, `event_id: "1" is not`},
		{"event_id with decimals", `"event_id":1`, `"event_id":1.0`, "event_id: 1.0 is not"},
		{"event_id with exponent", `"event_id":1`, `"event_id":1e3`, "event_id: 1e3 is not"},
		{"event_id beyond 64 bits", `"event_id":1`, `"event_id":9223372036854775808`, "event_id: 9223372036854775808 does not fit"},
		{"coefficient with three decimals", `1.45`, `1.455`, "coefficient: "},
		{"coefficient with exponent", `1.45`, `1e1`, "coefficient: "},
		{"coefficient text", `1.45`, `"1.45"`, "coefficient: "},
		{"coefficient below one", `1.45`, `0.99`, "coefficient: 0.99 is less than 1.00"},
		{"coefficient negative", `1.45`, `-1.45`, "coefficient: "},
		{"coefficient huge", `1.45`, `100000`, "coefficient: "},
		{"deadline null", `"deadline":1737178310`, `"deadline":null`, "deadline: null is not"},
		{"deadline beyond the calendar", `"deadline":1737178310`, `"deadline":253402300800`, "deadline: 253402300800 is beyond"},
		{"deadline with decimals", `"deadline":1737178310`, `"deadline":1737178310.5`, "deadline: 1737178310.5 is not"},
		{"state zero", `"state":1`, `"state":0`, "state: 0 is less than 1"},
		{"state nine", `"state":1`, `"state":9`, "state: 9 is no state"},
		{"state that would wrap around", `"state":1`, `"state":257`, "state: 257 is no state"},
		{"create_date text", `"create_date":1737173310`, `"create_date":"2025-01-18"`, "create_date: "},
		{"update_date missing", `"update_date":1737173310,`, ``, "update_date: missing"},
		{"name number", `"name":null`, `"name":5`, "name: 5 is not a string"},
		{"name empty", `"name":null`, `"name":""`, "name: empty"},
		{"name with U+0000", `"name":null`, `"name":"a\u0000b"`, "name: contains U+0000"},
		{"name missing", `"name":null,`, ``, "name: missing"},
		{"suspended null", `"suspended":false`, `"suspended":null`, "suspended: null is neither"},
		{"suspended number", `"suspended":false`, `"suspended":0`, "suspended: 0 is neither"},
		{"version zero", `"version":1`, `"version":0`, "version: 0 is less than 1"},
		{"seq zero", `"seq":1`, `"seq":0`, "seq: 0 is less than 1"},
		{"result_revision negative", `"result_revision":0`, `"result_revision":-1`, "result_revision: -1 is not"},
		{"recorded_at text", `"effective_at":null`, `"effective_at":null,"recorded_at":"now"`, `recorded_at: "now" is not`},
		{"recorded_at too late", `"effective_at":null`, `"effective_at":null,"recorded_at":253402300800000`, "recorded_at: 253402300800000 is beyond"},
		{"effective_at missing", `,"effective_at":null`, ``, "effective_at: missing"},
		{"effective_at text", `"effective_at":null`, `"effective_at":"now"`, `effective_at: "now" is not`},

		{"last_seq negative", `"last_seq":42`, `"last_seq":-42`, "last_seq: -42 is not"},
		{"last_seq missing", `"last_seq":42,`, ``, "last_seq: missing"},
		{"sent_at text", `1737178402250`, `"2025-01-18T05:33:22Z"`, "sent_at: "},
		{"sent_at beyond the calendar", `1737178402250`, `253402300800000`, "sent_at: 253402300800000 is beyond"},
		{"heartbeat cut off", `1737178402250}`, ``, "not one JSON value"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			message, decode := change, decodeChange
			if !strings.Contains(change, test.old) {
				message, decode = heartbeat, decodeHeartbeat
			}
			body := test.new
			if test.old != "" {
				body = strings.Replace(message, test.old, test.new, 1)
				if body == message {
					t.Fatalf("%q does not occur in a message", test.old)
				}
			}
			err := decode([]byte(body))
			if !errors.Is(err, line.ErrPoison) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v; want one that is ErrPoison and says %q", err, test.want)
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("error of %d bytes: %.300s...", len(err.Error()), err)
			}
		})
	}
}

func TestEncodeRefusesInvalidMessages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(*line.Change)
		want  string
	}{
		{"no epoch", func(c *line.Change) { c.Epoch = line.Epoch{} }, "epoch: "},
		{"no id", func(c *line.Change) { c.Event.ID = 0 }, "event_id: "},
		{"no coefficient", func(c *line.Change) { c.Event.Coefficient = odds.Decimal{} }, "coefficient: "},
		{"no deadline", func(c *line.Change) { c.Event.Deadline = time.Time{} }, "deadline: "},
		{"no state", func(c *line.Change) { c.Event.State = 0 }, "state: "},
		{"unknown state", func(c *line.Change) { c.Event.State = 5 }, "state: "},
		{"no seq", func(c *line.Change) { c.Event.Seq = 0 }, "seq: "},
		{"name that is not UTF-8", func(c *line.Change) { c.Event.Name = "\xff" }, "name: not UTF-8"},
		{"name with U+0000", func(c *line.Change) { c.Event.Name = "\x00" }, "name: contains U+0000"},
		{"endless name", func(c *line.Change) { c.Event.Name = strings.Repeat("x", line.MaxBody) }, "more than 65536"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			change := linetest.GoldenChanges()["change_won.json"]
			test.spoil(&change)
			body, err := line.EncodeChange(change)
			if !errors.Is(err, line.ErrPoison) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %s, %v; want an error that is ErrPoison and says %q", body, err, test.want)
			}
		})
	}
	t.Run("heartbeat without time", func(t *testing.T) {
		t.Parallel()
		heartbeat := linetest.GoldenHeartbeats()["heartbeat.json"]
		heartbeat.SentAt = time.Time{}
		if body, err := line.EncodeHeartbeat(heartbeat); !errors.Is(err, line.ErrPoison) {
			t.Errorf("got %s, %v; want ErrPoison", body, err)
		}
	})
}

func TestParseEpoch(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"d.1", "f3b1c29a7d04.42", "A-Z_0-9.9223372036854775807", strings.Repeat("x", 64) + ".1"} {
		if epoch, err := line.ParseEpoch(text); err != nil || epoch.String() != text {
			t.Errorf("ParseEpoch(%q) = %v, %v", text, epoch, err)
		}
	}
	for _, text := range []string{
		"", ".", "d", "d.", ".1", "d.0", "d.-1", "d.+1", "d.01", "d.1.1", "d.x", "d 1", "d.1 ", "д.1", "d/e.1",
		"d.9223372036854775808", strings.Repeat("x", 65) + ".1",
	} {
		if epoch, err := line.ParseEpoch(text); err == nil {
			t.Errorf("ParseEpoch(%q) = %v, want an error", text, epoch)
		}
	}
}

func FuzzDecodeChange(f *testing.F) {
	seed(f, "change_*.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		change, err := line.DecodeChange(body)
		if err != nil {
			if !errors.Is(err, line.ErrPoison) || change != (line.Change{}) {
				t.Fatalf("got %+v, %v; want nothing and ErrPoison", change, err)
			}
			return
		}
		again, err := line.EncodeChange(change)
		if err != nil {
			t.Fatalf("decoded %+v but not encoded: %v", change, err)
		}
		if got, err := line.DecodeChange(again); err != nil || got != change {
			t.Fatalf("%s decodes to %+v, %v; want %+v", again, got, err, change)
		}
	})
}

func FuzzDecodeHeartbeat(f *testing.F) {
	seed(f, "heartbeat*.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		heartbeat, err := line.DecodeHeartbeat(body)
		if err != nil {
			if !errors.Is(err, line.ErrPoison) || heartbeat != (line.Heartbeat{}) {
				t.Fatalf("got %+v, %v; want nothing and ErrPoison", heartbeat, err)
			}
			return
		}
		again, err := line.EncodeHeartbeat(heartbeat)
		if err != nil {
			t.Fatalf("decoded %+v but not encoded: %v", heartbeat, err)
		}
		if got, err := line.DecodeHeartbeat(again); err != nil || got != heartbeat {
			t.Fatalf("%s decodes to %+v, %v; want %+v", again, got, err, heartbeat)
		}
	})
}

func seed(f *testing.F, pattern string) {
	f.Helper()
	files, err := fs.Glob(linetest.Golden, "golden/"+pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("golden files %s: %v, %v", pattern, files, err)
	}
	for _, file := range files {
		body, err := linetest.Golden.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
}
