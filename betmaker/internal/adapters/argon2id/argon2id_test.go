package argon2id

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"

	"stavka.local/shared/fault"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	h := New(1)
	hash, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if prefix := "$argon2id$v=19$m=19456,t=2,p=1$"; !strings.HasPrefix(hash, prefix) {
		t.Errorf("the hash %s does not begin with %s", hash, prefix)
	}
	for password, want := range map[string]bool{"correct horse": true, "Correct horse": false, "correct horse ": false, "": false} {
		matches, outdated, err := h.Verify(t.Context(), password, hash)
		if err != nil || matches != want || outdated {
			t.Errorf("%q: got %t, outdated %t, %v; want %t", password, matches, outdated, err, want)
		}
	}
	again, err := h.Hash(t.Context(), "correct horse")
	if err != nil || again == hash {
		t.Errorf("the same password hashed twice: got %s twice, %v", again, err)
	}
}

func TestVerifyReportsWeakHashes(t *testing.T) {
	t.Parallel()
	for name, weaken := range map[string]func(*argon2id.Params){
		"less memory":  func(p *argon2id.Params) { p.Memory /= 2 },
		"fewer passes": func(p *argon2id.Params) { p.Iterations-- },
		"shorter salt": func(p *argon2id.Params) { p.SaltLength = 8 },
		"shorter key":  func(p *argon2id.Params) { p.KeyLength = 16 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			weak := params()
			weaken(weak)
			hash, err := argon2id.CreateHash("password", weak)
			if err != nil {
				t.Fatal(err)
			}
			if matches, outdated, err := New(1).Verify(t.Context(), "password", hash); err != nil || !matches || !outdated {
				t.Errorf("got %t, outdated %t, %v", matches, outdated, err)
			}
			if matches, outdated, err := New(1).Verify(t.Context(), "another", hash); err != nil || matches || outdated {
				t.Errorf("another password: got %t, outdated %t, %v", matches, outdated, err)
			}
		})
	}
}

// Checking a password of a missing user must take as long as any other, or the time would show
// which users exist.
func TestMissingUserIsCheckedLikeAnyOther(t *testing.T) {
	t.Parallel()
	used, salt, key, err := argon2id.DecodeHash(unknownUser)
	if err != nil || *used != *params() || len(salt) != 16 || len(key) != 32 {
		t.Fatalf("got %+v, %v; want the parameters of new hashes", used, err)
	}
	matches, outdated, err := New(1).Verify(t.Context(), "", "")
	if err != nil || matches || outdated {
		t.Errorf("got %t, outdated %t, %v; want no match", matches, outdated, err)
	}
}

func TestVerifyRefusesInvalidHashes(t *testing.T) {
	t.Parallel()
	if matches, _, err := New(1).Verify(t.Context(), "password", "password"); err == nil || matches {
		t.Errorf("got %t, %v; want an error", matches, err)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(2)
		for range 2 {
			if _, err := h.places.enter(t.Context(), urgent); err != nil {
				t.Fatal(err)
			}
		}
		started := time.Now()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			_, err := h.Hash(t.Context(), "password")
			if f := fault.Find(err); f == nil || f.Kind != fault.Unavailable || f.RetryAfter <= 0 {
				t.Errorf("too many hashes: got %v, want a fault with a time to retry", err)
			}
		})
		waiting.Go(func() {
			if _, _, err := h.Verify(t.Context(), "password", ""); !errors.Is(err, ErrBusy) {
				t.Errorf("too many checks: got %v, want ErrBusy", err)
			}
		})
		waiting.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience/2)
			defer cancel()
			if _, err := h.Hash(ctx, "password"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the caller cancelled: got %v", err)
			}
		})
		waiting.Wait()
		if waited := time.Since(started); waited != patience {
			t.Errorf("waited %s, want %s", waited, patience)
		}
		h.places.leave()
		if _, err := h.Hash(t.Context(), "password"); err != nil {
			t.Errorf("a free slot: got %v", err)
		}
		if got := h.places.free; got != 1 {
			t.Errorf("%d places are free, want 1: hashing must return its place", got)
		}
	})
}

// Passwords of Behind wait until no other password waits, in whatever order they came.
func TestBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(1)
		leave, err := h.places.enter(t.Context(), urgent)
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		var waiting sync.WaitGroup
		for _, who := range []struct {
			name  string
			class class
		}{{"change 1", h.Behind().class}, {"change 2", h.Behind().class}, {"login 1", h.class}, {"login 2", h.class}} {
			waiting.Go(func() {
				leave, err := h.Behind().places.enter(t.Context(), who.class)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, who.name) // one at a time, because there is one place
				leave()
			})
			synctest.Wait()
		}
		leave()
		waiting.Wait()
		if want := []string{"login 1", "login 2", "change 1", "change 2"}; !slices.Equal(order, want) {
			t.Errorf("got %q, want %q", order, want)
		}
	})
}

// A place that is given to a password whose caller has just left goes to the next.
func TestPlaceIsNotLost(t *testing.T) {
	t.Parallel()
	p := &places{free: 1}
	first := p.join(urgent)
	<-first
	second, third := p.join(patient), p.join(patient)
	p.leave()
	<-second
	p.quit(patient, second)
	<-third
	p.quit(patient, third)
	if p.free != 1 {
		t.Errorf("%d places are free, want 1", p.free)
	}
}
