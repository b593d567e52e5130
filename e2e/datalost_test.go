package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"stavka.local/stavka/e2e/system"
)

// When files are deleted under an embedded system, their service acknowledges nothing more, and
// the process exits with an error.
func TestEmbeddedDataIsDeleted(t *testing.T) {
	t.Parallel()
	const bets, events = "POST /api/bets", "POST /event"
	for name, tt := range map[string]struct {
		lose func(s *system.System) error
		ends []string // what is not acknowledged any more
	}{
		"the data directory":     {func(s *system.System) error { return os.RemoveAll(s.Env["DATA_DIR"]) }, []string{bets, events}},
		"bet-maker's file":       {func(s *system.System) error { return os.Remove(s.File("betmaker.db")) }, []string{bets}},
		"bet-maker's log":        {func(s *system.System) error { return os.Remove(s.File("betmaker.db-wal")) }, []string{bets}},
		"line-provider's file":   {func(s *system.System) error { return os.Remove(s.File("lineprovider.db")) }, []string{events}},
		"the directory is moved": {func(s *system.System) error { return os.Rename(s.Env["DATA_DIR"], s.Env["DATA_DIR"]+"-old") }, []string{bets, events}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startEmbedded(t, nil)
			user, event := s.NewUser(t, 0), s.Line(t, 0).Create("1.45").EventID
			user.Place(t, event, "10")
			requests := map[string]system.Request{
				bets:   {Token: user.Token, Body: fmt.Sprintf(`{"event_id":%d,"amount":1}`, event)},
				events: {Token: system.ServiceToken, Body: `{"coefficient":1.45}`},
			}
			services := map[string]*system.Service{bets: s.BetMakers[0], events: s.LineProviders[0]}
			if err := tt.lose(s); err != nil {
				t.Fatal(err)
			}
			lost := time.Now()
			for s.Processes()[0].Running() && time.Since(lost) < allowed {
				for _, what := range tt.ends {
					request := requests[what]
					request.Method, request.Path, _ = strings.Cut(what, " ")
					if got, err := s.Do(services[what], request); err == nil && got.Status < http.StatusInternalServerError {
						t.Fatalf("%s is answered %d %s", what, got.Status, got.Body)
					}
				}
			}
			hasLostItsData(t, s.Processes()[0], lost)
		})
	}
}

// hasLostItsData checks that a process ends with an error that says so.
func hasLostItsData(t *testing.T, p *system.Process, lost time.Time) {
	t.Helper()
	p.AwaitExit(2 * allowed)
	t.Logf("%s ended %s after its data was lost", p.Name, time.Since(lost).Round(time.Millisecond))
	if code := p.ExitCode(); code != 1 {
		t.Errorf("the exit code is %d, want 1", code)
	}
	if !strings.Contains(p.Log(), "deleted or replaced while it was in use") {
		t.Errorf("the log does not say why:\n%s", p.Log())
	}
}

// bet-maker exits when PostgreSQL's database is deleted or replaced. TestNothingLost shows that it waits for a
// server that is down.
func TestDatabaseIsDeleted(t *testing.T) {
	t.Parallel()
	server := system.NewPrivateServer(t, "postgres")
	for name, statements := range map[string][]string{
		"dropped":  {"drop database %[1]s with (force)"},
		"replaced": {"drop database %[1]s with (force)", "create database %[1]s"},
		"its files are deleted": {
			"checkpoint",
			`do $$ begin execute format('copy (select 1) to program ''rm -r base/%%s''', (select oid from pg_database where datname = '%[2]s')); end $$`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			servers := system.Shared(t)
			servers.Postgres = server.URL
			s := start(t, system.Options{Servers: servers})
			user, event := s.NewUser(t, 0), s.Line(t, 0).Create("1.45").EventID
			user.Place(t, event, "10")
			database, err := url.Parse(s.Env["DATABASE_URL"])
			if err != nil {
				t.Fatal(err)
			}
			database.Path, name = "/postgres", strings.TrimPrefix(database.Path, "/")
			conn, err := pgx.Connect(t.Context(), database.String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
			for _, statement := range statements {
				statement = fmt.Sprintf(statement+"%[3]s", pgx.Identifier{name}.Sanitize(), name, "")
				if _, err := conn.Exec(t.Context(), statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
			hasLostItsData(t, s.BetMakers[0].Process, time.Now())
		})
	}
}

// A file of secrets that others can read is refused in production, and named in a warning otherwise.
func TestFilesOfSecretsAreJudged(t *testing.T) {
	t.Parallel()
	const why = "every user of this machine may read or change"
	embedded, scaledOut := system.Options{Embedded: true, Stopped: true}, system.Options{Stopped: true}
	for name, tt := range map[string]struct {
		options system.Options
		process int
		file    func(s *system.System, p *system.Process) string
	}{
		"the key of stavka":              {embedded, 0, func(s *system.System, _ *system.Process) string { return s.File("secret_key") }},
		"bet-maker's file of stavka":     {embedded, 0, func(s *system.System, _ *system.Process) string { return s.File("betmaker.db") }},
		"line-provider's file of stavka": {embedded, 0, func(s *system.System, _ *system.Process) string { return s.File("lineprovider.db") }},
		"the .env of a service":          {scaledOut, 0, func(_ *system.System, p *system.Process) string { return filepath.Join(p.Dir(), ".env") }},
		"the .env of another":            {scaledOut, 1, func(_ *system.System, p *system.Process) string { return filepath.Join(p.Dir(), ".env") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, tt.options)
			p := s.Processes()[tt.process]
			if tt.options.Embedded { // makes its files
				p.Start()
				s.AwaitReady()
				p.Stop()
			} else {
				p.WriteFile(".env", "OPENING_BALANCE=1\n")
			}
			file := tt.file(s, p)
			if name == "the key of stavka" { // which is not needed, because the environment has one
				write(t, file, nil)
			}
			for mode, refused := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o604: true, 0o602: true} {
				if err := os.Chmod(file, mode); err != nil {
					t.Fatal(err)
				}
				said := len(p.Log())
				p.Start("STAVKA_ENV=production", "LINE_PROVIDER_TOKEN=short") // which is refused in any case
				p.AwaitExit(allowed)
				if words := p.Log()[said:]; p.ExitCode() != 1 || strings.Contains(words, why) != refused || !strings.Contains(words, "LINE_PROVIDER_TOKEN") {
					t.Errorf("with mode %v the exit code is %d, want 1, and it says\n%s", mode, p.ExitCode(), words)
				}
			}
			if err := os.Chmod(file, 0o604); err != nil {
				t.Fatal(err)
			}
			p.Start("LOG_LEVEL=info")
			system.Eventually(t, allowed, "a warning names the file", func() error {
				if !strings.Contains(p.Log(), filepath.Base(file)+" is a file of secrets") { // in production, ": is"
					return fmt.Errorf("the log is\n%s", p.Log())
				}
				return nil
			})
		})
	}
}
