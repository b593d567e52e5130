package usercache_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/betmaker/internal/adapters/usercache"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// store is a store with one user that can change, and which can be slow.
type store struct {
	version atomic.Int32
	looks   atomic.Int32
	slow    time.Duration
}

func (s *store) load(ctx context.Context, id domain.UserID) (domain.User, error) {
	s.looks.Add(1)
	user := domain.User{ID: id, TokenVersion: s.version.Load()}
	select {
	case <-time.After(s.slow):
	case <-ctx.Done():
		return domain.User{}, ctx.Err()
	}
	if id != 1 {
		return domain.User{}, ports.ErrNotFound
	}
	return user, nil
}

func version(t *testing.T, get func(context.Context, domain.UserID) (domain.User, error)) int32 {
	t.Helper()
	user, err := get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return user.TokenVersion
}

func TestUsersAreAtMostASecondOld(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]time.Duration{"a store that answers at once": 0, "a slow store": 400 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &store{slow: slow}
				users := usercache.New(s.load, 10)
				for range 50 { // frequent reads must not extend its life
					before := s.version.Add(1)
					changed := time.Now()
					for time.Since(changed) <= time.Second {
						if got := version(t, users.User); got < before-1 {
							t.Fatalf("got version %d after %s, and %d is current", got, time.Since(changed), before)
						}
						time.Sleep(30 * time.Millisecond)
					}
					if got := version(t, users.User); got != before {
						t.Fatalf("got version %d a second after it became %d", got, before)
					}
				}
			})
		})
	}
}

// The result of a slow store is already old when it arrives.
func TestAgeCountsFromTheStartOfTheLookUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store{slow: 400 * time.Millisecond}
		users := usercache.New(s.load, 10)
		var lookup sync.WaitGroup
		lookup.Go(func() { version(t, users.User) })
		time.Sleep(200 * time.Millisecond)
		s.version.Add(1)
		changed := time.Now()
		lookup.Wait()
		time.Sleep(time.Second - time.Since(changed))
		if got := version(t, users.User); got != 1 {
			t.Errorf("got version %d a second after it became 1", got)
		}
	})
}

func TestConcurrentLookUpsAreBatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store{slow: 100 * time.Millisecond}
		users := usercache.New(s.load, 10)
		first, leave := context.WithCancel(t.Context())
		var lookup sync.WaitGroup
		lookup.Go(func() {
			if _, err := users.User(first, 1); !errors.Is(err, context.Canceled) {
				t.Errorf("the cancelled caller: got %v", err)
			}
		})
		synctest.Wait()
		leave()
		for range 100 {
			lookup.Go(func() { version(t, users.User) })
		}
		lookup.Wait()
		version(t, users.User)
		if got := s.looks.Load(); got != 1 {
			t.Errorf("%d look-ups in the store, want 1", got)
		}
	})
}

func TestReloadReturnsThePresentState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store{slow: 100 * time.Millisecond}
		users := usercache.New(s.load, 10)
		var lookup sync.WaitGroup
		lookup.Go(func() { version(t, users.User) })
		synctest.Wait() // a look-up is under way and has read the old state
		s.version.Add(1)
		if got := version(t, users.Reload); got != 1 {
			t.Errorf("during the look-up: got version %d, want 1", got)
		}
		lookup.Wait()
		s.version.Add(1)
		if got := version(t, users.Reload); got != 2 {
			t.Errorf("after the look-up: got version %d, want 2", got)
		}
		if got := version(t, users.User); got != 2 {
			t.Errorf("after a reload: got version %d, want 2", got)
		}
	})
}

func TestFailuresAreNotRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		users := usercache.New(s.load, 10)
		for range 2 {
			if user, err := users.User(t.Context(), 2); !errors.Is(err, ports.ErrNotFound) {
				t.Errorf("got %+v, %v; want ErrNotFound", user, err)
			}
		}
		if got := s.looks.Load(); got != 2 {
			t.Errorf("%d look-ups in the store, want 2", got)
		}
	})
}

// Expired users leave the memory even if it is not full.
func TestExpiredUsersAreDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		users := usercache.New(new(store).load, 10)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- users.Run(ctx) }()
		version(t, users.User)
		if got := users.Len(); got != 1 {
			t.Errorf("%d users are in memory, want 1", got)
		}
		time.Sleep(3 * time.Second)
		if got := users.Len(); got != 0 {
			t.Errorf("%d users are in memory after three seconds, want none", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
}
