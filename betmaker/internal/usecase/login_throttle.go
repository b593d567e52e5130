package usecase

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/fault"
	"stavka.local/shared/wait"
)

const (
	// loginWindow is how long a failed login counts.
	loginWindow = time.Hour
	// maxAccountFailures bounds the guesses at one password from all addresses. It is below the 100
	// an hour that ASVS 2.2.1 allows, because replicas may admit some guesses at the same moment.
	maxAccountFailures = 90
	// maxAddressFailures bounds the guesses from one address at all passwords. It is the highest
	// limit, because many honest users may share an address.
	maxAddressFailures = 300
	// freePairFailures is how many failures one address may have at one account without a delay.
	freePairFailures = 5
	// maxPairDelay bounds that delay.
	maxPairDelay = time.Hour

	// fullRetry is the suggested wait after an hourly limit. Failures expire one at a time.
	fullRetry = 10 * time.Minute

	// guessPatience is how long an attempt waits for earlier ones at the same account.
	guessPatience = 10 * time.Second

	// knownFor is how long an address that has signed in to an account is exempt from the account's
	// lockout, and knownAgain how often a login renews that.
	knownFor   = 90 * 24 * time.Hour
	knownAgain = 24 * time.Hour

	// maxChanges bounds the changes in an hour by which one user makes the service hash a password.
	maxChanges = 20

	forgetInterval = 10 * time.Minute
)

// ErrTooManyLogins is returned for an attempt that would have to wait for too long.
var ErrTooManyLogins = fault.New(fault.Unavailable, "unavailable", "Too many users are signing in; try again.").After(time.Second)

// LoginThrottle bounds the rate of password guesses. Failed logins are counted in ports.LoginFailures,
// for all replicas together, for an hour, by account (existing or not), by address, and by both:
//
//   - One address and one account: after 5 failures the next attempt has to wait 1 s after the last
//     one, then 4 s, 16 s, 64 s, 4 min, 17 min, 1 h. An attacker gets about ten guesses an hour; a
//     mistyping person hardly notices.
//   - One account: 90 failures from all addresses. To lock out a victim, for an hour at most, an
//     attacker needs nine addresses or more. Tokens stay valid.
//   - One address: 300 failures at all accounts.
//   - One IPv6 /56: 20 failures at one account and 600 at all; one /48: 30 and 1,200. So one network
//     cannot lock an account.
//
// An address that has signed in to an account in the last 90 days waits there only for its own
// failures: an attack from elsewhere does not lock it out. Unlock lifts the lockout of an account.
//
// A throttled attempt is not counted and its password is not checked, so that attempts do not
// prolong the wait.
//
// An IPv6 address counts together with its /64, the least network of a customer.
type LoginThrottle struct {
	// Checked, if set, is told the result of every check. It must be set before the first.
	Checked func(Purpose, CheckResult)

	failures ports.LoginFailures
	now      func() time.Time
	log      *slog.Logger
	turns    turns[string] // of the accounts
}

// NewLoginThrottle returns a throttle with the clock now.
func NewLoginThrottle(failures ports.LoginFailures, now func() time.Time, log *slog.Logger) *LoginThrottle {
	return &LoginThrottle{failures: failures, now: now, log: log}
}

// guess is one attempt at an account from an address. It has the turn of the account.
type guess struct {
	throttle *LoginThrottle
	account  string // as a subject of failures
	networks []network
	leave    func()
}

// network is a network of the address of a guess, as subjects of failures.
type network struct {
	limits

	all, pair string // at all accounts, and at the account of the guess
}

// begin admits an attempt or returns domain.ErrThrottled. Attempts at one account are admitted one
// at a time; otherwise many concurrent ones would pass before the first fails. After success the
// caller must call end. Errors: ErrTooManyLogins; those of the store, that of ctx.
func (t *LoginThrottle) begin(ctx context.Context, username string, address netip.Addr) (*guess, error) {
	account := accountOf(username)
	g := &guess{throttle: t, account: "account " + account}
	for _, of := range networksOf(address) {
		g.networks = append(g.networks, network{of.limits, "address " + of.name, "pair " + account + " " + of.name})
	}
	var err error
	if g.leave, err = t.turns.take(ctx, account, guessPatience); err != nil {
		return nil, err
	}
	if err := g.check(ctx); err != nil {
		g.leave()
		return nil, err
	}
	return g, nil
}

// accountOf returns a hash of a username. Users may type a password in place of the name, so the
// name is not kept.
func accountOf(username string) string {
	name := sha256.Sum256([]byte(domain.FoldCase(username)))
	return hex.EncodeToString(name[:16])
}

// own is the pair of the account and the address itself.
func (g *guess) own() string { return g.networks[0].pair }

func (g *guess) subjects() []string {
	subjects := []string{g.account}
	for _, n := range g.networks {
		subjects = append(subjects, n.all, n.pair)
	}
	return subjects
}

