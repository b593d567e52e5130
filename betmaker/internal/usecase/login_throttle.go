package usecase

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
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

	// guessLocks is how many accounts one replica can check at the same time. Two accounts that
	// share a lock only wait for each other.
	guessLocks = 256
	// guessPatience is how long an attempt waits for earlier ones at the same account.
	guessPatience = 10 * time.Second

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
//
// A throttled attempt is not counted and its password is not checked, so that attempts do not
// prolong the wait.
//
// An IPv6 address counts together with its /64, which is the network of one customer.
type LoginThrottle struct {
	failures ports.LoginFailures
	now      func() time.Time
	log      *slog.Logger
	locks    [guessLocks]chan struct{}
}

// NewLoginThrottle returns a throttle with the clock now.
func NewLoginThrottle(failures ports.LoginFailures, now func() time.Time, log *slog.Logger) *LoginThrottle {
	t := &LoginThrottle{failures: failures, now: now, log: log}
	for i := range t.locks {
		t.locks[i] = make(chan struct{}, 1)
	}
	return t
}

// guess is one attempt at an account from an address. It holds the lock of the account.
type guess struct {
	throttle               *LoginThrottle
	account, address, pair string
	unlock                 func()
}

// begin admits an attempt or returns domain.ErrThrottled. Attempts at one account are admitted one
// at a time; otherwise many concurrent ones would pass before the first fails. After success the
// caller must call end. Errors: ErrTooManyLogins; those of the store, that of ctx.
func (t *LoginThrottle) begin(ctx context.Context, username string, address netip.Addr) (*guess, error) {
	// Users may type a password in place of the name, so only the hash is kept.
	name := sha256.Sum256([]byte(domain.FoldCase(username)))
	account, network := hex.EncodeToString(name[:16]), networkOf(address)
	g := &guess{
		throttle: t,
		account:  "account " + account,
		address:  "address " + network,
		pair:     "pair " + account + " " + network,
	}
	lock, timer := t.locks[name[0]], time.NewTimer(guessPatience)
	defer timer.Stop()
	select {
	case lock <- struct{}{}:
		g.unlock = func() { <-lock }
	case <-timer.C:
		return nil, ErrTooManyLogins
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the attempts before: %w", ctx.Err())
	}
	if err := g.check(ctx); err != nil {
		g.unlock()
		return nil, err
	}
	return g, nil
}

func (g *guess) check(ctx context.Context) error {
	now := g.throttle.now()
	failures, err := g.count(ctx, now.Add(-loginWindow))
	if err != nil {
		return err
	}
	if failures[g.account] >= maxAccountFailures || failures[g.address] >= maxAddressFailures {
		return domain.ErrThrottled.After(fullRetry)
	}
	delay := pairDelay(failures[g.pair])
	if delay == 0 {
		return nil
	}
	failures, err = g.count(ctx, now.Add(-delay))
	if err != nil {
		return err
	}
	if failures[g.pair] > 0 {
		return domain.ErrThrottled.After(delay)
	}
	return nil
}

func (g *guess) count(ctx context.Context, since time.Time) (map[string]int, error) {
	failures, err := g.throttle.failures.Failures(ctx, []string{g.account, g.address, g.pair}, since)
	if err != nil {
		return nil, fmt.Errorf("count failed logins: %w", err)
	}
	return failures, nil
}

// fail counts the attempt as a failure.
func (g *guess) fail(ctx context.Context) error {
	err := g.throttle.failures.AddFailure(ctx, []string{g.account, g.address, g.pair}, g.throttle.now())
	if err != nil {
		return fmt.Errorf("count a failed login: %w", withoutKey(err))
	}
	return nil
}

func (g *guess) end() { g.unlock() }

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

// networkOf returns the network of one customer: an IPv4 address or an IPv6 /64.
func networkOf(address netip.Addr) string {
	address = address.Unmap().WithZone("")
	if !address.Is6() {
		return address.String()
	}
	return netip.PrefixFrom(address, 64).Masked().String()
}

// Run deletes failures that no longer count, until ctx ends. It returns nil.
func (t *LoginThrottle) Run(ctx context.Context) error {
	return wait.Every(ctx, forgetInterval, func() error {
		if err := t.failures.ForgetFailures(ctx, t.now().Add(-loginWindow)); err != nil && ctx.Err() == nil {
			t.log.WarnContext(ctx, "old failed logins could not be deleted; trying again later", "error", err)
		}
		return nil
	})
}
