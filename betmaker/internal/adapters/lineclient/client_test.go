package lineclient_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/lineclient"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/line"
	"stavka.local/shared/odds"
)

const (
	token = "a-token-that-must-not-be-seen"
	event = `{"event_id":7,"coefficient":1.45,"deadline":1737178310,"state":2,"create_date":1737173310,` +
		`"update_date":1737178400,"name":"Lions","suspended":false,"version":2,"seq":42,"result_revision":1,"effective_at":1737178300}`
	other = `{"event_id":8,"coefficient":2.00,"deadline":1737178310,"state":1,"create_date":1737173310,` +
		`"update_date":1737178400,"name":null,"suspended":true,"version":1,"seq":43,"result_revision":0,"effective_at":null}`
)

var epoch = line.Epoch{Dataset: "f3b1", Generation: 2}

func wantedEvent() line.Event {
	return line.Event{
		ID: 7, Coefficient: odds.MustParse("1.45"), Deadline: time.Unix(1737178310, 0).UTC(), State: line.StateFinishedWin,
		CreatedAt: time.Unix(1737173310, 0).UTC(), UpdatedAt: time.Unix(1737178400, 0).UTC(), Name: "Lions",
		Version: 2, Seq: 42, ResultRevision: 1, EffectiveAt: time.Unix(1737178300, 0).UTC(),
	}
}

// newClient returns a client of a line-provider with the given handler.
func newClient(t *testing.T, handler http.HandlerFunc, edit ...func(*lineclient.Config)) *lineclient.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	config := lineclient.Config{URL: server.URL + "/base", Token: token, Logger: slog.New(slog.DiscardHandler)}
	for _, e := range edit {
		e(&config)
	}
	client, err := lineclient.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// answering returns a handler with one answer.
func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Line-Epoch", epoch.String())
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func pageOf(events ...string) string {
	return `{"epoch":"f3b1.2","last_seq":50,"next_after":43,"events":[` + strings.Join(events, ",") + `]}`
}

func TestClientRequests(t *testing.T) {
	t.Parallel()
	var requests []string
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
		if strings.Contains(r.URL.Path, "changes") {
			answering(http.StatusOK, pageOf(event, other))(w, r)
			return
		}
		answering(http.StatusOK, event)(w, r)
	})

	change, err := client.Event(t.Context(), 7)
	if want := (line.Change{Epoch: epoch, Event: wantedEvent()}); err != nil || change != want {
		t.Errorf("event: got %+v, %v, want %+v", change, err, want)
	}
	page, err := client.Changes(t.Context(), 41, 500)
	if err != nil || page.Epoch != epoch || page.LastSeq != 50 || page.NextAfter != 43 || len(page.Events) != 2 ||
		page.Events[0] != wantedEvent() || page.Events[1].ID != 8 || !page.Events[1].Suspended {
		t.Errorf("changes: got %+v, %v", page, err)
	}
	want := []string{
		"GET /base/event/7 Bearer " + token,
		"GET /base/events/changes?after=41&limit=500 Bearer " + token,
	}
	if fmt.Sprint(requests) != fmt.Sprint(want) {
		t.Errorf("requested %q, want %q", requests, want)
	}
	if err := client.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestClientReportsEndOfChangeLog(t *testing.T) {
	t.Parallel()
	client := newClient(t, answering(http.StatusOK, `{"epoch":"f3b1.2","last_seq":43,"next_after":43,"events":[]}`))
	page, err := client.Changes(t.Context(), 43, 500)
	if err != nil || len(page.Events) != 0 || page.LastSeq != 43 || page.NextAfter != 43 {
		t.Errorf("got %+v, %v", page, err)
	}
}

func TestClientReturnsNotFoundOnlyFromLineProvider(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]error{
		`{"code":"event_not_found","status":404}`: ports.ErrNotFound,
		`{"code":"not_found","status":404}`:       ports.ErrUnavailable,
		`<html>no such host here</html>`:          ports.ErrUnavailable,
		``:                                        ports.ErrUnavailable,
	} {
		client := newClient(t, answering(http.StatusNotFound, body))
		if _, err := client.Event(t.Context(), 7); !errors.Is(err, want) {
			t.Errorf("404 with %q: got %v, want %v", body, err, want)
		}
	}
}

func TestClientFails(t *testing.T) {
	t.Parallel()
	hang := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	tests := map[string]struct {
		handler http.HandlerFunc
		want    error // nil for any
	}{
		"when the token is refused":          {answering(http.StatusUnauthorized, `{"code":"unauthenticated"}`), ports.ErrUnavailable},
		"when the store is down":             {answering(http.StatusServiceUnavailable, `{"code":"unavailable"}`), ports.ErrUnavailable},
		"when there is no answer in time":    {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ports.ErrUnavailable},
		"when the answer does not end":       {hang, ports.ErrUnavailable},
		"when it never stops talking":        {endless, ports.ErrUnavailable},
		"when the connection is cut":         {cut, ports.ErrUnavailable},
		"when it is sent elsewhere":          {http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound).ServeHTTP, ports.ErrUnavailable},
		"on garbage":                         {answering(http.StatusOK, "garbage"), nil},
		"on an empty answer":                 {answering(http.StatusOK, ""), nil},
		"on a list":                          {answering(http.StatusOK, "[]"), nil},
		"on an empty object":                 {answering(http.StatusOK, "{}"), nil},
		"on null":                            {answering(http.StatusOK, "null"), nil},
		"on an answer without an epoch":      {withoutEpoch, nil},
		"on a member that is there twice":    {answering(http.StatusOK, strings.Replace(event, "{", `{"state":1,`, 1)), nil},
		"on a member that is missing":        {answering(http.StatusOK, strings.Replace(event, `"suspended":false,`, "", 1)), nil},
		"on an epoch smuggled into an event": {answering(http.StatusOK, strings.Replace(event, "{", `{"epoch":"x.1",`, 1)), nil},
		"on another event":                   {answering(http.StatusOK, other), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, test.handler, func(c *lineclient.Config) { c.Timeout = 500 * time.Millisecond })
			_, err := client.Event(t.Context(), 7)
			wantFailure(t, err, test.want)
			if test.want != nil {
				_, err := client.Changes(t.Context(), 41, 500)
				wantFailure(t, err, test.want)
			}
		})
	}
}

