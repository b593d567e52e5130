package httpedge_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"stavka.local/shared/fault"
	"stavka.local/shared/health"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/logging"
	"stavka.local/shared/metrics"
	"stavka.local/shared/requestid"
)

//go:embed testdata/edge.yaml
var spec []byte

// logged holds the log of all tests. The lines of a request are found by its id.
var logged lines

type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(p))
	return len(p), nil
}

// of returns the lines of a request. It waits for the access log, which is written after the
// answer.
func (l *lines) of(t *testing.T, id string) string {
	t.Helper()
	var found strings.Builder
	eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		found.Reset()
		for _, line := range l.all {
			if strings.Contains(line, " request_id="+id+"\n") || strings.Contains(line, " request_id="+id+" ") {
				found.WriteString(line)
			}
		}
		return strings.Contains(found.String(), "msg=request ")
	})
	return found.String()
}

// holds reports whether a line holds all texts.
func (l *lines) holds(texts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.all, func(line string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) })
	})
}

// eventually waits until done returns true, and fails the test after 10 seconds.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("timed out after 10 seconds")
		}
	}
}

func TestMain(m *testing.M) {
	slog.SetDefault(logging.New(&logged, logging.Options{Level: slog.LevelDebug}))
	os.Exit(m.Run())
}

type userKey struct{}

// service is a small service behind an edge, with its listener.
type service struct {
	base    string
	network *pipes // nil when the listener is a TCP port
	server  *httpedge.Server
	health  *health.Registry
	metrics *metrics.Registry

	mu    sync.Mutex
	calls int    // of handlers
	body  string // of the last request that reached a handler
}

// handlers are the handlers of routes. The other routes answer 200 with the user.
type handlers map[string]http.HandlerFunc

func mount(r chi.Router, wrap func(http.HandlerFunc) http.HandlerFunc, h handlers) {
	for _, route := range []string{
		"POST /bets", "GET /bets", "GET /bets/best", "GET /bets/{bet_id}", "PATCH /bets/{bet_id}", "DELETE /bets/{bet_id}",
		"POST /token", "GET /open",
	} {
		handler := h[route]
		if handler == nil {
			handler = func(w http.ResponseWriter, r *http.Request) {
				user, _ := r.Context().Value(userKey{}).(string)
				_, _ = io.WriteString(w, "hello "+user)
			}
		}
		method, pattern, _ := strings.Cut(route, " ")
		r.Method(method, pattern, wrap(handler))
	}
}

// start runs a service on a TCP port.
func start(t *testing.T, l httpedge.Limits, h handlers) *service {
	t.Helper()
	s := newService(t, l, h)
	s.run(t)
	return s
}

