package app

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"stavka.local/betmaker/internal/adapters/argon2id"
	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/config"
	"stavka.local/shared/service"
)

// command runs a command of bet-maker with a standard input.
func command(t *testing.T, c Config, stdin string, args ...string) (stdout string, err error) {
	t.Helper()
	var out strings.Builder
	root := newCommand(func(*cobra.Command) (Config, error) { return c, nil })
	root.SetIn(strings.NewReader(stdin))
	err = service.Run(t.Context(), root, args, &out, t.Output())
	return out.String(), err
}

func TestSetPassword(t *testing.T) {
	t.Parallel()
	c, file, _ := newLedger(t) // with the users anna and boris
	for _, stdin := range []string{"a new password", "a new password\n", "a new password\r\nanother line\n"} {
		out, err := command(t, c, stdin, "users", "set-password", "ANNA")
		if err != nil || !strings.Contains(out, `user 1, "anna", has another password now`) {
			t.Fatalf("%q: got %q, %v", stdin, out, err)
		}
		store, err := sqlite.Open(t.Context(), sqlite.Config{File: file})
		if err != nil {
			t.Fatal(err)
		}
		anna, err := store.Users.ByUsername(t.Context(), "anna")
		if err != nil {
			t.Fatal(err)
		}
		if matches, _, err := argon2id.New(1).Verify(t.Context(), "a new password", anna.PasswordHash); err != nil || !matches {
			t.Errorf("%q: the new password does not match: %v", stdin, err)
		}
		records, err := store.AuditLog.Records(t.Context(), ports.AuditFilter{}, 1)
		if err != nil || len(records) != 1 || records[0].Subject != "user:1" || records[0].Address != "terminal" {
			t.Errorf("%q: the audit log has %+v, %v; want the change", stdin, records, err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestUnlockIsRecorded(t *testing.T) {
	t.Parallel()
	c, file, _ := newLedger(t) // with the users anna and boris
	for _, name := range []string{"ANNA", "nobody"} {
		if out, err := command(t, c, "", "users", "unlock", name); err != nil || !strings.Contains(out, "no longer count") {
			t.Fatalf("%s: got %q, %v", name, out, err)
		}
	}
	store, err := sqlite.Open(t.Context(), sqlite.Config{File: file})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	records, err := store.AuditLog.Records(t.Context(), ports.AuditFilter{Action: domain.ActionUnlockUser}, 10)
	if err != nil || len(records) != 1 || records[0].Subject != "user:1" || records[0].Address != "terminal" {
		t.Errorf("the audit log has %+v, %v; want one record about anna", records, err)
	}
}

func TestSetPasswordRefusals(t *testing.T) {
	t.Parallel()
	c, _, _ := newLedger(t)
	for name, tt := range map[string]struct {
		username, stdin, want string
	}{
		"a missing user":   {"clara", "a new password\n", "There is no such user."},
		"a short password": {"anna", "short\n", "password must have"},
		"no password":      {"anna", "\n", "password must have"},
	} {
		if out, err := command(t, c, tt.stdin, "users", "set-password", tt.username); err == nil || !strings.Contains(err.Error(), tt.want) || out != "" {
			t.Errorf("%s: got %q, %v; want %v", name, out, err, tt.want)
		}
	}
	if _, err := command(t, c, "", "users", "set-password", "anna"); err == nil || !strings.Contains(err.Error(), "standard input") {
		t.Errorf("an empty standard input: got %v", err)
	}
}

// A service that was tried out with the default password does not start in production until the
// password is another one, whichever administrator has it.
func TestProductionRefusesKnownPasswords(t *testing.T) {
	t.Parallel()
	c, s := newConfig(t)
	s.postgres.open(t)
	s.rabbitmq.open(t)
	s.line.open(t)
	c.FirstUser.Password = config.NewSecret(DefaultPassword)
	tried := start(t, c)
	awaitReadiness(t, tried, "it is tried out", func(status int, _ readiness) bool { return status == http.StatusOK })
	root := domain.Caller{Actor: domain.Actor{ID: 1, Role: domain.RoleAdmin}}
	for _, user := range []domain.NewUser{
		{Name: "A", Username: "long-name", Email: "a@example.com", Role: domain.RoleAdmin},
		{Name: "B", Username: "long-name-too", Email: "b@example.com", Role: domain.RoleUser},
	} {
		created, err := tried.users.Create(t.Context(), root, user, "a long password")
		if err != nil {
			t.Fatal(err)
		}
		// An earlier version let users choose their own name.
		hash, err := argon2id.New(1).Hash(t.Context(), user.Username)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tried.users.Store.Update(t.Context(), created.ID, func(known ports.Credentials, _ int) (ports.UserUpdate, error) {
			known.PasswordHash = hash
			return ports.UserUpdate{Credentials: known}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := tried.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	said := func() string {
		a, err := New(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			select {
			case <-a.Ready():
				cancel()
			case <-ctx.Done():
			}
		}()
		err = a.Wait(ctx)
		if stopped := a.Stop(context.WithoutCancel(t.Context())); stopped != nil && err == nil {
			t.Error(stopped)
		}
		if err == nil {
			return ""
		}
		return err.Error()
	}
	if got := said(); got != "" {
		t.Errorf("development: %s", got)
	}
	c.Production = true
	for _, name := range []string{"string", "long-name"} {
		if got, want := said(), "set another: betmaker users set-password "+name; !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
		if _, err := command(t, c, "a new password\n", "users", "set-password", name); err != nil {
			t.Fatal(err)
		}
	}
	if got := said(); got != "" {
		t.Errorf("with other passwords: %s", got)
	}
}

func TestFirstUserEntrance(t *testing.T) {
	t.Parallel()
	c, file, _ := newLedger(t)
	store, err := sqlite.Open(t.Context(), sqlite.Config{File: file})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	users := &usecase.Users{Store: store.Users, Passwords: argon2id.New(1)}
	if _, err := users.SetPassword(t.Context(), domain.Origin{}, "anna", "a long password"); err != nil {
		t.Fatal(err)
	}
	root := domain.Caller{Actor: domain.Actor{ID: 9, Role: domain.RoleAdmin}}
	if err := users.Deactivate(t.Context(), root, 2, nil); err != nil {
		t.Fatal(err)
	}
	if err := users.EnsureFirst(t.Context(), usecase.FirstUser{Name: "S", Username: "string", Email: "s@example.com", Password: "string"}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	c.Program = "stavka"
	for _, tt := range []struct{ username, password, want string }{
		{"string", "string", "user string, password string"},
		{"string", "another one", "user string, with another password than FIRST_USER_PASSWORD;\nstavka users set-password string sets a new one"},
		{"anna", "a long password", "user anna, password as in FIRST_USER_PASSWORD"},
		{"boris", "string", "the first user, boris, has been deactivated"},
		{"clara", "string", "the first user, clara, has another name now"},
	} {
		c.FirstUser = FirstUser{Username: tt.username, Password: config.NewSecret(tt.password)}
		got, err := (&App{users: users, config: c}).FirstUserEntrance(t.Context())
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v; want %q", tt.username, got, err, tt.want)
		}
	}
}
