package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stavka.local/shared/config"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// reader reads the given variables, and none of the process's environment.
func reader(variables map[string]string) *config.Reader {
	return config.NewReader(func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	})
}

func ExampleReader() {
	variables := map[string]string{"CACHE_TTL": "60", "CACHE_MAX_SIZE": "many", "MAX_STAKE": "10.005"}
	r := config.NewReader(func(name string) (string, bool) { value, ok := variables[name]; return value, ok })

	ttl := r.Duration("CACHE_TTL", time.Second, time.Second, time.Hour, "How long an event is cached.")
	size := r.Int("CACHE_MAX_SIZE", 100, 1, 1_000_000, "How many events are cached.")
	r.Amount("MAX_STAKE", money.MustParse("1000000"), money.MustParse("0.01"), money.MustParse("1000000"), "The greatest stake.")

	fmt.Println(ttl, size)
	fmt.Println(r.Err())
	// Output:
	// 1m0s 100
	// CACHE_MAX_SIZE: "many" is not a whole number
	// MAX_STAKE: "10.005" is not an amount with at most two decimals
}

// values holds one variable of each kind.
type values struct {
	Text     string
	Choice   string
	Count    int
	Wait     time.Duration
	Minutes  time.Duration
	Stake    money.Amount
	Price    odds.Decimal
	Address  string
	Database string
	Key      string
	Tokens   []string
}

func read(r *config.Reader) values {
	v := values{
		Text:     r.String("TEXT", "text", ""),
		Choice:   r.OneOf("CHOICE", []string{"a", "b"}, ""),
		Count:    r.Int("COUNT", 5, 1, 10, ""),
		Wait:     r.Duration("WAIT", time.Second, 100*time.Millisecond, time.Hour, ""),
		Minutes:  r.Minutes("MINUTES", time.Hour, time.Minute, 24*time.Hour, ""),
		Stake:    r.Amount("STAKE", money.MustParse("1"), money.MustParse("0.01"), money.MustParse("100"), ""),
		Price:    r.Odds("PRICE", odds.MustParse("2"), odds.MustParse("1"), odds.MustParse("100"), ""),
		Address:  r.Address("ADDRESS", ":8000", ""),
		Database: r.URL("DATABASE", "postgres://user:default@db/x", []string{"postgres", "postgresql+asyncpg"}, "").Reveal(),
		Key:      r.Secret("KEY", "default-key", 8, "").Reveal(),
	}
	for _, token := range r.SecretList("TOKENS", "default-token", 8, "") {
		v.Tokens = append(v.Tokens, token.Reveal())
	}
	return v
}

func defaults() values {
	return values{
		"text", "a", 5, time.Second, time.Hour, money.MustParse("1"), odds.MustParse("2"), ":8000",
		"postgres://user:default@db/x", "default-key", []string{"default-token"},
	}
}

func equal(a, b values) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func TestDefaults(t *testing.T) {
	t.Parallel()
	empty := map[string]string{}
	for _, name := range []string{
		"TEXT", "CHOICE", "COUNT", "WAIT", "MINUTES", "STAKE", "PRICE", "ADDRESS", "DATABASE", "KEY", "TOKENS", "STAVKA_ENV",
	} {
		empty[name] = " "
	}
	for name, variables := range map[string]map[string]string{"not set": nil, "empty": empty} {
		r := reader(variables)
		if got := read(r); !equal(got, defaults()) || r.Err() != nil {
			t.Errorf("%s: got %+v, %v", name, got, r.Err())
		}
		if r.IsSet("TEXT") || r.IsProduction() {
			t.Errorf("%s: TEXT is set, or this is production", name)
		}
	}
}