func newService(t *testing.T, l httpedge.Limits, h handlers) *service {
	t.Helper()
	s := &service{health: health.New(), metrics: metrics.New("test")}
	count := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("read the body in the handler: %v", err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			s.mu.Lock()
			s.calls++
			s.body = string(body)
			s.mu.Unlock()
			next(w, r)
		}
	}
	handler, err := httpedge.New(httpedge.Options{
		Title: "edge", Spec: spec, Health: s.health, Metrics: s.metrics,
		Mount: func(r chi.Router) { mount(r, count, h) },
		Authenticate: func(ctx context.Context, token string) (context.Context, error) {
			switch token {
			case "good":
				httpedge.NameUser(ctx, "user-7")
				return context.WithValue(ctx, userKey{}, "seven"), nil
			case "broken":
				return nil, errors.New("store at 10.0.0.7 is down")
			default:
				return nil, httpedge.ErrUnauthenticated
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.server, err = httpedge.NewServer(t.Context(), "127.0.0.1:0", handler, l)
	if err != nil {
		t.Fatal(err)
	}
	s.base = "http://" + s.server.Addr()
	return s
}

// run runs the server until the test ends.
func (s *service) run(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func (s *service) handled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func (s *service) lastBody() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.body
}

// request is a request of a test.
type request struct {
	method, path, body string
	contentType        string // application/json by default
	token              string // "Bearer good" by default
	header             http.Header
}

func (s *service) send(t *testing.T, q request) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), q.method, s.base+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, q.header)
	switch q.contentType {
	case "none":
	case "":
		if q.body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
	default:
		r.Header.Set("Content-Type", q.contentType)
	}
	switch q.token {
	case "none":
	case "":
		r.Header.Set("Authorization", "Bearer good")
	default:
		r.Header.Set("Authorization", q.token)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	if s.network != nil {
		transport.DialContext = s.network.DialContext
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: read answer: %v", q.method, q.path, err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// problem is an expected answer that is not a success.
type problem struct {
	status              int
	code, field, detail string // an empty detail is not checked
}

func expect(t *testing.T, response *http.Response, body string, want problem) {
	t.Helper()
	var got struct {
		Type      string `json:"type"`
		Status    int    `json:"status"`
		Code      string `json:"code"`
		Field     string `json:"field"`
		Detail    string `json:"detail"`
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("status %d: the body is not a problem: %v: %s", response.StatusCode, err, body)
	}
	if response.StatusCode != want.status || got.Status != want.status || got.Code != want.code || got.Field != want.field {
		t.Errorf("got %d %s, want %+v", response.StatusCode, body, want)
	}
	if want.detail != "" && got.Detail != want.detail {
		t.Errorf("got detail  %s\nwant detail %s", got.Detail, want.detail)
	}
	if ct := response.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %s", ct)
	}
	if got.RequestID == "" || got.RequestID != response.Header.Get(requestid.Header) {
		t.Errorf("request id %q in the body, %q in the header", got.RequestID, response.Header.Get(requestid.Header))
	}
	for _, internal := range []string{"schema", "Schema", "openapi", "json:", "invalid character", "goroutine", ".go:", "10.0.0.7"} {
		if strings.Contains(body, internal) {
			t.Errorf("the answer shows internals: %s", body)
		}
	}
}

const bet = `{"event_id": 1, "amount": 10.00}`

func TestGoodRequestsPass(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), nil)
	full := `{"event_id":9223372036854775807,"amount":10.5,"coefficient":1.45,"odds_change":"any","note":null,` +
		`"live":true,"legs":[{"price":2.00}],"contact":"2026-01-02"}`
	for _, q := range []request{
		{method: "POST", path: "/bets", body: bet},
		{method: "POST", path: "/bets", body: full},
		{method: "POST", path: "/bets", body: bet, contentType: "Application/JSON; charset=UTF-8"},
		{method: "POST", path: "/bets", body: bet, contentType: `application/json;charset="utf-8"`},
		{method: "POST", path: "/bets", body: bet, header: http.Header{"Idempotency-Key": {"key 1"}}},
		{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"note":"\ud83d\ude00 5\u20ac"}`},
		{method: "GET", path: "/bets?need=true"},
		{method: "GET", path: "/bets?need=false&limit=500&status=won"},
		{method: "GET", path: "/bets?need=true&text=" + url.QueryEscape("ünï, \" & 100%")},
		{method: "GET", path: "/bets/1"},
		{method: "GET", path: "/bets/best"},
		{method: "GET", path: "/bets/%31"},
		{method: "PATCH", path: "/bets/1"},
		{method: "PATCH", path: "/bets/1", body: nested(16)},
		{method: "DELETE", path: "/bets/1"},
	} {
		response, body := s.send(t, q)
		if response.StatusCode != http.StatusOK || body != "hello seven" {
			t.Errorf("%s %s %s: %d %s", q.method, q.path, q.body, response.StatusCode, body)
		}
		if got := s.lastBody(); got != q.body {
			t.Errorf("the service got the body %q, want %q", got, q.body)
		}
	}
	form := url.Values{
		"grant_type": {"password"}, "username": {"ann"}, "password": {"long enough"}, "scope": {""}, "client_id": {""},
	}.Encode()
	for _, q := range []request{
		{method: "POST", path: "/token", body: form, contentType: "application/x-www-form-urlencoded", token: "none"},
		{method: "POST", path: "/token", body: `{"username":"ann","password":"long enough"}`, token: "none"},
		{method: "POST", path: "/token", body: form, contentType: "application/x-www-form-urlencoded", token: "Basic eDp5"},
	} {
		if response, body := s.send(t, q); response.StatusCode != http.StatusOK || s.lastBody() != q.body {
			t.Errorf("%s: %d %s; the service got %q", q.body, response.StatusCode, body, s.lastBody())
		}
	}
}

// nested returns a JSON object whose depth, itself included, is n.
func nested(n int) string {
	return strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1)
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), nil)
	const form = "application/x-www-form-urlencoded"
	bad := func(field, detail string) problem { return problem{400, "invalid_request", field, detail} }
	tests := map[string]struct {
		request
		want problem
	}{
		"no body":           {request{method: "POST", path: "/bets"}, bad("body", "body is missing.")},
		"not JSON":          {request{method: "POST", path: "/bets", body: `{event_id}`}, bad("body", "body is not well-formed JSON, at byte 1.")},
		"cut off":           {request{method: "POST", path: "/bets", body: `{"event_id":`}, bad("body", "body is not well-formed JSON: it ends too early.")},
		"cut off string":    {request{method: "POST", path: "/bets", body: `{"event_id`}, bad("body", "")},
		"trailing comma":    {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,}`}, bad("body", "")},
		"missing comma":     {request{method: "POST", path: "/bets", body: `{"event_id":1 "amount":1}`}, bad("body", "")},
		"missing colon":     {request{method: "POST", path: "/bets", body: `{"event_id" 1,"amount":1}`}, bad("body", "")},
		"mismatched":        {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1]`}, bad("body", "")},
		"two values":        {request{method: "POST", path: "/bets", body: bet + bet}, bad("body", "body has more after the end of the JSON value.")},
		"garbage behind":    {request{method: "POST", path: "/bets", body: bet + "]"}, bad("body", "")},
		"array":             {request{method: "POST", path: "/bets", body: `[1]`}, bad("body", "body must be an object; it is an array.")},
		"null body":         {request{method: "POST", path: "/bets", body: `null`}, bad("body", "body must not be null.")},
		"missing field":     {request{method: "POST", path: "/bets", body: `{"event_id":1}`}, bad("amount", "amount is missing.")},
		"unknown field":     {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"colour":"red"}`}, bad("colour", "colour is not a known field.")},
		"field in capitals": {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"Amount":2}`}, bad("Amount", "")},
		"ugly field":        {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"a\nb\"<c>":2}`}, bad(`a\nb\"<c>`, "")},
		"textual number":    {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":"ten"}`}, bad("amount", `amount must be a number; it is "ten".`)},
		"null number":       {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":null}`}, bad("amount", "amount must not be null.")},
		"three decimals":    {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1.005}`}, bad("amount", "amount is not acceptable (more than two decimals); it is 1.005.")},
		"exponent":          {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1e2}`}, bad("amount", "")},
		"huge amount":       {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1000000000000}`}, bad("amount", "")},
		"400 digits":        {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":` + strings.Repeat("9", 400) + `}`}, bad("amount", "")},
		"deep decimals":     {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"legs":[{"price":2},{"price":1.455}]}`}, bad("legs.1.price", "")},
		"deep type":         {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"legs":[{"price":true}]}`}, bad("legs.0.price", "legs.0.price must be a number; it is true.")},
		"too many items":    {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"legs":[{},{},{},{}]}`}, bad("legs", "legs must have at most 3 items.")},
		"no items":          {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"legs":[]}`}, bad("legs", "")},
		"decimal integer":   {request{method: "POST", path: "/bets", body: `{"event_id":1.5,"amount":1}`}, bad("event_id", "event_id must be a whole number; it is 1.5.")},
		"integer with .0":   {request{method: "POST", path: "/bets", body: `{"event_id":1.0,"amount":1}`}, bad("event_id", "event_id must be a whole number in plain digits; it is 1.0.")},
		"integer beyond 64": {request{method: "POST", path: "/bets", body: `{"event_id":9223372036854775808,"amount":1}`}, bad("event_id", "")},
		"integer minimum":   {request{method: "POST", path: "/bets", body: `{"event_id":0,"amount":1}`}, bad("event_id", "event_id must be at least 1; it is 0.")},
		"enum":              {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"odds_change":"all"}`}, bad("odds_change", `odds_change must be one of none, higher, any; it is "all".`)},
		"too short":         {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"note":"a"}`}, bad("note", `note must have at least 2 characters; it is "a".`)},
		"too long":          {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"note":"abcdef"}`}, bad("note", "note must have at most 5 characters.")},
		"wrong boolean":     {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"live":"yes"}`}, bad("live", `live must be true or false; it is "yes".`)},
		"wrong format":      {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"contact":"today"}`}, bad("contact", `contact is not a valid date; it is "today".`)},

		"impossible date":    {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"contact":"2026-02-30"}`}, bad("contact", `contact is a time that does not exist; it is "2026-02-30".`)},
		"impossible time":    {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"legs":[{},{"starts":"2025-02-29T12:00:00Z"}]}`}, bad("legs.1.starts", `legs.1.starts is a time that does not exist; it is "2025-02-29T12:00:00Z".`)},
		"query date":         {request{method: "GET", path: "/bets?need=true&from=2026-04-31T00:00:00Z"}, bad("from", `from is a time that does not exist; it is "2026-04-31T00:00:00Z".`)},
		"milliseconds":       {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"ends":1830297600000}`}, bad("ends", "ends must be at most 253402300799; it is 1830297600000; that looks like milliseconds, and Unix seconds are wanted.")},
		"beyond all time":    {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"ends":1830297600000000}`}, bad("ends", "ends must be at most 253402300799; it is 1830297600000000.")},
		"first second after": {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"ends":253402300800}`}, bad("ends", "ends must be at most 253402300799; it is 253402300800; that looks like milliseconds, and Unix seconds are wanted.")},
		"digits as sent":     {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"ends":9007199254740993}`}, bad("ends", "ends must be at most 253402300799; it is 9007199254740993.")},
		"large minimum":      {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"later":5}`}, bad("later", "later must be at least 1700000000000; it is 5.")},
		"large query":        {request{method: "GET", path: "/bets?need=true&limit=9007199254740993"}, bad("limit", "limit must be at most 500; it is 9007199254740993.")},
		"twice":              {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"amount":1}`}, bad("amount", "amount is given more than once.")},
		"twice in disguise":  {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"\u0061mount":2}`}, bad("amount", "amount is given more than once.")},
		"too deep":           {request{method: "PATCH", path: "/bets/1", body: nested(17)}, bad("body", "body is nested deeper than 16 levels.")},
		"far too deep":       {request{method: "PATCH", path: "/bets/1", body: strings.Repeat("[", 60_000)}, bad("body", "body is nested deeper than 16 levels.")},
		"invalid UTF-8":      {request{method: "POST", path: "/bets", body: "{\"event_id\":1,\"amount\":1,\"note\":\"\xff\xfe\"}"}, bad("body", "body is not valid UTF-8.")},
		"half a character":   {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"note":"ab\ud800"}`}, bad("body", "body has an escape for half a character.")},
		"NUL":                {request{method: "POST", path: "/bets", body: `{"event_id":1,"amount":1,"note":"a\u0000b"}`}, bad("note", "note holds a NUL character.")},
		"NUL in a name":      {request{method: "PATCH", path: "/bets/1", body: `{"a\u0000b":1}`}, bad("body", "")},
		"raw NUL":            {request{method: "POST", path: "/bets", body: "{\"event_id\":1,\"amount\":1,\"note\":\"a\x00b\"}"}, bad("body", "")},
		"byte order mark":    {request{method: "POST", path: "/bets", body: "\ufeff" + bet}, bad("body", "")},

		"path not a number":   {request{method: "GET", path: "/bets/abc"}, bad("bet_id", `bet_id must be a whole number; it is "abc".`)},
		"path below minimum":  {request{method: "GET", path: "/bets/0"}, bad("bet_id", "bet_id must be at least 1; it is 0.")},
		"path beyond 64":      {request{method: "GET", path: "/bets/9223372036854775808"}, bad("bet_id", "")},
		"path with UTF-8":     {request{method: "GET", path: "/bets/%ff"}, bad("bet_id", "bet_id is not valid UTF-8.")},
		"path with NUL":       {request{method: "GET", path: "/bets/1%00"}, bad("bet_id", "bet_id holds a NUL character.")},
		"path with exponent":  {request{method: "GET", path: "/bets/1e3"}, bad("bet_id", "")},
		"path with plus":      {request{method: "GET", path: "/bets/+1"}, bad("bet_id", "")},
		"path with .0":        {request{method: "GET", path: "/bets/1.0"}, bad("bet_id", "")},
		"query missing":       {request{method: "GET", path: "/bets"}, bad("need", "need is missing.")},
		"query enum":          {request{method: "GET", path: "/bets?need=true&status=lost"}, bad("status", `status must be one of pending, won; it is "lost".`)},
		"query minimum":       {request{method: "GET", path: "/bets?need=true&limit=0"}, bad("limit", "limit must be at least 1; it is 0.")},
		"query maximum":       {request{method: "GET", path: "/bets?need=true&limit=501"}, bad("limit", "limit must be at most 500; it is 501.")},
		"query type":          {request{method: "GET", path: "/bets?need=true&limit=many"}, bad("limit", `limit must be a whole number; it is "many".`)},
		"query boolean":       {request{method: "GET", path: "/bets?need=yes"}, bad("need", `need must be true or false; it is "yes".`)},
		"query empty":         {request{method: "GET", path: "/bets?need=true&limit="}, bad("limit", "limit must not be empty.")},
		"query twice":         {request{method: "GET", path: "/bets?need=true&limit=1&limit=2"}, bad("limit", "limit is given more than once.")},
		"query with NUL":      {request{method: "GET", path: "/bets?need=true&text=%00"}, bad("text", "text holds a NUL character.")},
		"query with UTF-8":    {request{method: "GET", path: "/bets?need=true&text=%c3%28"}, bad("text", "text is not valid UTF-8.")},
		"query malformed":     {request{method: "GET", path: "/bets?need=true&text=%zz"}, bad("query", "query is not well formed.")},
		"query semicolon":     {request{method: "GET", path: "/bets?need=true;text=1"}, bad("query", "query is not well formed.")},
		"query unknown":       {request{method: "GET", path: "/bets?need=true&x=1&Limit=1&a%0ab=2"}, bad("Limit", "Limit is not a known parameter.")},
		"query unknown, ugly": {request{method: "GET", path: "/bets?need=true&a%0ab%ff"}, bad(`a\nb�`, "")},
		"query not taken":     {request{method: "GET", path: "/bets/1?limit=1"}, bad("limit", "limit is not a known parameter.")},
		"query of a body":     {request{method: "POST", path: "/bets?event_id=1", body: bet}, bad("event_id", "")},
		"query with secrets":  {request{method: "POST", path: "/token?password=hunter2", body: "{}"}, bad("password", "")},
		"query of a path":     {request{method: "GET", path: "/bets/1?bet_id=2"}, bad("bet_id", "")},
		"query, no other":     {request{method: "GET", path: "/open?x"}, bad("x", "")},
		"header not taken":    {request{method: "GET", path: "/bets/1", header: http.Header{"Idempotency-Key": {"k"}}}, bad("Idempotency-Key", "Idempotency-Key is not taken by this operation.")},
		"header, no other":    {request{method: "GET", path: "/open", header: http.Header{"Idempotency-Key": {""}}}, bad("Idempotency-Key", "")},
		"body not taken":      {request{method: "DELETE", path: "/bets/1", body: `{"reason":"R"}`}, bad("body", "body is not taken by this operation.")},
		"body not read":       {request{method: "DELETE", path: "/bets/1", body: large(64<<10 + 1)}, bad("body", "")},
		"header too long":     {request{method: "POST", path: "/bets", body: bet, header: http.Header{"Idempotency-Key": {strings.Repeat("k", 21)}}}, bad("Idempotency-Key", "Idempotency-Key must have at most 20 characters.")},
		"header twice":        {request{method: "POST", path: "/bets", body: bet, header: http.Header{"Idempotency-Key": {"a", "b"}}}, bad("Idempotency-Key", "Idempotency-Key is given more than once.")},
		"header with UTF-8":   {request{method: "POST", path: "/bets", body: bet, header: http.Header{"Idempotency-Key": {"\xff"}}}, bad("Idempotency-Key", "Idempotency-Key is not valid UTF-8.")},
		"header beyond ASCII": {request{method: "POST", path: "/bets", body: bet, header: http.Header{"Idempotency-Key": {"ü"}}}, bad("Idempotency-Key", `Idempotency-Key does not have the form it should; it is "ü".`)},
		"header empty":        {request{method: "POST", path: "/bets", body: bet, header: http.Header{"Idempotency-Key": {""}}}, bad("Idempotency-Key", `Idempotency-Key must have at least 1 character; it is "".`)},

		"password not shown": {request{method: "POST", path: "/token", body: `{"username":"ann","password":"hunter2"}`}, bad("password", "password must have at least 8 characters.")},
		"password type":      {request{method: "POST", path: "/token", body: `{"username":"ann","password":12345678}`}, bad("password", "password must be a string.")},
		"form missing":       {request{method: "POST", path: "/token", body: `username=ann`, contentType: form}, bad("password", "password is missing.")},
		"form short":         {request{method: "POST", path: "/token", body: `username=ann&password=short`, contentType: form}, bad("password", "password must have at least 8 characters.")},
		"form grant":         {request{method: "POST", path: "/token", body: `grant_type=code&username=ann&password=12345678`, contentType: form}, bad("grant_type", `grant_type must be one of password; it is "code".`)},
		"form twice":         {request{method: "POST", path: "/token", body: `username=ann&username=bob&password=12345678`, contentType: form}, bad("username", "username is given more than once.")},
		"form with NUL":      {request{method: "POST", path: "/token", body: `username=ann&password=12345678%00`, contentType: form}, bad("password", "password holds a NUL character.")},
		"form with UTF-8":    {request{method: "POST", path: "/token", body: `username=%ff&password=12345678`, contentType: form}, bad("username", "username is not valid UTF-8.")},
		"form malformed":     {request{method: "POST", path: "/token", body: `username=%zz`, contentType: form}, bad("body", "body is not a well-formed form.")},

		"content type missing":  {request{method: "POST", path: "/bets", body: bet, contentType: "none"}, problem{415, "unsupported_media_type", "", ""}},
		"content type wrong":    {request{method: "POST", path: "/bets", body: bet, contentType: "text/plain"}, problem{415, "unsupported_media_type", "", ""}},
		"content type form":     {request{method: "POST", path: "/bets", body: "a=b", contentType: form}, problem{415, "unsupported_media_type", "", ""}},
		"content type nonsense": {request{method: "POST", path: "/bets", body: bet, contentType: ";;/"}, problem{415, "unsupported_media_type", "", ""}},
		"charset":               {request{method: "POST", path: "/bets", body: bet, contentType: "application/json; charset=utf-16"}, problem{415, "unsupported_media_type", "", ""}},
		"compressed":            {request{method: "POST", path: "/bets", body: bet, header: http.Header{"Content-Encoding": {"gzip"}}}, problem{415, "unsupported_media_type", "", ""}},
		"body too large":        {request{method: "POST", path: "/bets", body: large(64<<10 + 1)}, problem{413, "body_too_large", "", ""}},
		"large body":            {request{method: "POST", path: "/bets", body: large(64 << 10)}, bad("note", "note must have at most 5 characters.")},
		"unknown route":         {request{method: "GET", path: "/nothing"}, problem{404, "not_found", "", "There is no such route."}},
		"unknown docs":          {request{method: "GET", path: "/docs/../secret"}, problem{404, "not_found", "", ""}},
		"trailing slash":        {request{method: "GET", path: "/bets/"}, problem{404, "not_found", "", ""}},
		"invented method":       {request{method: "BREW", path: "/nothing"}, problem{404, "not_found", "", ""}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, body := s.send(t, test.request)
			expect(t, response, body, test.want)
			if strings.Contains(body, "hunter2") || strings.Contains(body, "12345678") {
				t.Errorf("the answer shows a password: %s", body)
			}
		})
	}
	t.Cleanup(func() {
		if n := s.handled(); n != 0 {
			t.Errorf("%d malformed requests reached the service", n)
		}
	})
}

// large returns a bet of n bytes.
func large(n int) string {
	frame := `{"event_id":1,"amount":1,"note":""}`
	return strings.Replace(frame, `""`, `"`+strings.Repeat("x", n-len(frame))+`"`, 1)
}

func TestWrongMethod(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), nil)
	for _, test := range []struct{ method, path, allow string }{
		{"PUT", "/bets", "GET, POST"},
		{"HEAD", "/bets", "GET, POST"},
		{"BREW", "/bets", "GET, POST"},
		{"OPTIONS", "/bets/7", "GET, PATCH, DELETE"},
		{"PATCH", "/bets/best", "GET"},  // though PATCH /bets/{bet_id} exists
		{"DELETE", "/bets/best", "GET"}, // likewise
		{"PUT", "/bets/best", "GET"},
		{"POST", "/healthz", "GET, HEAD"},
		{"DELETE", "/docs", "GET, HEAD"},
	} {
		// Without a token: this needs no authentication.
		response, body := s.send(t, request{method: test.method, path: test.path, token: "none"})
		if got := response.Header.Get("Allow"); got != test.allow || response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d, Allow %q; want 405, %q", test.method, test.path, response.StatusCode, got, test.allow)
		}
		if test.method != http.MethodHead {
			expect(t, response, body, problem{405, "method_not_allowed", "", ""})
		}
	}
}

func TestAuthenticationComesFirst(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), nil)
	wrongInEveryWay := []request{
		{method: "POST", path: "/bets", body: bet},
		{method: "POST", path: "/bets"},
		{method: "POST", path: "/bets", body: `{`},
		{method: "POST", path: "/bets", body: `{"colour":1}`},
		{method: "POST", path: "/bets", body: bet, contentType: "text/plain"},
		{method: "POST", path: "/bets", body: large(64<<10 + 1)},
		{method: "POST", path: "/bets", body: bet, header: http.Header{"Idempotency-Key": {"\xff"}}},
		{method: "GET", path: "/bets?limit=0&text=%zz"},
		{method: "GET", path: "/bets/abc"},
	}
	for _, token := range []string{"none", "Bearer wrong", "Bearer", "Bearer ", "Basic good", "good", "Bearergood"} {
		for _, q := range wrongInEveryWay {
			q.token = token
			response, body := s.send(t, q)
			expect(t, response, body, problem{401, "unauthenticated", "", "A valid access token is needed."})
			if got := response.Header.Get("WWW-Authenticate"); got != "Bearer" {
				t.Errorf("WWW-Authenticate is %q", got)
			}
		}
	}
	response, body := s.send(t, request{method: "GET", path: "/bets/1", token: "Bearer broken"})
	expect(t, response, body, problem{500, "internal_error", "", ""})
	if n := s.handled(); n != 0 {
		t.Errorf("%d unauthenticated requests reached the service", n)
	}

	response, body = s.send(t, request{method: "GET", path: "/bets/1", token: "bEARER  good"})
	if response.StatusCode != http.StatusOK {
		t.Errorf("a scheme in another case: %d %s", response.StatusCode, body)
	}
}

func TestHeadersForBrowsers(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), handlers{
		"GET /open": func(http.ResponseWriter, *http.Request) { panic("oops") },
	})
	for path, private := range map[string]bool{
		"/bets/1": true, "/bets/x": true, "/nothing": true, "/open": true, "/healthz": true, "/readyz": true, "/metrics": true, "/docs/secret": true,
		"/docs": false, "/docs/swagger-ui.css": false, "/openapi.yaml": false,
	} {
		for _, token := range []string{"", "Bearer bad"} {
			response, _ := s.send(t, request{method: "GET", path: path, token: token})
			h := response.Header
			if h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" ||
				!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || len(h["Content-Security-Policy"]) != 1 {
				t.Errorf("%s: got %v", path, h)
			}
			if got := strings.Join(h["Cache-Control"], ";"); private != (got == "no-store") {
				t.Errorf("%s: Cache-Control is %q", path, got)
			}
		}
	}
}

func TestLongAnswersAreCompressed(t *testing.T) {
	t.Parallel()
	const long = 64 << 10
	write := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", n)) }
	}
	s := start(t, httpedge.DefaultLimits(), handlers{
		"GET /bets/{bet_id}": write(long),
		"GET /bets": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			switch text := r.URL.Query().Get("text"); text {
			case "panic":
				panic("oops")
			case "long":
				write(long)(w, r)
			default:
				write(100)(w, r)
			}
		},
	})
	for _, test := range []struct {
		path, accept string
		compressed   bool
		status, size int // a size of 0 is not checked
	}{
		{"/bets?need=true&text=long", "gzip", true, 200, long},
		{"/bets?need=true&text=long", "br, gzip;q=0.5", true, 200, long},
		{"/bets?need=true&text=long", "", false, 200, long},
		{"/bets?need=true&text=long", "gzip;q=0", false, 200, long},
		{"/bets?need=true&text=short", "gzip", false, 200, 100},
		{"/bets?need=true&text=panic", "gzip", false, 500, 0},
		{"/bets", "gzip", false, 400, 0},
		{"/bets/1", "gzip", false, 200, long}, // not a list
		{"/openapi.yaml", "gzip", true, 200, len(spec)},
		{"/docs/swagger-ui.css", "gzip", true, 200, 0},
	} {
		// A header of its own keeps net/http from decompressing.
		response, body := s.send(t, request{method: "GET", path: test.path, header: http.Header{"Accept-Encoding": {test.accept}}})
		if got := response.Header.Get("Content-Encoding"); response.StatusCode != test.status || (got == "gzip") != test.compressed || got != "" && got != "gzip" {
			t.Errorf("%s for %q: %d, Content-Encoding %q", test.path, test.accept, response.StatusCode, got)
			continue
		}
		if test.compressed {
			reader, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			whole, err := io.ReadAll(reader)
			if err != nil || len(whole) <= len(body) {
				t.Errorf("%s: %d bytes became %d, %v", test.path, len(whole), len(body), err)
			}
			body = string(whole)
		}
		if test.size != 0 && len(body) != test.size {
			t.Errorf("%s for %q: %d bytes, want %d", test.path, test.accept, len(body), test.size)
		}
	}
}

func TestOptionalAuthentication(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), nil)
	for token, want := range map[string]string{"none": "hello ", "": "hello seven"} {
		response, body := s.send(t, request{method: "GET", path: "/open", token: token})
		if response.StatusCode != http.StatusOK || body != want {
			t.Errorf("token %q: %d %s, want %s", token, response.StatusCode, body, want)
		}
	}
	response, body := s.send(t, request{method: "GET", path: "/open", token: "Bearer wrong"})
	expect(t, response, body, problem{401, "unauthenticated", "", ""})
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	var seen sync.Map
	s := start(t, httpedge.DefaultLimits(), handlers{
		"GET /open": func(_ http.ResponseWriter, r *http.Request) { seen.Store(requestid.From(r.Context()), true) },
	})
	longest := strings.Repeat("a", 64)
	for _, given := range []string{"abc-1.2_3:4", longest} {
		response, _ := s.send(t, request{method: "GET", path: "/open", header: http.Header{"X-Request-Id": {given}}})
		if got := response.Header.Get("X-Request-Id"); got != given {
			t.Errorf("the id %q became %q", given, got)
		}
		if !strings.Contains(logged.of(t, given), " server_request_id=") {
			t.Errorf("the log of %q has no id of the server's", given)
		}
		if _, ok := seen.Load(given); !ok {
			t.Errorf("the service did not get the id %q", given)
		}
	}
	made := map[string]bool{}
	for _, given := range []string{"", longest + "a", "a b", "a\tb", "<b>", "ü", `"`} {
		response, _ := s.send(t, request{method: "GET", path: "/open", header: http.Header{"X-Request-Id": {given}}})
		got := response.Header.Get("X-Request-Id")
		if got == given || !requestid.IsValid(got) || made[got] {
			t.Errorf("the id %q became %q", given, got)
		}
		made[got] = true
		if strings.Contains(logged.of(t, got), "server_request_id") {
			t.Errorf("the log of %q has a second id", got)
		}
		if _, ok := seen.Load(got); !ok {
			t.Errorf("the service did not get the id %q", got)
		}
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), handlers{
		"GET /bets/{bet_id}": func(http.ResponseWriter, *http.Request) { panic("secret of 10.0.0.7") },
		"GET /open": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			panic("too late for an answer")
		},
	})
	id := "panic-before-" + rand.Text() // unique, because -count and -cpu run the test several times in this process
	response, body := s.send(t, request{method: "GET", path: "/bets/1", header: http.Header{"X-Request-Id": {id}}})
	expect(t, response, body, problem{500, "internal_error", "", "Something went wrong on our side."})
	log := logged.of(t, id)
	if n := strings.Count(log, "level=ERROR"); n != 1 || !strings.Contains(log, "secret of 10.0.0.7") ||
		!strings.Contains(log, "edge_test.go") || !strings.Contains(log, "status=500") {
		t.Errorf("the panic is logged as:\n%s", log)
	}

	id = "panic-after"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/open", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Request-Id", id)
	response, err = http.DefaultTransport.RoundTrip(r)
	if err == nil {
		_, err = io.ReadAll(response.Body)
		_ = response.Body.Close()
	}
	if err == nil {
		t.Error("an aborted response looks complete")
	}
	if log := logged.of(t, id); !strings.Contains(log, "too late for an answer") || !strings.Contains(log, "aborted=true") {
		t.Errorf("the panic is logged as:\n%s", log)
	}

	response, _ = s.send(t, request{method: "GET", path: "/healthz"})
	if response.StatusCode != http.StatusOK {
		t.Errorf("after panics /healthz answers %d", response.StatusCode)
	}
}