func (g *guess) check(ctx context.Context) error {
	now := g.throttle.now()
	failures, err := g.count(ctx, now.Add(-loginWindow))
	if err != nil {
		return err
	}
	if g.exceeds(failures) {
		known, err := g.throttle.failures.HasSuccess(ctx, g.own(), now.Add(-knownFor))
		if err != nil {
			return fmt.Errorf("look for an earlier login: %w", err)
		}
		if !known {
			return domain.ErrThrottled.After(fullRetry)
		}
	}
	delay := pairDelay(failures[g.own()])
	if delay == 0 {
		return nil
	}
	failures, err = g.count(ctx, now.Add(-delay))
	if err != nil {
		return err
	}
	if failures[g.own()] > 0 {
		return domain.ErrThrottled.After(delay)
	}
	return nil
}

// exceeds reports whether the failures of others may have locked the account or the network.
func (g *guess) exceeds(failures map[string]int) bool {
	return failures[g.account] >= maxAccountFailures || slices.ContainsFunc(g.networks, func(n network) bool {
		return failures[n.all] >= n.limits.all || n.limits.pair > 0 && failures[n.pair] >= n.limits.pair
	})
}

func (g *guess) count(ctx context.Context, since time.Time) (map[string]int, error) {
	failures, err := g.throttle.failures.Failures(ctx, g.subjects(), since)
	if err != nil {
		return nil, fmt.Errorf("count failed logins: %w", err)
	}
	return failures, nil
}

// fail counts the attempt as a failure.
func (g *guess) fail(ctx context.Context) error {
	err := g.throttle.failures.AddFailure(ctx, g.subjects(), g.throttle.now())
	if err != nil {
		return fmt.Errorf("count a failed login: %w", withoutKey(err))
	}
	return nil
}

// succeed remembers that the address has signed in to the account.
func (g *guess) succeed(ctx context.Context) {
	now := g.throttle.now()
	if err := g.throttle.failures.AddSuccess(ctx, g.own(), now, now.Add(-knownAgain)); err != nil {
		g.throttle.log.WarnContext(ctx, "a login is not remembered, so it does not protect from a lockout", "error", err)
	}
}

func (g *guess) end() { g.leave() }

// countChange counts a change by a signed-in user that hashes a password. Error: domain.ErrThrottled
// after maxChanges in an hour; those of the store.
func (t *LoginThrottle) countChange(ctx context.Context, id domain.UserID) error {
	subject, now := fmt.Sprintf("changes %d", id), t.now()
	counted, err := t.failures.Failures(ctx, []string{subject}, now.Add(-loginWindow))
	if err != nil {
		return fmt.Errorf("count the changes of a user: %w", err)
	}
	if counted[subject] >= maxChanges {
		return domain.ErrThrottled.After(fullRetry)
	}
	if err := t.failures.AddFailure(ctx, []string{subject}, now); err != nil {
		return fmt.Errorf("count a change of a user: %w", withoutKey(err))
	}
	return nil
}

// Unlock forgets the failures at an account. Those of an address at all accounts stay.
func Unlock(ctx context.Context, failures ports.LoginFailures, username string) error {
	account := accountOf(username)
	for _, prefix := range []string{"account " + account, "pair " + account + " "} {
		if err := failures.LiftFailures(ctx, prefix); err != nil {
			return fmt.Errorf("forget failed logins: %w", err)
		}
	}
	return nil
}

// pairDelay returns the delay after the last of n failures of one address at one account within the
// hour.
func pairDelay(n int) time.Duration {
	if n < freePairFailures {
		return 0
	}
	delay := time.Second
	for range n - freePairFailures {
		if delay *= 4; delay >= maxPairDelay {
			return maxPairDelay
		}
	}
	return delay
}

// limits bound the failures of one network in an hour.
type limits struct {
	all  int // at all accounts
	pair int // at one account; 0 for those of pairDelay
}

// namedNetwork is a network in text.
type namedNetwork struct {
	limits

	name string
}

// networksOf returns the networks that an address counts for, the narrowest first. A customer with
// IPv6 has a /64, and often a /56 or a /48.
func networksOf(address netip.Addr) []namedNetwork {
	address = address.Unmap().WithZone("")
	if !address.Is6() {
		return []namedNetwork{{limits{all: maxAddressFailures}, address.String()}}
	}
	prefix := func(bits int) string { return netip.PrefixFrom(address, bits).Masked().String() }
	return []namedNetwork{
		{limits{all: maxAddressFailures}, prefix(64)},
		{limits{all: 2 * maxAddressFailures, pair: 20}, prefix(56)},
		{limits{all: 4 * maxAddressFailures, pair: 30}, prefix(48)},
	}
}

// Run deletes failures and successes that no longer count, until ctx ends. It returns nil.
func (t *LoginThrottle) Run(ctx context.Context) error {
	return wait.Every(ctx, forgetInterval, func() error {
		err := errors.Join(
			t.failures.ForgetFailures(ctx, t.now().Add(-loginWindow)),
			t.failures.ForgetSuccesses(ctx, t.now().Add(-knownFor)))
		if err != nil && ctx.Err() == nil {
			t.log.WarnContext(ctx, "old failed logins could not be deleted; trying again later", "error", err)
		}
		return nil
	})
}
