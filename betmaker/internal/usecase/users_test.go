package usecase_test

import (
	"bytes"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/betmaker/internal/adapters/argon2id"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
)

var first = usecase.FirstUser{Name: "string", Username: "string", Email: "example@example.com", Password: "string"}

func TestFirstUserIsAnAdmin(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	var logged bytes.Buffer
	if err := a.users.EnsureFirst(t.Context(), first, slog.New(slog.NewTextHandler(&logged, nil))); err != nil {
		t.Fatal(err)
	}
	actor, err := a.auth.Authenticate(t.Context(), a.signIn(t, "string", "string"))
	if err != nil || actor.Role != domain.RoleAdmin {
		t.Errorf("got %+v, %v; want an admin", actor, err)
	}
	if !strings.Contains(logged.String(), "level=WARN") || !strings.Contains(logged.String(), "INSECURE") {
		t.Errorf("no warning of the short password: %s", logged.String())
	}
}

func TestExistingFirstUserIsNotChanged(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	other := a.newUser(t, "other", domain.RoleAdmin)
	if err := a.users.EnsureFirst(t.Context(), first, quiet); err != nil {
		t.Fatal(err)
	}
	user, err := a.store.Users.ByUsername(t.Context(), "string")
	if err != nil {
		t.Fatal(err)
	}
	by := as(domain.User{ID: other.ID, Role: domain.RoleAdmin})
	if err := a.users.Deactivate(t.Context(), by, user.ID, nil); err != nil {
		t.Fatal(err)
	}
	before, err := a.store.Users.ByUsername(t.Context(), "string")
	if err != nil {
		t.Fatal(err)
	}
	changed := first
	changed.Name, changed.Password, changed.Username = "Another", "another password", "STRING"
	if err := a.users.EnsureFirst(t.Context(), changed, quiet); err != nil {
		t.Fatal(err)
	}
	if after, err := a.store.Users.ByUsername(t.Context(), "string"); err != nil || after != before {
		t.Errorf("got %+v, %v; want it as it was, deactivated", after, err)
	}
}

