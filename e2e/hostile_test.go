package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"stavka.local/stavka/e2e/system"
)

// internals are words that no answer may hold, because they come from a library, a store or
// the inside of a service.
var internals = regexp.MustCompile(`(?i)pgx|postgres|sqlstate|sqlite|modernc|redis|amqp|goroutine|panic|\.go:|stavka\.local|0x[0-9a-f]{6}|kin-openapi|openapi3|json: cannot|strconv|unmarshal|runtime error|nil pointer`)

// requestID is random letters, which may form any word.
var requestID = regexp.MustCompile(`"request_id":"[^"]*"`)

func showsInternals(body []byte) bool { return internals.Match(requestID.ReplaceAll(body, nil)) }

// The answer to any bad request is a 4xx problem without internals.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	refuseHostileRequests(t, start(t, system.Options{}))
}

func refuseHostileRequests(t *testing.T, s *system.System) {
	t.Helper()
	admin := s.Admin(t, 0)
	event := s.Line(t, 0).Create("1.45").EventID
	betMaker, lineProvider := s.BetMakers[0], s.LineProviders[0]

	bodies := map[string]string{
		"nothing":               "",
		"white space":           " \n",
		"half an object":        `{"event_id":1,`,
		"an array":              `[]`,
		"null":                  `null`,
		"a text":                `"bet"`,
		"two values":            fmt.Sprintf(`{"event_id":%d,"amount":1}{"event_id":%d,"amount":1}`, event, event),
		"an unknown field":      fmt.Sprintf(`{"event_id":%d,"amount":1,"coefficient":1.45,"extra":true}`, event),
		"a duplicate field":     fmt.Sprintf(`{"event_id":%d,"amount":1,"amount":2}`, event),
		"deep arrays":           `{"event_id":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + `}`,
		"deep objects":          strings.Repeat(`{"event_id":`, 5_000) + "1" + strings.Repeat("}", 5_000),
		"invalid UTF-8":         "{\"name\":\"\xff\xfe\",\"username\":\"\xc3\x28\"}",
		"a NUL":                 `{"name":"a\u0000b","username":"a\u0000b","email":"a\u0000@b.c","password":"12345678","coefficient":1.45}`,
		"a lone surrogate":      `{"name":"\ud800","username":"\ud800","email":"a@b.c","password":"12345678","coefficient":1.45}`,
		"a long number":         `{"event_id":1,"coefficient":1.` + strings.Repeat("0", 1000) + `,"amount":1` + strings.Repeat("0", 1000) + `}`,
		"an exponent":           `{"event_id":1,"amount":1e400,"coefficient":1e400}`,
		"a negative zero":       fmt.Sprintf(`{"event_id":%d,"amount":-0,"coefficient":-0.0,"deadline":-0,"state":-0}`, event),
		"a number out of range": `{"event_id":9223372036854775808,"amount":1,"deadline":99999999999999999999,"coefficient":1.45,"state":99}`,
		"a fraction as an id":   `{"event_id":1.5,"amount":1,"deadline":1.5,"coefficient":1.45,"state":2.5}`,
		"texts for numbers":     `{"event_id":"1","amount":"1","coefficient":"1.45","state":"2"}`,
	}
	targets := []system.Request{
		{Method: http.MethodPost, Path: "/api/bets", Token: admin.Token},
		{Method: http.MethodPost, Path: "/api/users", Token: admin.Token},
		{Method: http.MethodPatch, Path: fmt.Sprintf("/api/users/%d", admin.ID), Token: admin.Token},
		{Method: http.MethodPost, Path: fmt.Sprintf("/api/users/%d/deposits", admin.ID), Token: admin.Token, Header: http.Header{"Idempotency-Key": {"k"}}},
		{Method: http.MethodPut, Path: "/api/wallet/limit", Token: admin.Token},
		{Method: http.MethodPut, Path: "/api/wallet/exclusion", Token: admin.Token},
		{Method: http.MethodPost, Path: fmt.Sprintf("/api/events/%d/voids", event), Token: admin.Token},
		{Method: http.MethodPost, Path: fmt.Sprintf("/api/events/%d/voids/1/undo", event), Token: admin.Token},
		{Method: http.MethodPost, Path: "/token"},
		{Method: http.MethodPost, Path: "/event", Token: system.ServiceToken},
		{Method: http.MethodPatch, Path: fmt.Sprintf("/event/%d", event), Token: system.ServiceToken},
		{Method: http.MethodPatch, Path: fmt.Sprintf("/event/%d/status", event), Token: system.ServiceToken},
	}
	serverOf := func(r system.Request) *system.Service {
		if strings.HasPrefix(r.Path, "/event") {
			return lineProvider
		}
		return betMaker
	}
	check := func(what string, r system.Request) {
		got, err := s.Do(serverOf(r), r)
		switch {
		case err != nil:
			t.Errorf("%s to %s %s: %v", what, r.Method, r.Path, err)
		case got.Status < 400 || got.Status > 499:
			t.Errorf("%s to %s %s: got %d %s, want a 4xx", what, r.Method, r.Path, got.Status, got.Body)
		case showsInternals(got.Body):
			t.Errorf("%s to %s %s: the answer shows internals: %s", what, r.Method, r.Path, got.Body)
		}
	}
	for _, r := range targets {
		for what, body := range bodies {
			r.Body, r.ContentType = body, "application/json"
			check(what, r)
		}
		r.Body = `{"event_id":1}`
		for _, contentType := range []string{"text/plain", "application/xml", "multipart/form-data", "application/json; charset=\"", ";", "application/jsonx"} {
			r.ContentType = contentType
			check("the content type "+contentType, r)
		}
	}
	for _, instant := range []string{
		"", "now", "2025-01-18", "2025-01-18T05:03:07", "2025-01-18T05:03:60Z", "2025-02-30T05:03:07Z", "2025-01-18T24:00:00Z", "2025-01-18T05:03:07.1234567Z",
		"0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "2025-01-18 05:03:07Z", "2025-01-18T05:03:07+24:00", "\u0000",
	} {
		check("the instant "+instant, system.Request{Method: http.MethodPut, Path: "/api/wallet/exclusion", Token: admin.Token, Body: `{"until":"` + instant + `"}`})
		check("the instant "+instant, system.Request{
			Method: http.MethodPost, Path: fmt.Sprintf("/api/events/%d/voids", event), Token: admin.Token,
			Body: `{"from":"` + instant + `","to":"` + instant + `","reason":"R"}`,
		})
	}
	for _, amount := range []string{"0", "-1", "0.001", "1e3", "1" + strings.Repeat("0", 19), `"1"`, "null", "true"} {
		check("the amount "+amount, system.Request{
			Method: http.MethodPost, Path: fmt.Sprintf("/api/users/%d/deposits", admin.ID), Token: admin.Token,
			Header: http.Header{"Idempotency-Key": {"k"}}, Body: `{"amount":` + amount + `}`,
		})
	}
	for _, path := range []string{
		"/api/wallet?user_id=0", "/api/wallet?user_id=x", "/api/wallet/transfers?kind=gift", "/api/wallet/transfers?bet_id=-1", "/api/wallet/transfers?after=%00",
		"/api/audit?action=", "/api/audit?subject=%ff", "/api/audit?actor_id=x", "/api/audit?after=nonsense", "/api/events/0/voids", "/api/bets/1/cancel",
		"/api/bets/0", "/api/bets/-1", "/api/bets/9223372036854775808", "/api/bets/1e3", "/api/bets/%00", "/api/bets/%ff", "/api/bets/..%2f..%2fetc",
		"/api/bets?limit=0", "/api/bets?limit=501", "/api/bets?limit=-1", "/api/bets?after=%00", "/api/bets?after=nonsense", "/api/bets?status=%ff",
		"/api/bets?event_id=x", "/api/users?after=%f0%28%8c%28", "/api/users/99999999999999999999", "/api/nowhere", "/api/bets/1/2/3",
		"/events?state=9", "/events?after=-1", "/events/changes?after=x", "/event/x", "/event/0", "/event/1/history?limit=x", "/event//status",
	} {
		token := admin.Token
		if strings.HasPrefix(path, "/event") {
			token = system.ServiceToken
		}
		check("GET", system.Request{Method: http.MethodGet, Path: path, Token: token})
	}
	for what, header := range map[string]http.Header{
		"an empty key":       {"Idempotency-Key": {""}},
		"a long key":         {"Idempotency-Key": {strings.Repeat("k", 256)}},
		"an unprintable key": {"Idempotency-Key": {"k\u00a0\xff"}},
	} {
		check(what, system.Request{
			Method: http.MethodPost, Path: "/api/bets", Token: admin.Token, Body: fmt.Sprintf(`{"event_id":%d,"amount":1}`, event), Header: header,
		})
	}
	for what, header := range map[string]http.Header{
		"a bare version": {"If-Match": {"3"}}, "two stars": {"If-Match": {"**"}}, "a weak tag": {"If-Match": {`W/"3"`}}, "a text": {"If-Match": {`"three"`}},
		"a long actor": {"X-Actor": {strings.Repeat("a", 129)}},
	} {
		check(what, system.Request{
			Method: http.MethodPatch, Path: fmt.Sprintf("/event/%d", event), Token: system.ServiceToken, Body: `{"suspended":true}`, Header: header,
		})
	}
	for _, token := range []string{"x", "a.b.c", strings.Repeat("a", 10_000), admin.Token + "x", "Bearer " + admin.Token} {
		for _, path := range []string{"/api/users/me", "/events"} {
			check("a bad token", system.Request{Method: http.MethodGet, Path: path, Token: token})
		}
	}
	for _, service := range s.Services() {
		if err := service.Ready(); err != nil {
			t.Error(err)
		}
	}
}

// Bytes that are not a request, or that come too slowly, end in a 4xx or a closed connection,
// and do not block other clients.
func TestSlowAndBrokenClients(t *testing.T) {
	t.Parallel()
	bearSlowAndBrokenClients(t, start(t, system.Options{}))
}

func bearSlowAndBrokenClients(t *testing.T, s *system.System) {
	t.Helper()
	for _, service := range s.Services() {
		address := strings.TrimPrefix(service.URL, "http://")
		for what, bytes := range map[string]string{
			"no request":               "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
			"an unknown method":        "BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
			"two lengths":              "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
			"a negative length":        "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
			"a length and chunks":      "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
			"a broken chunk":           "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
			"no host":                  "GET /healthz HTTP/1.1\r\n\r\n",
			"a line feed in a path":    "GET /a\nb HTTP/1.1\r\nHost: x\r\n\r\n",
			"a large header":           "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
			"a body that is too large": "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n" + strings.Repeat("x", 100_000),
		} {
			got := exchange(t, address, bytes)
			if got != 0 && (got < 400 || got > 499) && got != http.StatusHTTPVersionNotSupported {
				t.Errorf("%s to %s: got %d, want a 4xx or a closed connection", what, service.Name, got)
			}
		}
		// A head and a body that never end are cut off. Both are sent concurrently.
		done := make(chan error, 2)
		for _, begin := range []string{
			"GET /healthz HTTP/1.1\r\nHost: x\r\n",
			"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		} {
			go func() { done <- dribble(address, begin) }()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("%s: %v", service.Name, err)
			}
		}
		if err := service.Ready(); err != nil {
			t.Error(err)
		}
	}
}

// exchange sends raw bytes and returns the status of the answer, or 0 when the connection is
// closed without one.
func exchange(t *testing.T, address, raw string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	// The server may have closed the connection before all of it is written.
	_, _ = conn.Write([]byte(raw))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("no answer within a minute to %.60q", raw)
	}
	if err != nil {
		return 0
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if showsInternals(body) {
		t.Errorf("the answer to %.60q shows internals: %s", raw, body)
	}
	return resp.StatusCode
}

// dribble sends a beginning and then single bytes. It returns nil when the server answers or
// closes the connection.
func dribble(address, begin string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(begin)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	// A byte every half second keeps the connection busy, so that a limit between two bytes
	// would never end it.
	for started := time.Now(); time.Since(started) < time.Minute; {
		if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			return fmt.Errorf("set a deadline: %w", err)
		}
		answer := make([]byte, 1024)
		n, err := conn.Read(answer)
		switch {
		case n > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")):
			return fmt.Errorf("the answer to a slow client is %q", answer[:n])
		case n > 0:
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return nil // closed
		}
		if _, err := conn.Write([]byte(" ")); err != nil {
			return nil // the server has closed the connection, as it should
		}
	}
	return errors.New("a slow client was not cut off within a minute")
}