func TestErrorsOfTheService(t *testing.T) {
	t.Parallel()
	closed := fault.New(fault.Conflict, "event_closed", "The event takes no more bets.")
	s := start(t, httpedge.DefaultLimits(), handlers{
		"GET /bets/{bet_id}": func(w http.ResponseWriter, r *http.Request) {
			httpedge.HandleError(w, r, fmt.Errorf("place bet: %w", closed))
		},
		"GET /open": func(w http.ResponseWriter, r *http.Request) {
			httpedge.HandleError(w, r, errors.New("dial 10.0.0.7: refused"))
		},
		"PATCH /bets/{bet_id}": func(w http.ResponseWriter, r *http.Request) {
			httpedge.HandleRequestError(w, r, errors.New("json: cannot unmarshal"))
		},
		"DELETE /bets/{bet_id}": func(w http.ResponseWriter, r *http.Request) {
			httpedge.HandleRequestError(w, r, fmt.Errorf("bind: %w", closed))
		},
	})
	for _, test := range []struct {
		method, path string
		want         problem
	}{
		{"GET", "/bets/1", problem{409, "event_closed", "", "The event takes no more bets."}},
		{"GET", "/open", problem{500, "internal_error", "", ""}},
		{"PATCH", "/bets/1", problem{400, "invalid_request", "", "The request is malformed."}},
		{"DELETE", "/bets/1", problem{409, "event_closed", "", ""}},
	} {
		response, body := s.send(t, request{method: test.method, path: test.path})
		expect(t, response, body, test.want)
	}
}