func TestReplicasCreateOneFirstUser(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	var starting sync.WaitGroup
	for range 8 {
		starting.Go(func() {
			replica := usecase.Users{Store: a.store.Users, Passwords: argon2id.New(1)}
			if err := replica.EnsureFirst(t.Context(), first, quiet); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	if users, err := a.users.List(t.Context(), root.Actor, 0, 10); err != nil || len(users) != 1 {
		t.Errorf("got %+v, %v; want one user", users, err)
	}
}

func TestInvalidFirstUser(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	a.newUser(t, "renamed", domain.RoleAdmin)
	taken := first
	taken.Email = "renamed@example.com"
	if err := a.users.EnsureFirst(t.Context(), taken, quiet); err != nil {
		t.Errorf("a renamed admin prevents the start: %v", err)
	}
	for name, change := range map[string]func(*usecase.FirstUser){
		"a name with a space":         func(f *usecase.FirstUser) { f.Username = "the first" },
		"no email":                    func(f *usecase.FirstUser) { f.Email = "" },
		"no password":                 func(f *usecase.FirstUser) { f.Password = "" },
		"a password that is too long": func(f *usecase.FirstUser) { f.Password = strings.Repeat("x", 129) },
		"a name that is blank":        func(f *usecase.FirstUser) { f.Name = " " },
	} {
		bad := first
		change(&bad)
		if err := a.users.EnsureFirst(t.Context(), bad, quiet); !errors.Is(err, domain.ErrInvalidUser) {
			t.Errorf("%s: got %v, want ErrInvalidUser", name, err)
		}
	}
	if users, err := a.users.List(t.Context(), root.Actor, 0, 10); err != nil || len(users) != 1 {
		t.Errorf("got %+v, %v; want no new user", users, err)
	}
}

func TestPermissionsToManageUsers(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna, bella := a.newUser(t, "anna", domain.RoleUser), a.newUser(t, "bella", domain.RoleUser)
	newUser := domain.NewUser{Name: "C", Username: "c", Email: "c@example.com", Role: domain.RoleUser}

	if _, err := a.users.Create(t.Context(), as(anna), newUser, "a long password"); !errors.Is(err, domain.ErrForbidden) {
		t.Errorf("a user creates one: got %v", err)
	}
	if _, err := a.users.List(t.Context(), as(anna).Actor, 0, 10); !errors.Is(err, domain.ErrForbidden) {
		t.Errorf("a user lists all: got %v", err)
	}
	if got, err := a.users.User(t.Context(), as(anna).Actor, anna.ID); err != nil || got != anna {
		t.Errorf("a user reads themselves: got %+v, %v", got, err)
	}
	if got, err := a.users.User(t.Context(), root.Actor, anna.ID); err != nil || got != anna {
		t.Errorf("an admin reads a user: got %+v, %v", got, err)
	}
	const missing = 99
	for name, do := range map[string]func() error{
		"reading another":        func() error { _, err := a.users.User(t.Context(), as(anna).Actor, bella.ID); return err },
		"reading a missing user": func() error { _, err := a.users.User(t.Context(), root.Actor, missing); return err },
		"changing another": func() error {
			_, err := a.users.Change(t.Context(), as(anna), bella.ID, domain.UserChange{Password: new("a long password")})
			return err
		},
		"changing a missing user": func() error {
			_, err := a.users.Change(t.Context(), root, missing, domain.UserChange{Name: new("N")})
			return err
		},
		"deactivating another":        func() error { return a.users.Deactivate(t.Context(), as(anna), bella.ID, nil) },
		"deactivating a missing user": func() error { return a.users.Deactivate(t.Context(), root, missing, nil) },
	} {
		if err := do(); !errors.Is(err, domain.ErrUserNotFound) {
			t.Errorf("%s: got %v, want ErrUserNotFound", name, err)
		}
	}
	if got, err := a.store.Users.User(t.Context(), bella.ID); err != nil || got != bella {
		t.Errorf("bella is %+v, %v; want as before", got, err)
	}
}

func TestChangingAUser(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna, _ := a.newUser(t, "anna", domain.RoleUser), a.newUser(t, "bella", domain.RoleUser)
	by := as(domain.User{ID: anna.ID, Role: domain.RoleUser})

	changed, err := a.users.Change(t.Context(), by, anna.ID, domain.UserChange{
		Name: new("Anna Maria"), Username: new("am"), Email: new("am@example.com"), Password: new("another password"),
		CurrentPassword: new("password of anna"),
	})
	want := anna
	want.Name, want.Username, want.Email, want.TokenVersion = "Anna Maria", "am", "am@example.com", 2
	want.UpdatedAt = changed.UpdatedAt
	if err != nil || changed != want || !changed.UpdatedAt.After(anna.UpdatedAt) {
		t.Errorf("got %+v, %v\nwant %+v", changed, err, want)
	}
	a.signIn(t, "am", "another password")
	if _, err := a.login.Login(t.Context(), from("192.0.2.1", "am", "password of anna")); !errors.Is(err, domain.ErrInvalidCredentials) {
		t.Errorf("the old password: got %v", err)
	}

	for name, tt := range map[string]struct {
		change domain.UserChange
		err    error
	}{
		"a taken username":    {domain.UserChange{Username: new("Bella")}, domain.ErrUsernameTaken},
		"a taken email":       {domain.UserChange{Email: new("BELLA@example.com")}, domain.ErrEmailTaken},
		"a bad username":      {domain.UserChange{Username: new("a b")}, domain.ErrInvalidUser},
		"a short password":    {domain.UserChange{Password: new("short")}, domain.ErrInvalidUser},
		"a role of one's own": {domain.UserChange{Role: new(domain.RoleAdmin)}, domain.ErrForbidden},
	} {
		if got, err := a.users.Change(t.Context(), by, anna.ID, tt.change); !errors.Is(err, tt.err) {
			t.Errorf("%s: got %+v, %v; want %v", name, got, err, tt.err)
		}
	}
	if got, err := a.users.Change(t.Context(), by, anna.ID, domain.UserChange{Name: new("Anna Maria")}); err != nil || got != changed {
		t.Errorf("no difference: got %+v, %v; want nothing written", got, err)
	}
}

// A found token must not be as good as the password.
func TestCurrentPasswordIsNeeded(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna := a.newUser(t, "anna", domain.RoleUser)
	by := as(anna)
	by.Address = "192.0.2.1"
	before, err := a.store.Users.Credentials(t.Context(), anna.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]domain.UserChange{
		"password":     {Password: new("another password")},
		"username":     {Username: new("am")},
		"email":        {Email: new("am@example.com")},
		"deactivation": {Deactivate: true},
	} {
		if _, err := a.users.Change(t.Context(), by, anna.ID, change); !errors.Is(err, domain.ErrCurrentPassword) {
			t.Errorf("%s without the password: got %v", name, err)
		}
		change.CurrentPassword = new("a wrong one")
		if _, err := a.users.Change(t.Context(), by, anna.ID, change); !errors.Is(err, domain.ErrCurrentPassword) {
			t.Errorf("%s with a wrong password: got %v", name, err)
		}
	}
	if _, err := a.users.Change(t.Context(), by, anna.ID, domain.UserChange{Name: new("anna")}); err != nil {
		t.Errorf("a name for people needs a password: %v", err)
	}
	if after, err := a.store.Users.Credentials(t.Context(), anna.ID); err != nil || after != before {
		t.Errorf("got %+v, %v; want no change", after, err)
	}
	// The four wrong passwords count together with those of logins.
	if _, err := a.login.Login(t.Context(), from("192.0.2.1", "anna", "wrong")); !errors.Is(err, domain.ErrInvalidCredentials) {
		t.Errorf("the fifth: got %v", err)
	}
	guess := domain.UserChange{Password: new("another password"), CurrentPassword: new("password of anna")}
	if _, err := a.users.Change(t.Context(), by, anna.ID, guess); !errors.Is(err, domain.ErrThrottled) {
		t.Errorf("the sixth: got %v, want ErrThrottled", err)
	}
	root := root
	root.ID = 99
	if _, err := a.users.Change(t.Context(), root, anna.ID, domain.UserChange{Password: new("another password")}); err != nil {
		t.Errorf("an administrator needs a password for another user: %v", err)
	}
}

// The password was another one when it was checked.
func TestCurrentPasswordIsThatOfTheChange(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna := a.newUser(t, "anna", domain.RoleUser)
	a.passwords.hashing = func() {
		a.passwords.hashing = nil
		if _, err := a.users.SetPassword(t.Context(), domain.Origin{Address: "terminal"}, "anna", "from the operator"); err != nil {
			t.Error(err)
		}
	}
	change := domain.UserChange{Password: new("another password"), CurrentPassword: new("password of anna")}
	if _, err := a.users.Change(t.Context(), as(anna), anna.ID, change); !errors.Is(err, domain.ErrCurrentPassword) {
		t.Errorf("got %v, want ErrCurrentPassword", err)
	}
	a.signIn(t, "anna", "from the operator")
}

func TestSignOutEndsAllTokens(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna := a.newUser(t, "anna", domain.RoleUser)
	tokens := []string{a.signIn(t, "anna", "password of anna"), a.signIn(t, "anna", "password of anna")}
	if err := a.users.SignOut(t.Context(), as(anna)); err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if _, err := a.auth.Authenticate(t.Context(), token); !errors.Is(err, domain.ErrUnauthenticated) {
			t.Errorf("got %v, want ErrUnauthenticated", err)
		}
	}
	a.signIn(t, "anna", "password of anna")
}

// A change that cannot succeed must not cost the hash of a password.
func TestCollisionsAreFoundBeforeHashing(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna, _ := a.newUser(t, "anna", domain.RoleUser), a.newUser(t, "bella", domain.RoleUser)
	a.passwords.takeChecked()
	a.passwords.hashing = func() { t.Error("a password is hashed") }
	for name, tt := range map[string]struct {
		username, email string
		want            error
	}{
		"a taken username": {"Bella", "free@example.com", domain.ErrUsernameTaken},
		"a taken email":    {"free", "BELLA@example.com", domain.ErrEmailTaken},
	} {
		user := domain.NewUser{Name: "N", Username: tt.username, Email: tt.email, Role: domain.RoleUser}
		if _, err := a.users.Create(t.Context(), root, user, "a long password"); !errors.Is(err, tt.want) {
			t.Errorf("create with %s: got %v", name, err)
		}
		change := domain.UserChange{Username: &tt.username, Email: &tt.email, Password: new("another password"), CurrentPassword: new("password of anna")}
		if _, err := a.users.Change(t.Context(), as(anna), anna.ID, change); !errors.Is(err, tt.want) {
			t.Errorf("change to %s: got %v", name, err)
		}
	}
	if checked := a.passwords.takeChecked(); len(checked) > 0 {
		t.Errorf("%d passwords were checked", len(checked))
	}
}

func TestOneHashAtATimeForEachUser(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna := a.newUser(t, "anna", domain.RoleUser)
	var now, most atomic.Int64
	a.passwords.hashing = func() {
		most.Store(max(most.Load(), now.Add(1)))
		for range 100 {
			runtime.Gosched()
		}
		now.Add(-1)
	}
	var changing sync.WaitGroup
	for range 8 {
		changing.Go(func() {
			change := domain.UserChange{Password: new("password of anna"), CurrentPassword: new("password of anna")}
			if _, err := a.users.Change(t.Context(), as(anna), anna.ID, change); err != nil {
				t.Error(err)
			}
		})
	}
	changing.Wait()
	if n := most.Load(); n != 1 {
		t.Errorf("%d passwords of one user were hashed at a time", n)
	}
}

func TestChangesAreCounted(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna := a.newUser(t, "anna", domain.RoleUser)
	change := domain.UserChange{Email: new("am@example.com"), CurrentPassword: new("password of anna")}
	for n := range 21 {
		_, err := a.users.Change(t.Context(), as(anna), anna.ID, change)
		if n < 20 && err != nil || n == 20 && !errors.Is(err, domain.ErrThrottled) {
			t.Errorf("change %d: got %v", n+1, err)
		}
	}
	a.signIn(t, "anna", "password of anna")
}

func TestDeactivatingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna := a.newUser(t, "anna", domain.RoleUser)
	var after [2]domain.User
	for i := range after {
		if err := a.users.Deactivate(t.Context(), root, anna.ID, nil); err != nil {
			t.Fatal(err)
		}
		var err error
		if after[i], err = a.store.Users.User(t.Context(), anna.ID); err != nil {
			t.Fatal(err)
		}
	}
	if after[0].Active || after[1] != after[0] {
		t.Errorf("got %+v, then %+v", after[0], after[1])
	}
}

func TestOneAdminStays(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	var admins []domain.User
	for _, name := range []string{"a1", "a2", "a3", "a4"} {
		admins = append(admins, a.newUser(t, name, domain.RoleAdmin))
	}
	var refused atomic.Int64
	var leaving sync.WaitGroup
	for i, admin := range admins {
		by := as(domain.User{ID: admin.ID, Role: domain.RoleAdmin})
		leaving.Go(func() {
			var err error
			if i%2 == 0 {
				err = a.users.Deactivate(t.Context(), by, admin.ID, new("password of "+admin.Name))
			} else {
				_, err = a.users.Change(t.Context(), by, admin.ID, domain.UserChange{Role: new(domain.RoleUser)})
			}
			switch {
			case errors.Is(err, domain.ErrLastAdmin):
				refused.Add(1)
			case err != nil:
				t.Error(err)
			}
		})
	}
	leaving.Wait()
	if n := refused.Load(); n != 1 {
		t.Errorf("%d of 4 admins could not be deactivated, want the last one", n)
	}
}

// Every revocation of a token takes effect within a second on every replica.
func TestTokensAreRevokedWithinASecond(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change domain.UserChange
		err    error
	}{
		"a new password": {domain.UserChange{Password: new("another password")}, domain.ErrUnauthenticated},
		"a new role":     {domain.UserChange{Role: new(domain.RoleAdmin)}, domain.ErrUnauthenticated},
		"deactivation":   {domain.UserChange{Deactivate: true}, domain.ErrUserInactive},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAccess(t)
				anna := a.newUser(t, "anna", domain.RoleUser)
				token := a.signIn(t, "anna", "password of anna")
				replicas := []*usecase.Authenticator{a.auth, a.newReplica()}
				for _, replica := range replicas {
					if _, err := replica.Authenticate(t.Context(), token); err != nil {
						t.Fatal(err)
					}
				}
				if tt.change.Deactivate {
					if err := a.users.Deactivate(t.Context(), root, anna.ID, nil); err != nil {
						t.Fatal(err)
					}
				} else if _, err := a.users.Change(t.Context(), root, anna.ID, tt.change); err != nil {
					t.Fatal(err)
				}
				changed := time.Now()
				for _, replica := range replicas {
					eventually(t, "the token has ended", func() bool {
						_, err := replica.Authenticate(t.Context(), token)
						if err != nil && !errors.Is(err, tt.err) {
							t.Fatalf("got %v, want %v", err, tt.err)
						}
						return err != nil
					})
				}
				if took := time.Since(changed); took > soon+time.Millisecond { // between two polls
					t.Errorf("it took %s, want at most a second", took)
				}
			})
		})
	}
}

