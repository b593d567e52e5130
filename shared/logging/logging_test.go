package logging_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"stavka.local/shared/config"
	"stavka.local/shared/logging"
	"stavka.local/shared/requestid"
)

func TestRecordsCarryTheContext(t *testing.T) {
	t.Parallel()
	ctx := requestid.With(t.Context(), "req-1")
	ctx = logging.With(ctx, slog.String("message_id", "a.1:7"))
	inner := logging.With(ctx, slog.Int("event_id", 42))

	var lines bytes.Buffer
	log := logging.New(&lines, logging.Options{Format: logging.JSON}).With("part", "consumer")
	log.InfoContext(inner, "applied", "seq", 7)

	var got map[string]any
	if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
		t.Fatalf("%s: %v", &lines, err)
	}
	for name, want := range map[string]any{
		"msg": "applied", "level": "INFO", "seq": 7.0, "part": "consumer",
		"request_id": "req-1", "message_id": "a.1:7", "event_id": 42.0,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}

	lines.Reset()
	log.InfoContext(ctx, "outer")
	if strings.Contains(lines.String(), "event_id") {
		t.Errorf("the outer context has the attributes of the inner one: %s", &lines)
	}
	lines.Reset()
	log.Info("bare")
	if strings.Contains(lines.String(), "request_id") {
		t.Errorf("a record without a request has an id: %s", &lines)
	}
}

func TestGroupsKeepTheContext(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	log := logging.New(&lines, logging.Options{}).WithGroup("relay")
	log.InfoContext(requestid.With(t.Context(), "req-1"), "published", "seq", 7)
	if got := lines.String(); !strings.Contains(got, "req-1") || !strings.Contains(got, "relay.seq=7") {
		t.Errorf("got %s", got)
	}
}

func TestLevelAndFormat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		level, format string
		want          logging.Options
	}{
		{"", "", logging.Options{Level: slog.LevelInfo, Format: logging.Text}},
		{"debug", "", logging.Options{Level: slog.LevelDebug, Format: logging.Text}},
		{"info", "json", logging.Options{Level: slog.LevelInfo, Format: logging.JSON}},
		{"warn", "text", logging.Options{Level: slog.LevelWarn, Format: logging.Text}},
		{"error", "", logging.Options{Level: slog.LevelError, Format: logging.Text}},
	} {
		variables := map[string]string{"LOG_LEVEL": test.level, "LOG_FORMAT": test.format}
		r := config.NewReader(func(name string) (string, bool) { v, ok := variables[name]; return v, ok })
		if got := logging.Read(r); got != test.want || r.Err() != nil {
			t.Errorf("%v: got %+v, %v", variables, got, r.Err())
		}
	}
	var lines bytes.Buffer
	log := logging.New(&lines, logging.Options{Level: slog.LevelWarn})
	log.Info("quiet")
	log.Warn("loud")
	if got := lines.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "msg=loud") {
		t.Errorf("got %s", got)
	}
}
