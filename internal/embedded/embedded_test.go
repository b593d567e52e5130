package embedded

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	provider "stavka.local/lineprovider/app"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
	"stavka.local/shared/service"
	"stavka.local/stavka/internal/demo"
)

// run runs a command with these variables alone.
func run(t *testing.T, environment map[string]string, args ...string) (stdout string, err error) {
	t.Helper()
	var out bytes.Buffer
	// The log is discarded: the command makes it the default log, which outlives this test.
	err = service.Run(t.Context(), NewCommand(lookupIn(environment)), args, &out, io.Discard)
	return out.String(), err
}

func lookupIn(environment map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		text, ok := environment[name]
		return text, ok
	}
}

// served is an instance that serves in this process until the test ends, with clients.
type served struct {
	*instance

	environment map[string]string
	line        *lineprovider.ClientWithResponses
	admin       *betmaker.ClientWithResponses
}

func serveOn(t *testing.T, directory string) *served {
	t.Helper()
	return serveWith(t, map[string]string{"DATA_DIR": directory})
}

// serveWith serves on free ports.
func serveWith(t *testing.T, environment map[string]string) *served {
	t.Helper()
	environment["BETMAKER_ADDR"], environment["LINEPROVIDER_ADDR"] = "127.0.0.1:0", "127.0.0.1:0"
	i := &served{environment: environment}
	var err error
	if i.instance, err = newInstance(t.Context(), newSettings(lookupIn(i.environment)), io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := i.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.stop(t) })
	select {
	case <-i.betMaker.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("the instance does not become ready")
	}
	if i.line, err = lineprovider.NewClientWithResponses(i.stage.LineProvider, lineprovider.WithRequestEditorFn(bearer(i.stage.ServiceToken))); err != nil {
		t.Fatal(err)
	}
	anonymous, err := betmaker.NewClientWithResponses(i.stage.BetMaker)
	if err != nil {
		t.Fatal(err)
	}
	token, err := anonymous.IssueTokenWithResponse(t.Context(), betmaker.Credentials{Username: "string", Password: "string"})
	if err != nil || token.JSON200 == nil {
		t.Fatalf("sign in: %v %+v", err, token)
	}
	if i.admin, err = betmaker.NewClientWithResponses(i.stage.BetMaker, betmaker.WithRequestEditorFn(bearer(token.JSON200.AccessToken))); err != nil {
		t.Fatal(err)
	}
	return i
}

// stop stops the instance; it may be called more than once.
func (i *served) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), grace)
	defer cancel()
	if err := i.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func bearer(token string) func(context.Context, *http.Request) error {
	return func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

func (i *served) events(t *testing.T) []lineprovider.Event {
	t.Helper()
	got, err := i.line.ListEventsWithResponse(t.Context(), nil)
	if err != nil || got.JSON200 == nil {
		t.Fatalf("list events: %v %+v", err, got)
	}
	return *got.JSON200
}

func (i *served) place(t *testing.T, event int64, amount string) {
	t.Helper()
	placed, err := i.admin.PlaceBetWithResponse(t.Context(), nil, betmaker.NewBet{EventID: event, Amount: money.MustParse(amount)})
	if err != nil || placed.JSON201 == nil {
		t.Fatalf("bet on event %d: %v %+v", event, err, placed)
	}
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDemoPlaysOnATemporaryInstance(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "data")
	out, err := run(t, map[string]string{"DATA_DIR": directory}, "demo")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"refused, price_changed", "refused, event_suspended", "refused, event_closed", "3 Anna Ajax - PSV 20.00 2.10 won 42.00"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if _, err := os.Stat(directory); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data directory was touched: %v", err)
	}
}

