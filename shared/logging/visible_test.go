package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"stavka.local/shared/logging"
)

// logs returns what a record with a text is in both formats.
func logs(t *testing.T, write func(*slog.Logger)) map[logging.Format]string {
	t.Helper()
	written := map[logging.Format]string{}
	for _, format := range []logging.Format{logging.Text, logging.JSON} {
		var lines bytes.Buffer
		write(logging.New(&lines, logging.Options{Format: format}))
		written[format] = lines.String()
	}
	return written
}

func TestHiddenCharactersAreEscaped(t *testing.T) {
	t.Parallel()
	for _, hidden := range []string{
		"\x00", "\x07", "\b", "\t", "\n", "\r", "\x1b[31m", "\x7f", // C0 and DEL
		"\u0080", "\u0085", "\u009b", // C1
		"\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069", // turn the direction
		"\u00a0", "\u00ad", "\u034f", "\u115f", "\u180e", "\u200b", "\u200d", "\u2060", "\u2800", "\u3164", "\ufe0f", "\ufeff", "\uffa0", // not seen
		"\u2028", "\u2029", "\ue000", "\U000e0041", "\U000e0100", "\U0001d173", "\xff", "\xed\xa0\x80",
	} {
		for format, line := range logs(t, func(log *slog.Logger) {
			log.With("a", hidden).WithGroup("g").Info(hidden, "b", "x"+hidden+"y", "c", errors.New(hidden), "d", []string{hidden}, hidden, 1)
		}) {
			content := strings.TrimSuffix(line, "\n")
			for _, r := range hidden {
				if r != '[' && r != '3' && r != '1' && r != 'm' && strings.ContainsRune(content, r) {
					t.Errorf("%s: %+q is in %+q", format, hidden, line)
				}
			}
			if format == logging.JSON && !json.Valid([]byte(line)) {
				t.Errorf("%+q makes this, which is not JSON: %s", hidden, line)
			}
		}
	}
	// JSON keeps the text.
	const text = "Анна 😀 \U000e0041\u202e\u0085\x00"
	var got struct {
		Name string `json:"name"`
	}
	line := logs(t, func(log *slog.Logger) { log.Info("m", "name", text) })[logging.JSON]
	if err := json.Unmarshal([]byte(line), &got); err != nil || got.Name != text || !strings.Contains(line, "Анна 😀") {
		t.Errorf("%+q is logged as %+q: %v", text, line, err)
	}
}

func TestTextsAreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 256)
	for format, line := range logs(t, func(log *slog.Logger) {
		log.With("a", long+"z").Info("m", "b", long+"z", slog.Group("g", "c", long+"z"), "d", errors.New(strings.Repeat("e", 9000)+"z"))
		log.Info("m", "f", long)
	}) {
		if n := strings.Count(line, long+"..."); n != 3 || strings.Contains(line, "z\"") || strings.Contains(line, "üz") || strings.Contains(line, "ez") {
			t.Errorf("%s: %d texts are cut at 256 characters, want 3: %s", format, n, line)
		}
		if n := strings.Count(line, "..."); n != 4 || !strings.Contains(line, strings.Repeat("e", 8192)+"...") {
			t.Errorf("%s: %d texts are cut, want 4, with the error: %s", format, n, line)
		}
	}
}
