package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weak "github.com/alexedwards/argon2id"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitetest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/fault"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna, retired := a.newUser(t, "anna", domain.RoleAdmin), a.newUser(t, "retired", domain.RoleUser)
	if err := a.users.Deactivate(t.Context(), root, retired.ID, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name               string
		username, password string
		err                error
	}{
		{"the right password", "anna", "password of anna", nil},
		{"a name in other letters", "ANNA", "password of anna", nil},
		{"a wrong password", "anna", "password of bella", domain.ErrInvalidCredentials},
		{"a password in other letters", "anna", "Password of anna", domain.ErrInvalidCredentials},
		{"a user who does not exist", "missing", "password of anna", domain.ErrInvalidCredentials},
		{"a deactivated user", "retired", "password of retired", domain.ErrUserInactive},
		{"a deactivated user's wrong password", "retired", "password of anna", domain.ErrInvalidCredentials},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			token, err := a.login.Login(t.Context(), from("192.0.2.1", tt.username, tt.password))
			if !errors.Is(err, tt.err) || (err == nil) != (token.Token != "") {
				t.Fatalf("got %+v, %v; want %v", token, err, tt.err)
			}
			if err != nil {
				return
			}
			if token.Valid != time.Hour {
				t.Errorf("the token is valid for %s, want an hour", token.Valid)
			}
			if actor, err := a.auth.Authenticate(t.Context(), token.Token); err != nil || actor != (domain.Actor{ID: anna.ID, Role: domain.RoleAdmin}) {
				t.Errorf("the token is %+v's, %v; want anna's", actor, err)
			}
		})
	}
}

// A login of a missing user must cost as much as a wrong password: one check of a password and one
// counted failure. The hasher promises that the check takes the same time.
func TestMissingUserCostsAsMuchAsAWrongPassword(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	a.newUser(t, "anna", domain.RoleUser)
	a.passwords.takeChecked()
	for name, address := range map[string]string{"anna": "192.0.2.1", "missing": "192.0.2.2"} {
		if _, err := a.login.Login(t.Context(), from(address, name, "wrong")); !errors.Is(err, domain.ErrInvalidCredentials) {
			t.Errorf("%s: got %v", name, err)
		}
		checked := a.passwords.takeChecked()
		if len(checked) != 1 || (checked[0] == "") != (name == "missing") {
			t.Errorf("%s: checked against %q, want one hash, empty for a missing user", name, checked)
		}
		subject := "address " + address
		if counted, err := a.store.LoginFailures.Failures(t.Context(), []string{subject}, time.Time{}); err != nil || counted[subject] != 1 {
			t.Errorf("%s: counted %v, %v; want one failure", name, counted, err)
		}
	}
}

// A name and a password that look the same are the same, whatever keyboard they come from.
func TestLoginPreparesNameAndPassword(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	jose, err := a.users.Create(t.Context(), root,
		domain.NewUser{Name: "J", Username: "jose\u0301-weiß", Email: "j@example.com", Role: domain.RoleUser}, "cafe\u0301 au\u00a0lait")
	if err != nil || jose.Username != "josé-weiß" {
		t.Fatalf("got %+v, %v", jose, err)
	}
	for _, username := range []string{"josé-weiß", "ＪＯＳÉ-WEISS", "Jose\u0301-Weiss"} {
		for _, password := range []string{"café au lait", "cafe\u0301 au lait", "café\u3000au\u2002lait"} {
			a.signIn(t, username, password)
		}
	}
	if _, err := a.users.Change(t.Context(), as(jose), jose.ID, domain.UserChange{Email: new("k@example.com"), CurrentPassword: new("café au lait")}); err != nil {
		t.Errorf("the current password: %v", err)
	}
	for _, username := range []string{"JOSÉ-WEISS", "Ｊosé-weiß"} {
		user := domain.NewUser{Name: "K", Username: username, Email: "other@example.com", Role: domain.RoleUser}
		if _, err := a.users.Create(t.Context(), root, user, "a long password"); !errors.Is(err, domain.ErrUsernameTaken) {
			t.Errorf("%s: got %v, want ErrUsernameTaken", username, err)
		}
	}
}

