package usecase_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/logging"
)

// Every check of a password is one line of the log, with its result, the user if there is one and the
// address, and one count. Neither the password nor the name, in whose place users may type one, is logged.
func TestPasswordChecksAreLoggedAndCounted(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna, retired := a.newUser(t, "anna", domain.RoleUser), a.newUser(t, "retired", domain.RoleUser)
	if err := a.users.Deactivate(t.Context(), root, retired.ID, nil); err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	counted := map[string]int{}
	throttle := usecase.NewLoginThrottle(a.store.LoginFailures, time.Now, logging.New(&lines, logging.Options{}))
	throttle.Checked = func(purpose usecase.Purpose, result usecase.CheckResult) {
		counted[fmt.Sprint(purpose, " ", result)]++
	}
	a.login.Throttle, a.users.Throttle = throttle, throttle

	login := func(address, username, password string) error {
		_, err := a.login.Login(t.Context(), from(address, username, password))
		return err
	}
	change := func(password string) error {
		by := as(anna)
		by.Address = "2001:db8::1"
		_, err := a.users.Change(t.Context(), by, anna.ID, domain.UserChange{Email: new("other@example.com"), CurrentPassword: &password})
		return err
	}
	for i := range 5 {
		if err := login("192.0.2.9", "anna", fmt.Sprint("guess ", i)); !errors.Is(err, domain.ErrInvalidCredentials) {
			t.Fatal(err)
		}
	}
	lines.Reset()
	clear(counted)
	for _, tt := range []struct {
		name string
		do   func() error
		want string // the end of the line
	}{
		{"success", func() error { return login("192.0.2.1", "Anna", "password of anna") }, fmt.Sprintf("purpose=login result=succeeded user=%d client=192.0.2.1", anna.ID)},
		{"wrong", func() error { return login("192.0.2.2", "anna", "hush-hush") }, fmt.Sprintf("purpose=login result=wrong user=%d client=192.0.2.2", anna.ID)},
		{"no user", func() error { return login("::ffff:192.0.2.3", "hush-hush", "hush-hush") }, "purpose=login result=wrong client=::ffff:192.0.2.3"},
		{"throttled", func() error { return login("192.0.2.9", "anna", "hush-hush") }, fmt.Sprintf("purpose=login result=throttled user=%d client=192.0.2.9", anna.ID)},
		{"inactive", func() error { return login("192.0.2.4", "retired", "password of retired") }, fmt.Sprintf("purpose=login result=inactive user=%d client=192.0.2.4", retired.ID)},
		{"wrong current password", func() error { return change("hush-hush") }, fmt.Sprintf("purpose=change result=wrong user=%d client=2001:db8::1", anna.ID)},
		{"current password", func() error { return change("password of anna") }, fmt.Sprintf("purpose=change result=succeeded user=%d client=2001:db8::1", anna.ID)},
	} {
		lines.Reset()
		err := tt.do()
		line := lines.String()
		if !strings.HasSuffix(line, `msg="password checked" `+tt.want+"\n") || strings.Count(line, "\n") != 1 {
			t.Errorf("%s (%v) is logged as %q, want %s", tt.name, err, line, tt.want)
		}
		if strings.Contains(line, "hush-hush") || strings.Contains(line, "anna") {
			t.Errorf("%s: the log holds what was typed: %s", tt.name, line)
		}
		if level := slog.LevelWarn.String(); strings.Contains(line, level) != strings.Contains(tt.want, "throttled") {
			t.Errorf("%s: only a throttled attempt is a warning: %s", tt.name, line)
		}
	}
	want := map[string]int{
		"login succeeded": 1, "login wrong": 2, "login throttled": 1, "login inactive": 1, "change wrong": 1, "change succeeded": 1,
	}
	if fmt.Sprint(counted) != fmt.Sprint(want) {
		t.Errorf("counted %v, want %v", counted, want)
	}
}
