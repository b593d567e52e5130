// Package argon2id hashes passwords by Argon2id with the least parameters that OWASP recommends: 19
// MiB of memory, 2 passes, 1 lane. A hash is a PHC string, which names its own parameters, so older
// hashes can still be checked after an increase.
//
// Hashing is expensive on purpose, so an attacker could overload a service with it. Therefore only
// a few passwords are hashed at the same time, and callers that would wait for long are refused.
package argon2id

import (
	"context"
	"fmt"
	"time"

	"github.com/alexedwards/argon2id"

	"stavka.local/shared/fault"
)

// patience is how long a password waits for its turn.
const patience = 3 * time.Second

// unknownUser is the hash of 32 random bytes that were not kept. No password matches it, and
// checking takes the usual time.
const unknownUser = "$argon2id$v=19$m=19456,t=2,p=1$A/W7F6YM/7AbSJVWavplVw$I4NGMbHDpnlKcwdGuqfc11+iLW6V3zCXJD6UbCb7zfU"

// ErrBusy is returned when too many passwords are waiting.
var ErrBusy = fault.New(fault.Unavailable, "unavailable", "Too many passwords are being checked; try again.").After(time.Second)

// Hasher hashes and checks passwords. It is safe for concurrent use.
type Hasher struct {
	places *places
	class  class
}

// New returns a Hasher that hashes at most concurrency passwords at the same time, but at least
// one. Each takes 19 MiB and a processor.
func New(concurrency int) *Hasher {
	return &Hasher{&places{free: max(concurrency, 1)}, urgent}
}

// Behind returns a Hasher that shares the places of h and gets one only while no password of h waits.
func (h *Hasher) Behind() *Hasher { return &Hasher{h.places, patient} }

// Hash returns the hash of a password with a fresh salt. Errors: ErrBusy; that of ctx.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	leave, err := h.places.enter(ctx, h.class)
	if err != nil {
		return "", err
	}
	defer leave()
	hash, err := argon2id.CreateHash(password, params())
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// Verify reports whether the hash is that of the password, and whether it was made with weaker
// parameters than a new one. The empty hash stands for a missing user: it takes as long to check
// and never matches. Errors: ErrBusy; that of ctx.
func (h *Hasher) Verify(ctx context.Context, password, hash string) (matches, outdated bool, err error) {
	leave, err := h.places.enter(ctx, h.class)
	if err != nil {
		return false, false, err
	}
	defer leave()
	if hash == "" {
		hash = unknownUser
	}
	matches, used, err := argon2id.CheckHash(password, hash)
	if err != nil {
		return false, false, fmt.Errorf("check a password: %w", err)
	}
	return matches, matches && isWeaker(used, params()), nil
}

func params() *argon2id.Params {
	return &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

func isWeaker(used, wanted *argon2id.Params) bool {
	return used.Memory < wanted.Memory || used.Iterations < wanted.Iterations ||
		used.SaltLength < wanted.SaltLength || used.KeyLength < wanted.KeyLength
}