func TestGoodValues(t *testing.T) {
	t.Parallel()
	r := reader(map[string]string{
		"TEXT": " given ", "CHOICE": "b", "COUNT": "10", "WAIT": "0.5", "MINUTES": "30",
		"STAKE": "0.01", "PRICE": "1.01", "ADDRESS": "127.0.0.1:0",
		"DATABASE": "postgresql+asyncpg://u:p%20w-of-u@manager_db:5432/bets?sslmode=disable",
		"KEY":      "long enough", "TOKENS": "first-token, second-token ,",
	})
	want := values{
		"given", "b", 10, 500 * time.Millisecond, 30 * time.Minute, money.MustParse("0.01"), odds.MustParse("1.01"),
		"127.0.0.1:0", "postgresql+asyncpg://u:p%20w-of-u@manager_db:5432/bets?sslmode=disable", "long enough",
		[]string{"first-token", "second-token"},
	}
	if got := read(r); !equal(got, want) || r.Err() != nil || len(r.Warnings()) != 0 || !r.IsSet("TEXT") {
		t.Errorf("got  %+v\nwant %+v\nproblems %v, warnings %v", got, want, r.Err(), r.Warnings())
	}
}

// TestDeclared also shows that a variable that is read is declared, and how a default and
// a range are written.
func TestDeclared(t *testing.T) {
	t.Parallel()
	want := []config.Setting{
		{Name: "STAVKA_ENV", Default: "development", Accepts: "development or production"},
		{Name: "TEXT", Default: "text"},
		{Name: "CHOICE", Default: "a", Accepts: "a or b"},
		{Name: "COUNT", Default: "5", Accepts: "1 to 10"},
		{Name: "WAIT", Default: "1s", Accepts: "100ms to 1h"},
		{Name: "MINUTES", Default: "60", Accepts: "1 to 1440"},
		{Name: "STAKE", Default: "1.00", Accepts: "0.01 to 100.00"},
		{Name: "PRICE", Default: "2.00", Accepts: "1.00 to 100.00"},
		{Name: "ADDRESS", Default: ":8000", Accepts: "host:port or :port"},
		{Name: "DATABASE", Default: "postgres://user:default@db/x", Accepts: "postgres or postgresql+asyncpg URL", Secret: true},
		{Name: "KEY", Default: "default-key", Accepts: "at least 8 characters", Secret: true},
		{Name: "TOKENS", Default: "default-token", Accepts: "at least 8 characters", Secret: true},
	}
	got := config.Declared(func(r *config.Reader) { read(r); read(r) })
	want[0].Meaning = got[0].Meaning
	if !slices.Equal(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func ExampleDescribe() {
	fmt.Print(config.Describe(config.Declared(func(r *config.Reader) {
		r.Duration("CACHE_TTL", time.Minute, time.Millisecond, 24*time.Hour, "How long an event is cached.")
		r.String("TRUSTED_PROXIES", "", "The addresses of proxies.")
	})[1:]))
	// Output:
	//   CACHE_TTL (default 1m; 1ms to 24h)
	//         How long an event is cached.
	//   TRUSTED_PROXIES
	//         The addresses of proxies.
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"60": time.Minute, "2s": 2 * time.Second, "250ms": 250 * time.Millisecond, "1m30s": 90 * time.Second, "1.5": 1500 * time.Millisecond,
	} {
		r := reader(map[string]string{"WAIT": text})
		if got := r.Duration("WAIT", 0, 0, time.Hour, ""); got != want || r.Err() != nil {
			t.Errorf("%s is %v, %v; want %v", text, got, r.Err(), want)
		}
	}
	for text, want := range map[string]time.Duration{"3600": 60 * time.Hour, "90s": 90 * time.Second} {
		r := reader(map[string]string{"WAIT": text})
		if got := r.Minutes("WAIT", 0, 0, 100*time.Hour, ""); got != want || r.Err() != nil {
			t.Errorf("%s minutes is %v, %v; want %v", text, got, r.Err(), want)
		}
	}
}

// TestAllProblemsAtOnce also shows that no problem holds a secret.
func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	r := reader(map[string]string{
		"STAVKA_ENV": "staging",
		"CHOICE":     "c", "COUNT": "11", "WAIT": "soon", "MINUTES": "-1", "STAKE": "100.01", "PRICE": "0.99",
		"ADDRESS": "localhost", "DATABASE": "mysql://user:hunter2@db/x", "KEY": "hunter2", "TOKENS": ",",
	})
	got := read(r)
	r.Problemf("OTHER", "contradicts %s", "COUNT")
	want := []string{
		`STAVKA_ENV: "staging" is not one of development, production`,
		`CHOICE: "c" is not one of a, b`,
		`COUNT: "11" is not from 1 to 10`,
		`WAIT: "soon" is neither seconds ("60") nor a duration ("250ms", "1m30s")`,
		`MINUTES: "-1" is not from 1m0s to 24h0m0s`,
		`STAKE: "100.01" is not from 0.01 to 100.00`,
		`PRICE: "0.99" is not from 1.00 to 100.00`,
		`ADDRESS: "localhost" is not of the form "host:port"`,
		`DATABASE: does not start with postgres:, postgresql+asyncpg:`,
		`TOKENS: holds no secret`,
		`OTHER: contradicts COUNT`,
	}
	if r.Err() == nil {
		t.Fatal("no problems")
	}
	if lines := strings.Split(r.Err().Error(), "\n"); !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(r.Err().Error(), "hunter2") || strings.Contains(fmt.Sprint(r.Warnings()), "hunter2") {
		t.Error("a secret is shown")
	}
	unread := defaults()
	unread.Key, unread.Tokens = "hunter2", nil
	if !equal(got, unread) {
		t.Errorf("an unacceptable value did not become the default: %+v", got)
	}
}