func TestDemoPlaysOnTheRunningInstance(t *testing.T) {
	t.Parallel()
	i := serveOn(t, t.TempDir())
	address := func(url string) string { return strings.TrimPrefix(url, "http://") }
	for range 2 { // it may be played again
		out, err := run(t, map[string]string{}, "demo", "--running",
			"--betmaker-addr", address(i.stage.BetMaker), "--lineprovider-addr", address(i.stage.LineProvider))
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if n := len(i.events(t)); n != 8 {
		t.Errorf("there are %d events, want those of two stories", n)
	}
}

// The demo checks every answer.
func TestDemoFailsWhenSomethingIsWrong(t *testing.T) {
	t.Parallel()
	i := serveOn(t, t.TempDir())
	stage := i.stage
	stage.Password = "wrong"
	var out bytes.Buffer
	err := demo.Play(t.Context(), stage, &out, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "step 5 of ") || !strings.Contains(err.Error(), "invalid_credentials") {
		t.Errorf("got %v", err)
	}
}

func TestImportsEvents(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	environment := map[string]string{"DATA_DIR": directory}
	table := file(t, "events.csv", "name,coefficient,deadline\nReds - Blues,1.45,4102444800\nAjax - PSV,2.1,\n")
	out, err := run(t, environment, "events", "import", table)
	if err != nil || out != "events imported: 2\n" {
		t.Fatalf("got %q %v", out, err)
	}

	i := serveOn(t, directory)
	list := file(t, "more.json", `[{"coefficient": 3.00, "name": "Lions - Tigers"}]`)
	out, err = run(t, environment, "events", "import", list) // beside the instance that serves
	if err != nil || out != "events imported: 1\n" {
		t.Fatalf("got %q %v", out, err)
	}
	for _, again := range []string{table, list} {
		out, err = run(t, environment, "events", "import", again)
		if err != nil || !strings.Contains(out, "imported already") {
			t.Fatalf("imported again: got %q %v", out, err)
		}
	}

	events := i.events(t)
	var names []string
	for _, event := range events {
		names = append(names, fmt.Sprintf("%d %s %s", event.EventID, *event.Name, event.Coefficient))
	}
	if got, want := strings.Join(names, ", "), "1 Reds - Blues 1.45, 2 Ajax - PSV 2.10, 3 Lions - Tigers 3.00"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if events[0].Deadline != 4102444800 || events[1].Deadline < time.Now().Unix() {
		t.Errorf("deadlines: %+v", events)
	}
	for _, event := range events {
		i.place(t, event.EventID, "1.00")
	}
}

// Events that have been imported are not checked again when the same file is imported again.
func TestImportsTheSameFileOnce(t *testing.T) {
	t.Parallel()
	environment := map[string]string{"DATA_DIR": t.TempDir(), "MAX_COEFFICIENT": "5.00"}
	table := file(t, "events.csv", "coefficient\n4.50\n1.45\n")
	if out, err := run(t, environment, "events", "import", table); err != nil || out != "events imported: 2\n" {
		t.Fatalf("got %q %v", out, err)
	}
	environment["MAX_COEFFICIENT"] = "2.00"
	if out, err := run(t, environment, "events", "import", table); err != nil || !strings.Contains(out, "imported already") {
		t.Errorf("under other rules: got %q %v", out, err)
	}
}

// Changes that close events reach bet-maker behind the events that were imported before.
func TestImportsFewEventsBesideAnInstanceThatServes(t *testing.T) {
	t.Parallel()
	i := serveOn(t, t.TempDir())
	many := file(t, "events.csv", "coefficient\n"+strings.Repeat("1.45\n", provider.MaxBesideServing+1))
	_, err := run(t, map[string]string{"DATA_DIR": i.directory}, "events", "import", many)
	if err == nil || !strings.Contains(err.Error(), "while an instance serves") {
		t.Errorf("got %v", err)
	}
	if n := len(i.events(t)); n != 0 {
		t.Errorf("%d events were imported", n)
	}
}

func TestImportsAllOrNothing(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	environment := map[string]string{"DATA_DIR": directory}
	many := "coefficient,deadline\n" + strings.Repeat("1.45,4102444800\n", 500)
	for name, tt := range map[string]struct{ text, want string }{
		"a bad row":              {many + "0.x,4102444800\n", "line 502"},
		"a price below 1.00":     {many + "0.99,4102444800\n", "line 502: The coefficient must be from 1.00 to 1000.00."},
		"a deadline of the past": {many + "1.45,1000000000\n", "line 502: The deadline is already over."},
	} {
		out, err := run(t, environment, "events", "import", file(t, "events.csv", tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "nothing was imported") || out != "" {
			t.Errorf("%s: got %q %v, want %q", name, out, err, tt.want)
		}
	}
	if n := len(serveOn(t, directory).events(t)); n != 0 {
		t.Errorf("%d events were imported", n)
	}
}

func TestExportsBets(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	environment := map[string]string{"DATA_DIR": directory}
	if _, err := run(t, environment, "bets", "export"); err == nil || !strings.Contains(err.Error(), "there is no data here yet") {
		t.Errorf("without any data: got %v", err)
	}
	i := serveOn(t, directory)
	if out, err := run(t, environment, "bets", "export", "--format", "json"); err != nil || out != "[]\n" {
		t.Errorf("without bets: got %q %v", out, err)
	}
	created, err := i.line.CreateEventWithResponse(t.Context(), nil, lineprovider.NewEvent{Coefficient: odds.MustParse("1.45")})
	if err != nil || created.JSON201 == nil {
		t.Fatalf("create an event: %v %+v", err, created)
	}
	const bets = 1003 // more than one page
	for range bets {
		i.place(t, created.JSON201.EventID, "0.51")
	}
	for range 2 { // beside the instance, and after it
		out, err := run(t, environment, "bets", "export")
		rows, readErr := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil || readErr != nil || len(rows) != 1+bets {
			t.Fatalf("got %d rows, %v %v", len(rows), err, readErr)
		}
		for name, want := range map[string]string{
			"id": strconv.Itoa(bets), "event_id": "1", "user_id": "1", "amount": "0.51", "coefficient": "1.45", "event_version": "1",
			"status": "pending", "potential_payout": "0.73", "payout": "", "settle_revision": "0", "void_reason": "", "settled_at": "",
		} {
			if i := slices.Index(rows[0], name); i < 0 || rows[1][i] != want {
				t.Errorf("the first row is %v under %v; want the %s %q", rows[1], rows[0], name, want)
			}
		}
		out, err = run(t, environment, "bets", "export", "--format", "json")
		var exported []betmaker.Bet
		if err := errors.Join(err, json.Unmarshal([]byte(out), &exported)); err != nil || len(exported) != bets {
			t.Fatalf("got %d bets, %v", len(exported), err)
		}
		for n, bet := range exported {
			if bet.ID != int64(bets-n) || bet.PotentialPayout != money.MustParse("0.73") {
				t.Fatalf("bet %d of the export is %+v", n, bet)
			}
		}
		i.stop(t)
	}
}

func TestVerifiesTheLedger(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	environment := map[string]string{"DATA_DIR": directory}
	if _, err := run(t, environment, "ledger", "verify"); err == nil || !strings.Contains(err.Error(), "there is no data here yet") {
		t.Errorf("without any data: got %v", err)
	}
	i := serveOn(t, directory)
	created, err := i.line.CreateEventWithResponse(t.Context(), nil, lineprovider.NewEvent{Coefficient: odds.MustParse("1.45")})
	if err != nil || created.JSON201 == nil {
		t.Fatalf("create an event: %v %+v", err, created)
	}
	for range 3 {
		i.place(t, created.JSON201.EventID, "10.00")
	}
	var out string
	for range 2 { // beside the instance, and after it
		if out, err = run(t, environment, "ledger", "verify"); err != nil || !strings.Contains(out, "in escrow  30.00\n") {
			t.Fatalf("got %v\n%s", err, out)
		}
		i.stop(t)
	}
	if !strings.Contains(out, "transfers  4, of which 4 are sealed\n") {
		t.Errorf("after the stop not all is sealed:\n%s", out)
	}
	_, head, _ := strings.Cut(out, "head       ")
	head, _, _ = strings.Cut(head, "\n")
	if out, err := run(t, environment, "ledger", "verify", "--head", head); err != nil {
		t.Errorf("with the head: %v\n%s", err, out)
	}
	if out, err := run(t, environment, "ledger", "verify", "--head", "1000"+head); err == nil || !strings.Contains(out, "head_missing") {
		t.Errorf("with a missing head: %v\n%s", err, out)
	}
}

// The first lines must not promise a password that no longer opens anything.
func TestWelcomeIsTrue(t *testing.T) {
	t.Parallel()
	i := serveOn(t, t.TempDir())
	for _, tt := range []struct {
		want  string
		after func()
	}{
		{"user string, password string\n", func() {
			id := int64(1)
			if got, err := i.admin.ChangeUserWithResponse(t.Context(), id, betmaker.UserPatch{Password: new("another password"), CurrentPassword: new("string")}); err != nil || got.JSON200 == nil {
				t.Fatalf("change the password: %v %+v", err, got)
			}
		}},
		{"user string, with another password than FIRST_USER_PASSWORD;\n                 stavka users set-password string sets a new one\n", func() {}},
	} {
		if got, err := i.welcome(t.Context()); err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("got %s, %v; want %q in it", got, err, tt.want)
		}
		tt.after()
	}
}

// A directory that was tried out with the default password is refused in production until the
// command has set another.
func TestProductionRefusesTheDefaultPassword(t *testing.T) {
	t.Parallel()
	i := serveOn(t, t.TempDir())
	i.stop(t)
	environment := map[string]string{
		"DATA_DIR": i.directory, "BETMAKER_ADDR": "127.0.0.1:0", "LINEPROVIDER_ADDR": "127.0.0.1:0",
		"STAVKA_ENV": "production", "FIRST_USER_PASSWORD": "long enough", "LINE_PROVIDER_TOKEN": "a-service-token-that-is-long-enough",
	}
	serve := func() error {
		started, err := newInstance(t.Context(), newSettings(lookupIn(environment)), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := started.Start(t.Context()); err != nil {
			return err
		}
		return started.Stop(t.Context())
	}
	const advice = "stavka users set-password string"
	if err := serve(); err == nil || !strings.Contains(err.Error(), advice) {
		t.Fatalf("got %v, want %q in it", err, advice)
	}
	var out bytes.Buffer
	root := NewCommand(lookupIn(environment))
	root.SetIn(strings.NewReader("long enough\n"))
	if err := service.Run(t.Context(), root, []string{"users", "set-password", "string"}, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	if err := serve(); err != nil {
		t.Errorf("with another password: %v", err)
	}
}

func TestInvalidCommands(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"serv"}, {"serve", "now"}, {"--port", "1"}, {"demo", "twice"}, {"events"}, {"events", "import"}, {"events", "import", "a.csv", "b.csv"},
		{"bets", "export", "all"}, {"bets", "export", "--format", "xml"}, {"version", "2"},
		{"ledger"}, {"ledger", "check"}, {"ledger", "verify", "all"}, {"ledger", "verify", "--head", "7"}, {"ledger", "verify", "--head", "0:0f"},
	} {
		_, err := run(t, nil, args...)
		if _, ok := errors.AsType[*service.UsageError](err); !ok {
			t.Errorf("%q: got %v", args, err)
		}
	}
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}, {"demo", "--help"}, {"bets", "export", "-h"}, {"ledger", "verify", "-h"}, {"version"}} {
		if out, err := run(t, nil, args...); err != nil || out == "" {
			t.Errorf("%q: got %q %v", args, out, err)
		}
	}
}