func TestLoginReplacesWeakHashes(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	hash, err := weak.CreateHash("password", &weak.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	user := domain.NewUser{Name: "Old", Username: "old", Email: "old@example.com", Role: domain.RoleUser}.User()
	if _, err := a.store.Users.Create(t.Context(), ports.NewUser{Credentials: ports.Credentials{User: user, PasswordHash: hash}}); err != nil {
		t.Fatal(err)
	}
	before := a.signIn(t, "old", "password")
	stored, err := a.store.Users.ByUsername(t.Context(), "old")
	if err != nil || stored.PasswordHash == hash {
		t.Fatalf("the hash is still %s, %v", stored.PasswordHash, err)
	}
	if matches, outdated, err := a.passwords.Verify(t.Context(), "password", stored.PasswordHash); err != nil || !matches || outdated {
		t.Errorf("the new hash matches %t, is outdated %t, %v", matches, outdated, err)
	}
	if _, err := a.auth.Authenticate(t.Context(), before); err != nil {
		t.Errorf("the user's token was revoked: %v", err)
	}
	a.signIn(t, "old", "password")
	if again, err := a.store.Users.ByUsername(t.Context(), "old"); err != nil || again.PasswordHash != stored.PasswordHash {
		t.Errorf("it was hashed again, %v", err)
	}
}

// The user may change the password between the check of a weak hash and its replacement.
func TestRehashDoesNotRevertANewPassword(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	hash, err := weak.CreateHash("password", &weak.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	user := domain.NewUser{Name: "Old", Username: "old", Email: "old@example.com", Role: domain.RoleUser}.User()
	created, err := a.store.Users.Create(t.Context(), ports.NewUser{Credentials: ports.Credentials{User: user, PasswordHash: hash}})
	if err != nil {
		t.Fatal(err)
	}
	a.passwords.hashing = func() {
		a.passwords.hashing = nil
		if _, err := a.users.Change(t.Context(), root, created.ID, domain.UserChange{Password: new("another password")}); err != nil {
			t.Error(err)
		}
	}
	stale := a.signIn(t, "old", "password")
	a.signIn(t, "old", "another password")
	if _, err := a.login.Login(t.Context(), from("192.0.2.1", "old", "password")); !errors.Is(err, domain.ErrInvalidCredentials) {
		t.Errorf("the old password: got %v", err)
	}
	if _, err := a.auth.Authenticate(t.Context(), stale); !errors.Is(err, domain.ErrUnauthenticated) {
		t.Errorf("the token by the old password: got %v", err)
	}
}

func TestLoginFailsClosed(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	a.newUser(t, "anna", domain.RoleUser)
	a.store.Close()
	token, err := a.login.Login(t.Context(), from("192.0.2.1", "anna", "password of anna"))
	if err == nil {
		t.Errorf("got %+v without a store", token)
	}
}

// throttle is a login throttle with a clock that the test moves.
type throttle struct {
	*usecase.LoginThrottle
	failures ports.LoginFailures
	clock    atomic.Int64 // nanoseconds
}

func newThrottle(t *testing.T) *throttle {
	t.Helper()
	store := sqlitetest.New(t)
	th := &throttle{failures: store.LoginFailures}
	th.clock.Store(time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	th.LoginThrottle = th.newReplica()
	return th
}

func (th *throttle) newReplica() *usecase.LoginThrottle {
	return usecase.NewLoginThrottle(th.failures, func() time.Time { return time.Unix(0, th.clock.Load()).UTC() }, quiet)
}

func (th *throttle) pass(d time.Duration) { th.clock.Add(int64(d)) }

func address(text string) netip.Addr { return netip.MustParseAddr(text) }

// refused fails unless err is ErrThrottled with the time to retry.
func refused(t *testing.T, what string, err error, after time.Duration) {
	t.Helper()
	if f := fault.Find(err); !errors.Is(err, domain.ErrThrottled) || f.RetryAfter != after {
		t.Errorf("%s: got %v, want ErrThrottled for %s", what, err, after)
	}
}

func (th *throttle) passes(t *testing.T, what, username, from string) {
	t.Helper()
	if err := th.Guess(t.Context(), username, address(from)); err != nil {
		t.Errorf("%s: got %v, want it to pass", what, err)
	}
}

func TestDelayOfOneAddressGrows(t *testing.T) {
	t.Parallel()
	th := newThrottle(t)
	const home = "192.0.2.1"
	for n := range 5 {
		th.passes(t, fmt.Sprintf("guess %d", n+1), "anna", home)
	}
	for _, wait := range []time.Duration{
		time.Second, 4 * time.Second, 16 * time.Second, 64 * time.Second, 256 * time.Second, 1024 * time.Second,
	} {
		for range 3 { // attempts must not prolong the delay
			refused(t, "at once", th.Guess(t.Context(), "anna", address(home)), wait)
		}
		th.pass(wait - time.Millisecond)
		refused(t, "a moment too early", th.Guess(t.Context(), "anna", address(home)), wait)
		th.pass(2 * time.Millisecond)
		th.passes(t, "after "+wait.String(), "anna", home)
	}
	refused(t, "after eleven", th.Guess(t.Context(), "anna", address(home)), time.Hour)
	th.passes(t, "another account from the same address", "bella", home)
	th.passes(t, "the same account from another address", "anna", "192.0.2.2")
	th.pass(time.Hour + time.Millisecond)
	th.passes(t, "after an hour", "anna", home)
}

func TestSameNamesAndNetworksCountTogether(t *testing.T) {
	t.Parallel()
	th := newThrottle(t)
	for _, from := range []string{"2001:db8::1", "2001:db8::ffff", "2001:db8:0:0:1::", "2001:db8::1%eth0", "2001:db8::2"} {
		th.passes(t, from, "anna", from)
	}
	refused(t, "one /64 and another name's case", th.Guess(t.Context(), "ANNA", address("2001:db8::3")), time.Second)
	th.passes(t, "another /64", "anna", "2001:db8:0:1::1")
	for range 5 {
		th.passes(t, "IPv4", "bella", "192.0.2.1")
	}
	refused(t, "IPv4 in IPv6", th.Guess(t.Context(), "bella", address("::ffff:192.0.2.1")), time.Second)
	if err := th.Guess(t.Context(), "anna", netip.Addr{}); err != nil {
		t.Errorf("no address: got %v", err)
	}
}

// The ASVS allows 100 failures an hour and account (2.2.1).
func TestFailuresOfOneAccountAreBounded(t *testing.T) {
	t.Parallel()
	th := newThrottle(t)
	replicas := []*usecase.LoginThrottle{th.LoginThrottle, th.newReplica(), th.newReplica()}
	var passed atomic.Int64
	var guessing sync.WaitGroup
	for i := range 300 {
		guessing.Go(func() {
			from := netip.AddrFrom4([4]byte{198, 51, byte(i / 256), byte(i)})
			switch err := replicas[i%len(replicas)].Guess(t.Context(), "anna", from); {
			case err == nil:
				passed.Add(1)
			case !errors.Is(err, domain.ErrThrottled):
				t.Error(err)
			}
		})
	}
	guessing.Wait()
	if n := passed.Load(); n < 90 || n > 92 {
		t.Errorf("%d guesses at once passed, want 90, and at most one more for each other replica", n)
	}
	refused(t, "from a fresh address", th.Guess(t.Context(), "anna", address("203.0.113.1")), 10*time.Minute)
	th.passes(t, "another account", "bella", "203.0.113.1")
	th.pass(time.Hour + time.Millisecond)
	th.passes(t, "after an hour", "anna", "203.0.113.1")
}

func TestFailuresOfOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	th := newThrottle(t)
	const bot = "192.0.2.1"
	for i := range 300 {
		th.passes(t, fmt.Sprintf("guess %d", i), fmt.Sprintf("user-%d", i), bot)
	}
	refused(t, "one more", th.Guess(t.Context(), "anna", address(bot)), 10*time.Minute)
	th.passes(t, "from another address", "anna", "192.0.2.2")
	th.pass(time.Hour + time.Millisecond)
	th.passes(t, "after an hour", "anna", bot)
}

// attack guesses anna's password from n addresses and returns how many guesses passed. next returns
// the address of a guess.
func (th *throttle) attack(t *testing.T, n int, next func(i int) netip.Addr) (passed int) {
	t.Helper()
	for i := range n {
		switch err := th.Guess(t.Context(), "anna", next(i)); {
		case err == nil:
			passed++
		case !errors.Is(err, domain.ErrThrottled):
			t.Fatal(err)
		}
	}
	return passed
}

// ipv6 returns an address in one of 200 networks /64 in a wider one, each of which is another for
// each i. Those in a /48 are in many networks /56.
func ipv6(network string, i int) netip.Addr {
	prefix := netip.MustParsePrefix(network)
	bytes := prefix.Addr().As16()
	if prefix.Bits() == 48 {
		i *= 101
	}
	bytes[6] ^= byte(i >> 8)
	bytes[7] ^= byte(i)
	bytes[15] = byte(i)
	return netip.AddrFrom16(bytes)
}

// One customer's network must not lock an account, however many addresses it holds.
func TestOneIPv6NetworkLocksNoAccount(t *testing.T) {
	t.Parallel()
	for network, want := range map[string]int{"2001:db8:1:ff00::/56": 20, "2001:db8:2::/48": 30} {
		th := newThrottle(t)
		if passed := th.attack(t, 200, func(i int) netip.Addr { return ipv6(network, i) }); passed != want {
			t.Errorf("%s: %d guesses passed, want %d", network, passed, want)
		}
		refused(t, network+" once more", th.Guess(t.Context(), "anna", ipv6(network, 250)), 10*time.Minute)
		th.passes(t, "another network", "anna", "2001:db8:3::1")
		th.passes(t, "IPv4", "anna", "192.0.2.1")
		th.passes(t, "another account", "bella", ipv6(network, 250).String())
		th.pass(time.Hour + time.Millisecond)
		th.passes(t, "after an hour", "anna", ipv6(network, 250).String())
	}
}

func TestWideNetworksAreBoundedAtAllAccounts(t *testing.T) {
	t.Parallel()
	th := newThrottle(t)
	const network = "2001:db8:1:ff00::/56"
	for i := range 600 {
		th.passes(t, fmt.Sprintf("guess %d", i), fmt.Sprintf("user-%d", i), ipv6(network, i%200).String())
	}
	refused(t, "one more", th.Guess(t.Context(), "anna", ipv6(network, 210)), 10*time.Minute)
	th.passes(t, "from another /56", "anna", "2001:db8:1:1::1")
}

// An attack from elsewhere must not lock a user out of an account at the address that they use.
func TestKnownAddressIsNotLockedOut(t *testing.T) {
	t.Parallel()
	th := newThrottle(t)
	for _, home := range []string{"192.0.2.1", "2001:db8:2:7::1"} {
		if err := th.SignIn(t.Context(), "anna", address(home)); err != nil {
			t.Fatal(err)
		}
	}
	th.pass(89 * 24 * time.Hour)
	networks := []string{"2001:db8:2::/48", "2001:db8:3::/48", "2001:db8:4::/48"}
	if passed := th.attack(t, 600, func(i int) netip.Addr { return ipv6(networks[i%3], i/3) }); passed != 90 {
		t.Errorf("%d guesses passed, want 90", passed)
	}
	refused(t, "a new address", th.Guess(t.Context(), "anna", address("192.0.2.9")), 10*time.Minute)
	if err := th.SignIn(t.Context(), "Anna", address("192.0.2.1")); err != nil {
		t.Errorf("the address that is known: %v", err)
	}
	if err := th.SignIn(t.Context(), "anna", address("2001:db8:2:7::2")); err != nil {
		t.Errorf("the network that is known, in the /48 of the attack: %v", err)
	}
	// It waits only for its own failures.
	for range 5 {
		th.passes(t, "a wrong password", "anna", "192.0.2.1")
	}
	refused(t, "after five", th.Guess(t.Context(), "anna", address("192.0.2.1")), time.Second)
	th.pass(91 * 24 * time.Hour)
	if passed := th.attack(t, 600, func(i int) netip.Addr { return ipv6(networks[i%3], i/3) }); passed != 90 {
		t.Errorf("%d guesses passed, want 90", passed)
	}
	refused(t, "an address that has not signed in for 90 days", th.Guess(t.Context(), "anna", address("192.0.2.1")), 10*time.Minute)
}

func TestUnlock(t *testing.T) {
	t.Parallel()
	th := newThrottle(t)
	for range 5 {
		th.passes(t, "a guess at anna", "anna", "192.0.2.1")
		th.passes(t, "a guess at bella", "bella", "192.0.2.1")
	}
	th.attack(t, 90, func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}) })
	if err := usecase.Unlock(t.Context(), th.failures, "ANNA"); err != nil {
		t.Fatal(err)
	}
	th.passes(t, "a new address", "anna", "192.0.2.2")
	th.passes(t, "the address that had to wait", "anna", "192.0.2.1")
	refused(t, "another account", th.Guess(t.Context(), "bella", address("192.0.2.1")), time.Second)
}

func TestOldFailuresAreDeleted(t *testing.T) {
	t.Parallel()
	th := newThrottle(t)
	const subject = "address 192.0.2.1"
	th.passes(t, "an old guess", "anna", "192.0.2.1")
	th.pass(time.Hour)
	th.passes(t, "a fresh guess", "anna", "192.0.2.1")
	th.pass(time.Millisecond)

	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := th.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the old failure is forgotten", func() bool {
		counted, err := th.failures.Failures(t.Context(), []string{subject}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return counted[subject] == 1
	})
	stop()
	running.Wait()
}