func TestBadURLsAndAddresses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"URL": "postgres://u:hunter2@db:port/%zz", "ADDRESS": "host:99999"} {
		r := reader(map[string]string{name: text})
		if name == "URL" {
			r.URL(name, "", []string{"postgres"}, "")
		} else {
			r.Address(name, "", "")
		}
		if r.Err() == nil || strings.Contains(r.Err().Error(), "hunter2") {
			t.Errorf("%s=%s: %v", name, text, r.Err())
		}
	}
	if none := reader(nil).URL("URL", "", []string{"postgres"}, ""); !none.IsZero() {
		t.Error("an unset URL is not zero")
	}
}

func TestWeakSecrets(t *testing.T) {
	t.Parallel()
	readAll := func(r *config.Reader) {
		r.Secret("DEFAULT", "the-default-key", 8, "")
		r.Secret("SHORT", "", 8, "")
		r.Secret("MISSING", "", 8, "")
		r.Secret("OPTIONAL", "", 0, "")
		r.Secret("GOOD", "the-default-key", 8, "")
		r.SecretList("LIST", "the-default-token", 8, "")
		r.URL("BROKER", "amqp://guest:guest@localhost", []string{"amqp"}, "")
		r.URL("OTHER_BROKER", "amqp://guest:guest@localhost", []string{"amqp"}, "")
	}
	variables := map[string]string{
		"SHORT": "hunter2", "GOOD": "a good secret", "LIST": "a-good-token,the-default-token",
		"OTHER_BROKER": "amqp://guest:much-better@localhost",
	}
	want := []string{
		"DEFAULT is the default that everybody knows",
		"SHORT is shorter than 8 characters",
		"MISSING is shorter than 8 characters",
		"LIST is the default that everybody knows",
		"BROKER holds a password that everybody knows",
	}

	r := reader(variables)
	readAll(r)
	if r.Err() != nil || !slices.Equal(r.Warnings(), want) {
		t.Errorf("got %q, %v", r.Warnings(), r.Err())
	}

	variables["STAVKA_ENV"] = "production"
	r = reader(variables)
	readAll(r)
	if !r.IsProduction() || r.Err() == nil || len(r.Warnings()) != 0 {
		t.Fatalf("in production: %v, %v", r.Err(), r.Warnings())
	}
	for i, line := range strings.Split(r.Err().Error(), "\n") {
		if wanted := strings.Replace(want[i], " ", ": ", 1) + ", which STAVKA_ENV=production refuses"; line != wanted {
			t.Errorf("got %q, want %q", line, wanted)
		}
	}
}

func TestPrivateFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	judged := func(variables map[string]string) (warnings []string, err error) {
		r := reader(variables)
		r.PrivateFile(file)
		return r.Warnings(), r.Err()
	}
	production := map[string]string{"STAVKA_ENV": "production"}
	if warnings, err := judged(production); err != nil || warnings != nil {
		t.Errorf("without the file: %q, %v", warnings, err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, weak := range map[os.FileMode]bool{0o600: false, 0o660: false, 0o604: true, 0o602: true, 0o644: true} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if warnings, err := judged(nil); err != nil || len(warnings) != 0 != weak {
			t.Errorf("%v: %q, %v", mode, warnings, err)
		}
		if warnings, err := judged(production); (err != nil) != weak || warnings != nil || weak && !strings.Contains(err.Error(), file) {
			t.Errorf("%v in production: %q, %v", mode, warnings, err)
		}
	}
}

func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	type settings struct {
		Key  config.Secret `json:"key"`
		None config.Secret `json:"none"`
	}
	s := settings{Key: config.NewSecret("hunter2")}
	data, err := json.Marshal(s)
	if err != nil || string(data) != `{"key":"[hidden]","none":""}` {
		t.Errorf("as JSON: %s, %v", data, err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("settings", "key", s.Key, "all", s)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("settings", "key", s.Key, "all", s)
	shown := logged.String() + fmt.Sprintf("%v %+v %#v %s %q %x", s, s, s, s.Key, s.Key, s.Key) + fmt.Sprint(&s)
	inside := struct{ key config.Secret }{s.Key} // fmt cannot call methods on this one
	shown += fmt.Sprintf("%v %+v %#v", inside, inside, inside)
	if strings.Contains(shown, "hunter2") || strings.Contains(shown, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("the secret is shown: %s", shown)
	}
	if s.Key.Reveal() != "hunter2" || s.Key.IsZero() || !s.None.IsZero() {
		t.Error("the secret is lost")
	}
}

// TestLoadDotEnv is not parallel, because it changes the environment of the process.
func TestLoadDotEnv(t *testing.T) {
	t.Setenv("DOTENV_TEST_REAL", "from the environment")
	for _, name := range []string{"DOTENV_TEST_FILE", "DOTENV_TEST_QUOTED"} {
		t.Setenv(name, "") // restores the variable at the end
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), ".env")
	text := "# a comment\nDOTENV_TEST_REAL=from the file\nDOTENV_TEST_FILE=plain\nDOTENV_TEST_QUOTED=\"a b # c\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := config.LoadDotEnv(file); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"DOTENV_TEST_REAL": "from the environment", "DOTENV_TEST_FILE": "plain", "DOTENV_TEST_QUOTED": "a b # c",
	} {
		if got := os.Getenv(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	if err := config.LoadDotEnv(filepath.Join(t.TempDir(), ".env")); err != nil {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, []byte("SECRET='hunter2\n=="), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := config.LoadDotEnv(file); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a broken file: %v; want an error without the secret", err)
	}
}

func TestBusNamesABadHost(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "::1", "rabbit", "bet_rabbitmq", "rabbit.example.com."} {
		r := reader(map[string]string{"RABBIT_HOST": host})
		if address, _, _ := r.Bus(); r.Err() != nil || !strings.Contains(address.Reveal(), host) {
			t.Errorf("%s: %s, %v", host, address.Reveal(), r.Err())
		}
	}
	for _, host := range []string{
		"rabbit:5672", "amqp://rabbit", "guest:hunter2@rabbit", "a b", "rabbit/", "%zz", "[::1]", "fe80::1%eth0", "-", "rabbit?", strings.Repeat("r", 254),
	} {
		r := reader(map[string]string{"RABBIT_HOST": host})
		r.Bus()
		if err := r.Err(); err == nil || !strings.HasPrefix(err.Error(), "RABBIT_HOST: ") || strings.Contains(err.Error(), "URL") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want an error that names RABBIT_HOST alone", host, err)
		}
		unused := reader(map[string]string{"RABBIT_HOST": host, "RABBITMQ_URL": "amqp://u:some-password@rabbit/"})
		if unused.Bus(); unused.Err() != nil {
			t.Errorf("%s is not used, but %v", host, unused.Err())
		}
	}
}