// All problems of both services are reported at once, and a common problem only once.
func TestReportsAllProblemsOfTheSettings(t *testing.T) {
	t.Parallel()
	_, err := run(t, map[string]string{
		"DATA_DIR": t.TempDir(), "CACHE_TTL": "soon", "MAX_COEFFICIENT": "x", "FEED_HEARTBEAT": "often", "DATABASE_URL": "?", "RABBIT_PORT": "?",
	}, "serve")
	if err == nil {
		t.Fatal("the instance serves")
	}
	for name, want := range map[string]int{"CACHE_TTL": 1, "MAX_COEFFICIENT": 1, "FEED_HEARTBEAT": 1, "DATABASE_URL": 0, "RABBIT_PORT": 0} {
		if n := strings.Count(err.Error(), name+":"); n != want {
			t.Errorf("%s is reported %d times, want %d, in\n%v", name, n, want, err)
		}
	}
}

// An empty flag, such as a shell makes of an unset variable, must not open a port to the network.
func TestEmptyFlagsStandForDefaults(t *testing.T) {
	t.Parallel()
	root, p := newCommand(lookupIn(map[string]string{"DATA_DIR": " "}))
	if err := root.ParseFlags([]string{"--betmaker-addr", "", "--lineprovider-addr=", "--data-dir", ""}); err != nil {
		t.Fatal(err)
	}
	if s := p.withDefaults(); s.betMakerAddr != "127.0.0.1:8000" || s.lineProviderAddr != "127.0.0.1:8001" || s.dataDir != "data" {
		t.Errorf("got %+v", s)
	}
}

