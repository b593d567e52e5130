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
)

const (
	// loginWindow is how long a failed login counts.
	loginWindow = time.Hour
	// maxAccountFailures bounds the guesses at one password from everywhere. It leaves
	// room below the 100 an hour that ASVS 2.2.1 allows for replicas that let
	// a guess pass at the same moment.
	maxAccountFailures = 90
	// maxAddressFailures bounds the guesses from one address at all passwords. It is the
	// widest, because many honest users may share an address.
	maxAddressFailures = 300
	// freePairFailures is how often one address may be wrong about one account before it
	// has to wait.
	freePairFailures = 5
	// maxPairDelay is how long it has to wait at last.
	maxPairDelay = time.Hour

	// fullRetry is what is suggested to whom one of the hourly limits stops. They come
	// free one failure at a time.
	fullRetry = 10 * time.Minute

	// guessLocks is how many accounts can be tried at the same time by one replica, at
	// most; two accounts that share a lock only wait for each other.
	guessLocks = 256
	// guessPatience is how long an attempt waits for those before it at the same account.
	guessPatience = 10 * time.Second

	forgetInterval = 10 * time.Minute
)

// ErrTooManyLogins is what an attempt gets that would have to wait for too long.
var ErrTooManyLogins = fault.New(fault.Unavailable, "unavailable", "Too many users are signing in; try again.").After(time.Second)

// LoginThrottle bounds how fast passwords can be guessed. Failed logins are counted in
// the store, for all replicas together, for an hour, by account (whether there is one
// or not), by address, and by both:
//
//   - One address and one account: after 5 failures the next attempt has to wait 1 s
//     after the last one, then 4 s, 16 s, 64 s, 4 min, 17 min, 1 h. An attacker gets about
//     ten guesses an hour; a person who mistypes hardly notices.
//   - One account: 90 failures, whatever the addresses. To lock a victim out, for an
//     hour at most, an attacker needs nine addresses or more. Tokens stay valid.
//   - One address: 300 failures, whatever the accounts.
//
// Attempts that are refused for that are not counted, and the password is not looked
// at, so that nobody prolongs the wait by trying.
//
// An IPv6 address counts with all of its /64, which is what one customer has.
type LoginThrottle struct {
	failures ports.LoginFailures
	now      func() time.Time
	log      *slog.Logger
	locks    [guessLocks]chan struct{}
}

// NewLoginThrottle returns a throttle that tells the time by now.
func NewLoginThrottle(failures ports.LoginFailures, now func() time.Time, log *slog.Logger) *LoginThrottle {
	t := &LoginThrottle{failures: failures, now: now, log: log}
	for i := range t.locks {
		t.locks[i] = make(chan struct{}, 1)
	}
	return t
}

// guess is one attempt at an account from an address, while it has the account's lock.
type guess struct {
	throttle               *LoginThrottle
	account, address, pair string
	unlock                 func()
}

// begin lets an attempt pass, or returns domain.ErrThrottled. Attempts at one account
// pass one after the other, each after the one before has ended: otherwise many at
// once would all pass before the first has failed. Whoever passes calls end. Errors:
// ErrTooManyLogins; those of the store, that of ctx.
func (t *LoginThrottle) begin(ctx context.Context, username string, address netip.Addr) (*guess, error) {
	// What was typed may be a password, so only its hash is kept.
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

// pairDelay is how long after its last failure an address has to wait that was wrong
// about an account n times within the hour.
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

// networkOf returns what one customer has: an IPv4 address, or an IPv6 /64.
func networkOf(address netip.Addr) string {
	address = address.Unmap().WithZone("")
	if !address.Is6() {
		return address.String()
	}
	return netip.PrefixFrom(address, 64).Masked().String()
}

// Run forgets failures that no longer count, until ctx ends. It returns nil.
func (t *LoginThrottle) Run(ctx context.Context) error {
	ticker := time.NewTicker(forgetInterval)
	defer ticker.Stop()
	for {
		if err := t.failures.ForgetFailures(ctx, t.now().Add(-loginWindow)); err != nil && ctx.Err() == nil {
			t.log.WarnContext(ctx, "old failed logins could not be deleted; trying again later", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