// A user who changed the password and signed in again must not wait for replicas that remember the
// former state.
func TestNewTokenWorksAtOnce(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna := a.newUser(t, "anna", domain.RoleUser)
	old := a.signIn(t, "anna", "password of anna")
	for _, password := range []string{"second password", "third password"} {
		if _, err := a.auth.Authenticate(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		if _, err := a.users.Change(t.Context(), root, anna.ID, domain.UserChange{Password: &password}); err != nil {
			t.Fatal(err)
		}
		fresh := a.signIn(t, "anna", password)
		if _, err := a.auth.Authenticate(t.Context(), fresh); err != nil {
			t.Errorf("the new token: got %v", err)
		}
		if _, err := a.auth.Authenticate(t.Context(), old); !errors.Is(err, domain.ErrUnauthenticated) {
			t.Errorf("the old token, once the new one has been seen: got %v", err)
		}
		old = fresh
	}
}

func TestTokenOfAMissingUserIsRefused(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	token, _, err := a.tokens.Issue(99, 1)
	if err != nil {
		t.Fatal(err)
	}
	if actor, err := a.auth.Authenticate(t.Context(), token); !errors.Is(err, domain.ErrUnauthenticated) {
		t.Errorf("got %+v, %v; want ErrUnauthenticated", actor, err)
	}
}
