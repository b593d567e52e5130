package usecase_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/argon2id"
	"stavka.local/betmaker/internal/adapters/jwt"
	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/adapters/sqlite/sqlitetest"
	"stavka.local/betmaker/internal/adapters/usercache"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
)

// soon is how long a change of a user may take to reach all replicas.
const soon = time.Second

// as returns the caller that a user is.
func as(user domain.User) domain.Caller {
	return domain.Caller{Actor: domain.Actor{ID: user.ID, Role: user.Role}}
}

var root = domain.Caller{Actor: domain.Actor{ID: 1_000_000, Role: domain.RoleAdmin}}

// access is the authentication of a bet-maker on a new database.
type access struct {
	store     *sqlite.Store
	passwords *watchedPasswords
	tokens    *jwt.Tokens
	users     *usecase.Users
	login     *usecase.Login
	auth      *usecase.Authenticator
}

func newAccess(t *testing.T) *access {
	t.Helper()
	store := sqlitetest.New(t)
	tokens, err := jwt.New(jwt.Config{Algorithm: "HS256", Secret: []byte("a secret key for tests, long enough"), TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	a := &access{store: store, tokens: tokens, passwords: &watchedPasswords{Hasher: argon2id.New(2)}}
	throttle := usecase.NewLoginThrottle(store.LoginFailures, time.Now, quiet)
	a.users = &usecase.Users{Store: store.Users, Passwords: a.passwords, Throttle: throttle}
	a.login = &usecase.Login{
		Users: store.Users, Passwords: a.passwords, Tokens: tokens,
		Throttle: throttle, Logger: quiet,
	}
	a.auth = a.newReplica()
	return a
}

// newReplica returns the authenticator of another replica.
func (a *access) newReplica() *usecase.Authenticator {
	return &usecase.Authenticator{Tokens: jwt.NewCache(a.tokens, 10), Users: usercache.New(a.store.Users.User, 10)}
}

func (a *access) newUser(t *testing.T, name string, role domain.Role) domain.User {
	t.Helper()
	user, err := a.users.Create(t.Context(), root,
		domain.NewUser{Name: name, Username: name, Email: name + "@example.com", Role: role}, "password of "+name)
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return user
}

func (a *access) signIn(t *testing.T, username, password string) string {
	t.Helper()
	token, err := a.login.Login(t.Context(), from("192.0.2.1", username, password))
	if err != nil {
		t.Fatalf("sign %s in: %v", username, err)
	}
	return token.Token
}

func from(address, username, password string) usecase.Credentials {
	return usecase.Credentials{Username: username, Password: password, Address: netip.MustParseAddr(address)}
}

// watchedPasswords hashes real passwords and records the checks.
type watchedPasswords struct {
	*argon2id.Hasher
	mu      sync.Mutex
	checked []string // the hashes
	hashing func()   // called before a password is hashed, if set
}

func (w *watchedPasswords) Verify(ctx context.Context, password, hash string) (matches, outdated bool, err error) {
	w.mu.Lock()
	w.checked = append(w.checked, hash)
	w.mu.Unlock()
	return w.Hasher.Verify(ctx, password, hash)
}

func (w *watchedPasswords) Hash(ctx context.Context, password string) (string, error) {
	if w.hashing != nil {
		w.hashing()
	}
	return w.Hasher.Hash(ctx, password)
}

// takeChecked returns the hashes that were checked since the last call.
func (w *watchedPasswords) takeChecked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	checked := w.checked
	w.checked = nil
	return checked
}