func TestExportsInProductionWithTheKeptKey(t *testing.T) {
	t.Parallel()
	environment := map[string]string{
		"DATA_DIR": t.TempDir(), "STAVKA_ENV": "production", "FIRST_USER_PASSWORD": "long enough", "LINE_PROVIDER_TOKEN": "a-service-token-that-is-long-enough",
	}
	if _, err := run(t, environment, "bets", "export"); err == nil || !strings.Contains(err.Error(), "there is no data here yet") {
		t.Errorf("got %v", err)
	}
}

func TestMakesOneSecretKeyForConcurrentStarts(t *testing.T) {
	t.Parallel()
	s := newSettings(lookupIn(map[string]string{"DATA_DIR": t.TempDir()}))
	const starts = 16
	keys := make(chan string, starts)
	for range starts {
		go func() {
			made, err := s.withDataDir()
			if err != nil {
				t.Error(err)
			}
			keys <- made.secretKey
		}()
	}
	kept := <-keys
	for range starts - 1 {
		if key := <-keys; key != kept {
			t.Fatal("two concurrent starts have different keys")
		}
	}
	if again, err := s.withDataDir(); err != nil || again.secretKey != kept {
		t.Errorf("the next start has another key: %v", err)
	}
}

func TestMakesASecretKeyOnce(t *testing.T) {
	t.Parallel()
	s := newSettings(lookupIn(map[string]string{"DATA_DIR": filepath.Join(t.TempDir(), "new", "data")}))
	s, err := s.withDataDir()
	if err != nil {
		t.Fatal(err)
	}
	again, err := newSettings(lookupIn(map[string]string{"DATA_DIR": s.dataDir})).withDataDir()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.secretKey) != 64 || s.secretKey != again.secretKey {
		t.Errorf("the keys are %q and %q", s.secretKey, again.secretKey)
	}
	for path, want := range map[string]os.FileMode{s.dataDir: 0o700 | os.ModeDir, s.secretKeyFile(): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
	given, err := newSettings(lookupIn(map[string]string{"DATA_DIR": t.TempDir(), "SECRET_KEY": "given"})).withDataDir()
	if err != nil {
		t.Fatal(err)
	}
	if key, _ := given.lookup("SECRET_KEY"); key != "given" {
		t.Errorf("the key is %q", key)
	}
	if _, err := os.Stat(given.secretKeyFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key was made although one was given: %v", err)
	}
}

