package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// event returns the relevant members of an event, as "state version seq revision".
func event(a answer) string {
	return fmt.Sprintf("%s %s %s %s", a.member["state"], a.member["version"], a.member["seq"], a.member["result_revision"])
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := start(t, environment(t))
	before := time.Now().Unix()

	created := s.ask(request{
		method: http.MethodPost, path: "/event", body: `{"coefficient":1.45,"name":"Lions – Tigers"}`,
		header: map[string]string{"X-Actor": "anna"},
	})
	if created.status != http.StatusCreated || created.header.Get("Location") != "/event/1" ||
		created.header.Get("ETag") != `"1"` || created.header.Get("Line-Epoch") == "" || event(created) != "1 1 1 0" {
		t.Fatalf("created: %+v", created)
	}
	if !strings.Contains(created.body, `"coefficient":1.45,`) || created.member["name"] != "Lions – Tigers" {
		t.Errorf("created: %s", created.body)
	}
	deadline, err := strconv.ParseInt(fmt.Sprint(created.member["deadline"]), 10, 64)
	if err != nil || deadline < before+5000 || deadline > time.Now().Unix()+5000 {
		t.Errorf("default deadline %d, want 5000 s from %d", deadline, before)
	}

	for _, step := range []struct {
		name   string
		method string
		path   string
		body   string
		status int
		event  string
		etag   string
	}{
		{"read", http.MethodGet, "/event/1", "", 200, "1 1 1 0", `"1"`},
		{"reprice", http.MethodPatch, "/event/1", `{"coefficient":1.6}`, 200, "1 2 2 0", `"2"`},
		{"reprice to the same", http.MethodPatch, "/event/1", `{"coefficient":1.60}`, 200, "1 2 2 0", `"2"`},
		{"suspend", http.MethodPatch, "/event/1", `{"suspended":true}`, 200, "1 3 3 0", `"3"`},
		{"still open", http.MethodPatch, "/event/1/status", `{"state":1}`, 200, "1 3 3 0", `"3"`},
		{"finish", http.MethodPatch, "/event/1/status", `{"state":2}`, 200, "2 4 4 1", `"4"`},
		{"finish again", http.MethodPatch, "/event/1/status", `{"state":2}`, 200, "2 4 4 1", `"4"`},
		{"correct", http.MethodPatch, "/event/1/status", `{"state":3,"reason":"goal disallowed"}`, 200, "3 5 5 2", `"5"`},
	} {
		got := s.do(step.method, step.path, step.body)
		if got.status != step.status || event(got) != step.event || got.header.Get("ETag") != step.etag ||
			got.header.Get("Line-Epoch") != created.header.Get("Line-Epoch") {
			t.Errorf("%s: %d %s %v, want %d %s %s", step.name, got.status, got.body, got.header, step.status, step.event, step.etag)
		}
	}

	s.do(http.MethodPost, "/event", `{"coefficient":2}`)
	for range 2 {
		removed := s.do(http.MethodDelete, "/event/2", "")
		if removed.status != http.StatusNoContent || removed.header.Get("ETag") != `"2"` {
			t.Errorf("removed: %+v", removed)
		}
	}
	if got := event(s.do(http.MethodGet, "/event/2", "")); got != "4 2 7 1" {
		t.Errorf("removed event: %s", got)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	s := start(t, environment(t))
	if got := s.do(http.MethodGet, "/events", ""); got.body != "[]" {
		t.Errorf("an empty line: %s", got.body)
	}
	for range 3 {
		s.do(http.MethodPost, "/event", `{"coefficient":2}`)
	}
	s.do(http.MethodPatch, "/event/1/status", `{"state":4}`)

	for path, want := range map[string]struct {
		ids  []int64
		next string
	}{
		"/events":                        {ids: []int64{1, 2, 3}},
		"/events?limit=2":                {ids: []int64{1, 2}, next: `</events?after=2&limit=2>; rel="next"`},
		"/events?after=2&limit=2":        {ids: []int64{3}},
		"/events?state=1&limit=1":        {ids: []int64{2}, next: `</events?after=2&limit=1&state=1>; rel="next"`},
		"/events?state=4":                {ids: []int64{1}},
		"/events?state=2":                {ids: []int64{}},
		"/event/1/history?limit=1":       {ids: []int64{1}, next: `</event/1/history?after=1&limit=1>; rel="next"`},
		"/event/1/history?after=1":       {ids: []int64{2}},
		"/events?after=9007199254740993": {ids: []int64{}},
	} {
		got := s.do(http.MethodGet, path, "")
		var list []struct {
			EventID int64 `json:"event_id"`
			Event   struct {
				Version int64 `json:"version"`
			} `json:"event"`
		}
		if err := json.Unmarshal([]byte(got.body), &list); err != nil {
			t.Fatal(err)
		}
		ids := []int64{}
		for _, item := range list {
			ids = append(ids, item.EventID+item.Event.Version) // one of the two is zero
		}
		if fmt.Sprint(ids) != fmt.Sprint(want.ids) || got.header.Get("Link") != want.next {
			t.Errorf("%s: %v %q, want %v %q", path, ids, got.header.Get("Link"), want.ids, want.next)
		}
	}

	page := s.do(http.MethodGet, "/events/changes?after=1&limit=2", "")
	if got := fmt.Sprintf("%s %s", page.member["last_seq"], page.member["next_after"]); got != "4 3" {
		t.Errorf("changes: %s", page.body)
	}
	if page.member["epoch"] != page.header.Get("Line-Epoch") {
		t.Errorf("epoch: %s and %s", page.member["epoch"], page.header.Get("Line-Epoch"))
	}
	page = s.do(http.MethodGet, "/events/changes?after=4", "")
	if got := fmt.Sprintf("%s %s %s", page.member["last_seq"], page.member["next_after"], page.member["events"]); got != "4 4 []" {
		t.Errorf("no changes: %s", page.body)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	s := start(t, environment(t))
	for _, r := range []request{
		{method: http.MethodPost, path: "/event", body: `{"coefficient":2}`, header: map[string]string{"X-Actor": "anna"}},
		{method: http.MethodPatch, path: "/event/1", body: `{"suspended":true}`, header: map[string]string{"X-Actor": "boris"}},
		{method: http.MethodPatch, path: "/event/1/status", body: `{"state":2,"reason":"final whistle"}`},
		{method: http.MethodPatch, path: "/event/1/status", body: `{"state":4,"reason":"protest"}`},
		{method: http.MethodPost, path: "/event", body: `{"coefficient":2}`},
		{method: http.MethodDelete, path: "/event/2"},
	} {
		if got := s.ask(r); got.status >= 300 {
			t.Fatalf("%+v: %+v", r, got)
		}
	}
	var got []string
	for _, id := range []string{"1", "2"} {
		var entries []struct {
			Action string  `json:"action"`
			Token  string  `json:"token"`
			Actor  *string `json:"actor"`
			Reason *string `json:"reason"`
			Event  struct {
				Version   int64 `json:"version"`
				State     int   `json:"state"`
				Suspended bool  `json:"suspended"`
			} `json:"event"`
		}
		if err := json.Unmarshal([]byte(s.do(http.MethodGet, "/event/"+id+"/history", "").body), &entries); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if len(e.Token) != 8 || strings.Contains(token, e.Token) {
				t.Errorf("token label %q", e.Token)
			}
			got = append(got, fmt.Sprint(e.Action, " ", text(e.Actor), " ", text(e.Reason), " ", e.Event))
		}
	}
	want := []string{
		"created anna - {1 1 false}", "changed boris - {2 1 true}", "finished - final whistle {3 2 true}",
		"corrected - protest {4 4 true}", "created - - {1 1 false}", "removed - - {2 4 false}",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func text(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// TestRefusals sends requests that must be refused. Event 1 is open, 2 is won, 3 is cancelled, and 4
// is past its deadline.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, environment(t))
	now := time.Now().Unix()
	deadline := now + 3 // later than a slow machine needs to create the events
	for _, body := range []string{
		`{"coefficient":2}`, `{"coefficient":2}`, `{"coefficient":2}`, fmt.Sprintf(`{"coefficient":2,"deadline":%d}`, deadline),
	} {
		s.do(http.MethodPost, "/event", body)
	}
	s.do(http.MethodPatch, "/event/2/status", `{"state":2}`)
	s.do(http.MethodDelete, "/event/3", "")
	eventually(t, "the deadline of event 4 passes", func() error {
		if time.Now().Unix() < deadline {
			return fmt.Errorf("it is %s", time.Now())
		}
		return nil
	})
	const post, patch, del, get = http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodGet
	for name, c := range map[string]struct {
		request

		status int
		code   string
	}{
		"no token":          {request{get, "/events", "", map[string]string{"Authorization": ""}}, 401, "unauthenticated"},
		"another token":     {request{get, "/events", "", map[string]string{"Authorization": "Bearer x"}}, 401, "unauthenticated"},
		"no token, no JSON": {request{post, "/event", "?", map[string]string{"Authorization": ""}}, 401, "unauthenticated"},
		"no route":          {request{get, "/evens", "", nil}, 404, "not_found"},
		"no method":         {request{del, "/events", "", nil}, 405, "method_not_allowed"},
		"no JSON":           {request{post, "/event", "{", nil}, 400, "invalid_request"},
		"no media type":     {request{post, "/event", "{}", map[string]string{"Content-Type": "text/plain"}}, 415, "unsupported_media_type"},
		"a long body":       {request{post, "/event", strings.Repeat(" ", 70_000), nil}, 413, "body_too_large"},
		"an unknown field":  {request{post, "/event", `{"coefficient":2,"x":1}`, nil}, 400, "invalid_request"},
		"a price as text":   {request{post, "/event", `{"coefficient":"2"}`, nil}, 400, "invalid_request"},
		"a fine price":      {request{post, "/event", `{"coefficient":2.001}`, nil}, 400, "invalid_request"},
		"an exponent":       {request{post, "/event", `{"coefficient":2e0}`, nil}, 400, "invalid_request"},
		"a low price":       {request{post, "/event", `{"coefficient":0.99}`, nil}, 422, "coefficient_out_of_range"},
		"a high price":      {request{post, "/event", `{"coefficient":1000.01}`, nil}, 422, "coefficient_out_of_range"},
		"a past deadline":   {request{post, "/event", `{"coefficient":2,"deadline":0}`, nil}, 422, "deadline_in_past"},
		"a deadline in year 1": {
			request{post, "/event", `{"coefficient":2,"deadline":-62135596800}`, nil}, 422, "deadline_in_past",
		},
		"read: unknown":     {request{get, "/event/99", "", nil}, 404, "event_not_found"},
		"read: id 0":        {request{get, "/event/0", "", nil}, 400, "invalid_request"},
		"history: unknown":  {request{get, "/event/99/history", "", nil}, 404, "event_not_found"},
		"list: limit":       {request{get, "/events?limit=501", "", nil}, 400, "invalid_request"},
		"change: unknown":   {request{patch, "/event/99", `{"suspended":true}`, nil}, 404, "event_not_found"},
		"change: finished":  {request{patch, "/event/2", `{"suspended":true}`, nil}, 409, "event_not_open"},
		"change: cancelled": {request{patch, "/event/3", `{"name":"x"}`, nil}, 409, "event_not_open"},
		"change: late":      {request{patch, "/event/4", `{"coefficient":3}`, nil}, 409, "deadline_passed"},
		"change: high":      {request{patch, "/event/1", `{"coefficient":9999}`, nil}, 422, "coefficient_out_of_range"},
		"change: past":      {request{patch, "/event/1", `{"deadline":1}`, nil}, 422, "deadline_in_past"},
		"change: version": {
			request{patch, "/event/1", `{"suspended":true}`, map[string]string{"If-Match": `"2"`}}, 412, "version_mismatch",
		},
		"change: no version": {
			request{patch, "/event/1", `{"suspended":true}`, map[string]string{"If-Match": `2`}}, 400, "invalid_request",
		},
		"finish: unknown":  {request{patch, "/event/99/status", `{"state":2}`, nil}, 404, "event_not_found"},
		"finish: state 5":  {request{patch, "/event/1/status", `{"state":5}`, nil}, 400, "invalid_request"},
		"finish: reopen":   {request{patch, "/event/2/status", `{"state":1}`, nil}, 409, "event_finished"},
		"finish: reason":   {request{patch, "/event/2/status", `{"state":3}`, nil}, 422, "reason_required"},
		"finish: tomorrow": {request{patch, "/event/1/status", fmt.Sprintf(`{"state":2,"effective_at":%d}`, now+9999), nil}, 422, "effective_at_invalid"},
		"finish: before":   {request{patch, "/event/1/status", `{"state":2,"effective_at":1}`, nil}, 422, "effective_at_invalid"},
		"finish: version": {
			request{patch, "/event/1/status", `{"state":2}`, map[string]string{"If-Match": `"2"`}}, 412, "version_mismatch",
		},
		"remove: unknown":  {request{del, "/event/99", "", nil}, 404, "event_not_found"},
		"remove: finished": {request{del, "/event/2", "", nil}, 409, "event_finished"},
		"remove: version":  {request{del, "/event/1", "", map[string]string{"If-Match": `"2"`}}, 412, "version_mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := (&service{s.App, t}).ask(c.request)
			if got.status != c.status || got.member["code"] != c.code {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, c.status, c.code)
			}
		})
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	env := environment(t)
	const second = "another-service-token-of-some-length"
	env["LINE_PROVIDER_TOKEN"] = token + ", " + second
	s := start(t, env)
	create := func(body, bearer string) answer {
		return s.ask(request{method: http.MethodPost, path: "/event", body: body, header: map[string]string{
			"Idempotency-Key": "k", "Authorization": "Bearer " + bearer,
		}})
	}
	first := create(`{"coefficient":1.5}`, token)
	s.do(http.MethodPatch, "/event/1", `{"coefficient":3}`)

	again := create(`{"name":"","deadline":null,"coefficient":1.50}`, token)
	if again.status != http.StatusCreated || again.body != first.body ||
		again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("again %+v, first %+v", again, first)
	}
	if other := create(`{"coefficient":1.51}`, token); other.member["code"] != "idempotency_key_reused" {
		t.Errorf("other content: %+v", other)
	}
	if elsewhere := create(`{"coefficient":1.5}`, second); elsewhere.member["event_id"] != json.Number("2") {
		t.Errorf("another token: %+v", elsewhere)
	}
}

// TestManyWriters changes one event concurrently through two replicas. Every change is applied, one
// after the other.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	env := environment(t)
	replicas := []*service{start(t, env), start(t, env)}
	replicas[0].do(http.MethodPost, "/event", `{"coefficient":2}`)
	const writers = 24
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			got := replicas[i%2].ask(request{
				method: http.MethodPatch, path: "/event/1", body: fmt.Sprintf(`{"name":"writer %d"}`, i),
			})
			if got.status != http.StatusOK || got.member["name"] != fmt.Sprintf("writer %d", i) {
				t.Errorf("writer %d: %+v", i, got)
			}
		})
	}
	wg.Wait()
	if got, want := event(replicas[1].do(http.MethodGet, "/event/1", "")), fmt.Sprint(1, writers+1, writers+1, 0); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMetricsOnAListenerOfTheirOwn(t *testing.T) {
	t.Parallel()
	env := environment(t)
	env["METRICS_ADDR"] = "127.0.0.1:0"
	s := start(t, env)
	for address, want := range map[string]int{s.Addr(): http.StatusNotFound, s.MetricsAddr(): http.StatusOK} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != want {
			t.Errorf("%s: got %d, %v, want %d", address, response.StatusCode, err, want)
		}
	}
}