func TestAccessLogAndMetrics(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), nil)
	send := func(method, path, id string) string {
		s.send(t, request{method: method, path: path, header: http.Header{"X-Request-Id": {id}}})
		return logged.of(t, id)
	}
	log := send("GET", "/bets/7", "log-good")
	for _, want := range []string{
		"level=INFO", "method=GET", "route=/bets/{bet_id}", "path=/bets/7 ", "client=127.0.0.1 ", "status=200", "duration=", "bytes=11", "user=user-7",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the access log has no %s: %s", want, log)
		}
	}
	log += send("GET", "/bets?need=true&text=secret-query", "log-query") + send("GET", "/bets?x=secret-query", "log-bad-query")
	if strings.Contains(log, "secret-query") || strings.Contains(log, "Bearer") {
		t.Errorf("the access log shows too much: %s", log)
	}
	if log := send("GET", "/a%C2%85%E2%80%AEb"+strings.Repeat("x", 1000), "log-odd"); !strings.Contains(log, `\u202eb`) || strings.Contains(log, "\u202e") ||
		!strings.Contains(log, strings.Repeat("x", 251)+"...") || strings.Contains(log, strings.Repeat("x", 252)) {
		t.Errorf("a long path with hidden characters is logged as %+q", log)
	}
	if log := send("BREW", "/wp-admin.php", "log-lost"); !strings.Contains(log, "route=unmatched") || !strings.Contains(log, "status=404") {
		t.Errorf("a request without a route is logged as %s", log)
	}
	if log := send("GET", "/readyz", "log-probe"); !strings.Contains(log, "level=DEBUG") {
		t.Errorf("a probe is logged as %s", log)
	}

	_, scraped := s.send(t, request{method: "GET", path: "/metrics", token: "none"})
	for _, want := range []string{
		`stavka_http_requests_total{method="GET",route="/bets/{bet_id}",status="200"} 1`,
		`stavka_http_requests_total{method="OTHER",route="unmatched",status="404"} 1`,
		`stavka_http_requests_total{method="GET",route="/readyz",status="503"} 1`,
		`stavka_http_request_duration_seconds_count{method="GET",route="/bets/{bet_id}"} 1`,
		`stavka_http_requests_in_flight 1`,
		`stavka_build_info{`,
		`go_goroutines`,
	} {
		if !strings.Contains(scraped, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	if strings.Contains(scraped, "wp-admin") || strings.Contains(scraped, "BREW") {
		t.Error("unknown paths or methods are labels")
	}
}

func TestOperationalRoutes(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), nil)
	s.health.Ready()
	for _, test := range []struct{ path, contentType, holds string }{
		{"/healthz", "application/json", `"status":"ok"`},
		{"/readyz", "application/json", `"status":"ok"`},
		{"/metrics", "text/plain", "go_goroutines"},
		{"/openapi.yaml", "application/yaml", "openapi: 3.0.3"},
		{"/docs", "text/html", "swagger-ui"},
		{"/docs/", "text/html", "swagger-ui"},
		{"/docs/swagger-ui-bundle.js", "javascript", "SwaggerUIBundle"},
		{"/docs/swagger-ui-standalone-preset.js", "javascript", "SwaggerUIStandalonePreset"},
		{"/docs/swagger-ui.css", "text/css", ".swagger-ui"},
		{"/docs/favicon-32x32.png", "image/png", "PNG"},
	} {
		response, body := s.send(t, request{method: "GET", path: test.path, token: "none"})
		if response.StatusCode != http.StatusOK || !strings.Contains(body, test.holds) ||
			!strings.Contains(response.Header.Get("Content-Type"), test.contentType) {
			t.Errorf("GET %s: %d %s, %d bytes", test.path, response.StatusCode, response.Header.Get("Content-Type"), len(body))
		}
		if response.Header.Get("X-Request-Id") == "" || response.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: headers %v", test.path, response.Header)
		}
		response, body = s.send(t, request{method: "HEAD", path: test.path, token: "none"})
		if response.StatusCode != http.StatusOK || body != "" {
			t.Errorf("HEAD %s: %d %q", test.path, response.StatusCode, body)
		}
	}
}

