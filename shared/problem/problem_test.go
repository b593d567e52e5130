package problem_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stavka.local/shared/fault"
	"stavka.local/shared/logging"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
	"stavka.local/shared/problem"
	"stavka.local/shared/requestid"
)

var update = flag.Bool("update", false, "write the golden files")

var errSecret = errors.New(`dial tcp 10.0.0.7:5432: password "hunter2" refused`)

// answer writes err as the answer to a request with a fixed id.
func answer(t *testing.T, method string, err error) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(requestid.With(t.Context(), "req-1"), method, "/api/bets", http.NoBody)
	w := httptest.NewRecorder()
	problem.Write(w, r, err)
	return w.Result()
}

// TestGolden compares whole answers, as clients see them.
func TestGolden(t *testing.T) {
	t.Parallel()
	tests := map[string]error{
		"internal":        errSecret,
		"internal_fault":  fault.New(fault.Internal, "disk_full", "The disk is full.").With("disk", "/dev/sda"),
		"plain":           fault.New(fault.Conflict, "event_closed", "The event takes no more bets."),
		"wrapped":         fmt.Errorf("place bet: %w", fault.New(fault.NotFound, "bet_not_found", "There is no such bet.")),
		"cause":           fault.New(fault.Invalid, "invalid_request", "The request is malformed.").Because(errSecret),
		"unauthenticated": fault.New(fault.Unauthenticated, "unauthenticated", "A valid access token is needed."),
		"retry":           fault.New(fault.Unavailable, "feed_unavailable", "The line is not known.").After(1500 * time.Millisecond).Because(errSecret),
		"params": fault.New(fault.Conflict, "price_changed", `It's not "1.45" < 2 & more.`).
			With("event_version", 7).With("current_coefficient", odds.MustParse("1.5")).With("max_stake", money.MustParse("10")).
			With("until", time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, time.UTC)),
		"standard_member": fault.New(fault.Conflict, "event_closed", "Closed.").With("status", 200).With("zone", "a"),
		"unmarshallable":  fault.New(fault.Conflict, "event_closed", "Closed.").With("broken", func() {}).With("zone", "a"),
	}
	for name, err := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response := answer(t, http.MethodPost, err)
			var got bytes.Buffer
			if err := response.Write(&got); err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(got.String(), "\r\n", "\n")

			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if text != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", text, want)
			}
			_, body, _ := strings.Cut(text, "\n\n")
			var document map[string]any
			if err := json.Unmarshal([]byte(body), &document); err != nil {
				t.Errorf("the body is not JSON: %v", err)
			}
			if strings.Contains(text, "hunter2") || strings.Contains(text, "10.0.0.7") {
				t.Error("the answer shows internals")
			}
		})
	}
}

// TestStatus has a row for every kind: the first kind without a row is beyond the
// last one that exists.
func TestStatus(t *testing.T) {
	t.Parallel()
	want := map[fault.Kind]int{
		fault.Internal:         500,
		fault.Invalid:          400,
		fault.Unauthenticated:  401,
		fault.Forbidden:        403,
		fault.NotFound:         404,
		fault.MethodNotAllowed: 405,
		fault.Conflict:         409,
		fault.Precondition:     412,
		fault.TooLarge:         413,
		fault.UnsupportedMedia: 415,
		fault.Unprocessable:    422,
		fault.Throttled:        429,
		fault.Unavailable:      503,
	}
	for kind, status := range want {
		if got := problem.Status(kind); got != status {
			t.Errorf("Status(%d) = %d, want %d", kind, got, status)
		}
		response := answer(t, http.MethodGet, fault.New(kind, "some_code", "Some detail."))
		if response.StatusCode != status {
			t.Errorf("kind %d is answered with %d, want %d", kind, response.StatusCode, status)
		}
	}
	if beyond := fault.Unavailable + 1; int(beyond) != len(want) {
		t.Errorf("%d kinds have a row, and there are %d", len(want), beyond)
	}
	if got := problem.Status(200); got != 500 {
		t.Errorf("an unknown kind is %d, want 500", got)
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                       "",
		time.Nanosecond:         "1",
		time.Second:             "1",
		1001 * time.Millisecond: "2",
		time.Minute:             "60",
	} {
		response := answer(t, http.MethodGet, fault.New(fault.Throttled, "throttled", "Too many tries.").After(d))
		if got := response.Header.Get("Retry-After"); got != want {
			t.Errorf("Retry-After for %v is %q, want %q", d, got, want)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	response := answer(t, http.MethodHead, io.EOF)
	body, err := io.ReadAll(response.Body)
	if err != nil || len(body) != 0 || response.StatusCode != http.StatusInternalServerError {
		t.Errorf("status %d, body %q, %v", response.StatusCode, body, err)
	}
}

func TestClientGone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/bets", http.NoBody)

	w := httptest.NewRecorder()
	problem.Write(w, r, fmt.Errorf("list bets: %w", context.Canceled))
	if w.Code != 499 || w.Body.Len() != 0 {
		t.Errorf("status %d, body %q; want 499 and nothing", w.Code, w.Body)
	}

	// Another failure happened at the same time and must not be hidden.
	w = httptest.NewRecorder()
	problem.Write(w, r, io.ErrUnexpectedEOF)
	if w.Code != 500 {
		t.Errorf("status %d, want 500", w.Code)
	}

	// We cancelled the request while the client waits, so it gets an answer.
	w = httptest.NewRecorder()
	problem.Write(w, r.WithContext(t.Context()), context.Canceled)
	if w.Code != 500 {
		t.Errorf("status %d, want 500", w.Code)
	}
}

// TestLogs is not parallel, because it replaces the default logger.
func TestLogs(t *testing.T) { //nolint:paralleltest // see above
	before := slog.Default()
	defer slog.SetDefault(before)
	var lines bytes.Buffer
	slog.SetDefault(logging.New(&lines, logging.Options{Level: slog.LevelDebug}))

	for _, test := range []struct {
		err  error
		want string // of the only line; "" for none
	}{
		{errSecret, "level=ERROR"},
		{fault.New(fault.Unavailable, "unavailable", "Later.").Because(errSecret), "level=WARN"},
		{fault.New(fault.Invalid, "invalid_request", "Wrong.").Because(errSecret), "level=DEBUG"},
		{fault.New(fault.NotFound, "not_found", "Nothing there."), ""},
	} {
		lines.Reset()
		answer(t, http.MethodGet, test.err)
		got := lines.String()
		switch {
		case test.want == "":
			if got != "" {
				t.Errorf("%v is logged: %s", test.err, got)
			}
		case strings.Count(got, "\n") != 1, !strings.Contains(got, test.want),
			!strings.Contains(got, "hunter2"), !strings.Contains(got, "request_id=req-1"):
			t.Errorf("%v is logged as %q; want one line with %s, the cause and the request id", test.err, got, test.want)
		}
	}
}