// wantFailure checks that err is want, or any error if want is nil, and that it does not contain
// the secret.
func wantFailure(t *testing.T, err, want error) {
	t.Helper()
	switch {
	case err == nil:
		t.Error("no error")
	case want != nil && !errors.Is(err, want):
		t.Errorf("got %v, want %v", err, want)
	case strings.Contains(err.Error(), token):
		t.Errorf("the error shows the token: %v", err)
	}
}

func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
			return
		}
	}
}

func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(event[:100]))
}

func withoutEpoch(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(event)) }

func TestClientRefusesInconsistentPages(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no events":          `{"epoch":"f3b1.2","last_seq":50,"next_after":43}`,
		"no epoch":           `{"last_seq":50,"next_after":43,"events":[]}`,
		"no last_seq":        `{"epoch":"f3b1.2","next_after":43,"events":[]}`,
		"no next_after":      `{"epoch":"f3b1.2","last_seq":50,"events":[]}`,
		"an impossible one":  `{"epoch":"f3b1","last_seq":50,"next_after":43,"events":[]}`,
		"out of order":       pageOf(other, event),
		"from before":        `{"epoch":"f3b1.2","last_seq":50,"next_after":50,"events":[` + strings.Replace(event, `"seq":42`, `"seq":41`, 1) + `]}`,
		"going back":         `{"epoch":"f3b1.2","last_seq":50,"next_after":40,"events":[]}`,
		"standing still":     `{"epoch":"f3b1.2","last_seq":50,"next_after":41,"events":[{}]}`,
		"ending too early":   `{"epoch":"f3b1.2","last_seq":50,"next_after":41,"events":[]}`,
		"beyond its own end": `{"epoch":"f3b1.2","last_seq":41,"next_after":43,"events":[` + event + `]}`,
	} {
		client := newClient(t, answering(http.StatusOK, body))
		if page, err := client.Changes(t.Context(), 41, 500); err == nil {
			t.Errorf("%s: no error, but %+v", name, page)
		}
	}
}

func TestClientSkipsUnreadableEvents(t *testing.T) {
	t.Parallel()
	unreadable := 0
	bad := strings.Replace(event, `"coefficient":1.45`, `"coefficient":0.5`, 1)
	client := newClient(t, answering(http.StatusOK, pageOf(bad, other)), func(c *lineclient.Config) {
		c.Unreadable = func() { unreadable++ }
	})
	page, err := client.Changes(t.Context(), 41, 500)
	if err != nil || len(page.Events) != 1 || page.Events[0].ID != 8 || page.NextAfter != 43 || unreadable != 1 {
		t.Errorf("got %+v, %v, with %d unreadable; want event 8 alone", page, err, unreadable)
	}
}

func TestClientReadsTheClockOfTheLine(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour, 10 * time.Second} {
		client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
			body := fmt.Sprintf(`{"epoch":"d.1","last_seq":0,"next_after":0,"now":%d,"events":[]}`, time.Now().Add(ahead).UnixMilli())
			answering(http.StatusOK, body)(w, r)
		})
		page, err := client.Changes(t.Context(), 0, 500)
		if err != nil {
			t.Fatal(err)
		}
		if got := page.Clock.Ahead(); (got.By - ahead).Abs() > got.Margin {
			t.Errorf("a clock that is %v ahead is seen as %v, give or take %v", ahead, got.By, got.Margin)
		}
	}
	older := newClient(t, answering(http.StatusOK, `{"epoch":"d.1","last_seq":0,"next_after":0,"events":[]}`))
	if page, err := older.Changes(t.Context(), 0, 500); err != nil || page.Clock != (domain.ClockReading{}) {
		t.Errorf("without now: got %+v, %v", page.Clock, err)
	}
}

func TestCheckReportsTheLastRequest(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) { answering(status, event)(w, r) })
	if err := client.Check(t.Context()); err == nil {
		t.Error("Check returned nil before the first request")
	}
	for _, s := range []int{http.StatusOK, http.StatusServiceUnavailable, http.StatusOK} {
		status = s
		_, _ = client.Event(t.Context(), 7)
		if err := client.Check(t.Context()); (err == nil) != (s == http.StatusOK) {
			t.Errorf("after an answer %d Check returned %v", s, err)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Event(canceled, 7); err == nil {
		t.Error("no error for a cancelled request")
	}
	if err := client.Check(t.Context()); err != nil {
		t.Errorf("after a cancelled request Check returned %v", err)
	}
}