func TestDocsLoadNothingFromOtherServers(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), nil)
	response, page := s.send(t, request{method: "GET", path: "/docs", token: "none"})
	policy := response.Header.Get("Content-Security-Policy")
	scripts := strings.Count(page, "<script>")
	if scripts == 0 || strings.Count(policy, "'sha256-") != scripts {
		t.Errorf("%d inline scripts, policy %s", scripts, policy)
	}
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy has no %s: %s", want, policy)
		}
	}
	if strings.Contains(page, `src="http`) || strings.Contains(page, `href="http`) || strings.Contains(page, `="//`) {
		t.Errorf("the page loads from another server:\n%s", page)
	}
	if !strings.Contains(page, `"swaggerJsonUrl":"/openapi.yaml"`) {
		t.Error("the page does not load /openapi.yaml")
	}
}

func TestSpecAndRoutesMustAgree(t *testing.T) {
	t.Parallel()
	options := func(spec string, mount func(chi.Router)) httpedge.Options {
		return httpedge.Options{
			Title: "edge", Spec: []byte(spec), Mount: mount, Health: health.New(), Metrics: metrics.New("test"),
			Authenticate: func(ctx context.Context, _ string) (context.Context, error) { return ctx, nil },
		}
	}
	nop := func(http.ResponseWriter, *http.Request) {}
	const head = "openapi: 3.0.3\ninfo: { title: t, version: '1' }\n"
	const paths = "paths: { /a: { get: { responses: { '200': { description: ok } } } } }\n"
	for name, test := range map[string]struct {
		options httpedge.Options
		want    string
	}{
		"not YAML":    {options("{", nil), "OpenAPI document"},
		"not OpenAPI": {options("openapi: 3.0.3\n", nil), "OpenAPI document"},
		"not mounted": {options(head+paths, func(chi.Router) {}), "GET /a is in the OpenAPI document but not mounted"},
		"not in spec": {options(head+paths, func(r chi.Router) { r.Get("/a", nop); r.Post("/a", nop) }), "POST /a is mounted but not in the OpenAPI document"},
		"no schema": {options(head+strings.Replace(paths, "get: {", "get: { parameters: [{ name: q, in: query, content: { application/json: {} } }],", 1),
			func(r chi.Router) { r.Get("/a", nop) }), "parameter q of GET /a has no schema"},
		"many values": {options(head+strings.Replace(paths, "get: {", "get: { parameters: [{ name: q, in: query, schema: { type: array, items: { type: string } } }],", 1),
			func(r chi.Router) { r.Get("/a", nop) }), "parameter q of GET /a is not checked"},
		"other scheme": {options(head+paths+"components: { securitySchemes: { k: { type: apiKey, in: header, name: X } } }\n", func(r chi.Router) { r.Get("/a", nop) }), "security scheme k is not a bearer token"},
	} {
		if _, err := httpedge.New(test.options); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}