func TestNamesTheFileOfABadSecretKey(t *testing.T) {
	t.Parallel()
	for _, kept := range []string{"", "\n", "hunter2\n"} {
		s := newSettings(lookupIn(map[string]string{"DATA_DIR": t.TempDir()}))
		if err := os.WriteFile(s.secretKeyFile(), []byte(kept), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := s.withDataDir()
		if err == nil || !strings.Contains(err.Error(), s.secretKeyFile()) || strings.Contains(err.Error(), "SECRET_KEY") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v, want an error that names the file", kept, err)
		}
	}
}

func TestServesMetricsOnListenersOfTheirOwn(t *testing.T) {
	t.Parallel()
	client := http.Client{Timeout: 30 * time.Second}
	get := func(address, path string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	beside := serveOn(t, t.TempDir())
	apart := serveWith(t, map[string]string{
		"DATA_DIR": t.TempDir(), "BETMAKER_METRICS_ADDR": "127.0.0.1:0", "LINEPROVIDER_METRICS_ADDR": "127.0.0.1:0",
	})
	for name, addresses := range map[string][3]string{
		"betmaker":     {beside.betMaker.Addr(), apart.betMaker.Addr(), apart.betMaker.MetricsAddr()},
		"lineprovider": {beside.lineProvider.Addr(), apart.lineProvider.Addr(), apart.lineProvider.MetricsAddr()},
	} {
		for i, want := range []bool{true, false, true} {
			status, body := get(addresses[i], "/metrics")
			if has := status == http.StatusOK && strings.Contains(body, `stavka_build_info{`) && strings.Contains(body, `service="`+name+`"`); has != want {
				t.Errorf("%s at %d: got %d %.80s, want metrics: %t", name, i, status, body, want)
			}
		}
		for _, path := range []string{"/", "/healthz", "/docs", "/event/1", "/api/bets", "/debug/pprof/"} {
			if status, body := get(addresses[2], path); status != http.StatusNotFound || !strings.Contains(body, `"code":"not_found"`) {
				t.Errorf("%s of the metrics of %s: got %d %s, want 404", path, name, status, body)
			}
		}
	}
}
