// Package usercache remembers users for a second, so that not every request has to look up its
// user.
package usercache

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jellydator/ttlcache/v3"
	"golang.org/x/sync/singleflight"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/wait"
)

const (
	// maxAge is the greatest age of a remembered user, counted from before it was loaded.
	maxAge = time.Second
	// loadTimeout bounds one look-up in the store on behalf of all callers that wait for the same
	// user.
	loadTimeout = 5 * time.Second
)

// Load loads a user from the store, as ports.Users.User does.
type Load func(ctx context.Context, id domain.UserID) (domain.User, error)

// Users remembers users. It batches concurrent look-ups of the same user into one. It does not
// remember failures, including missing users. It is safe for concurrent use.
type Users struct {
	load  Load
	cache *ttlcache.Cache[domain.UserID, domain.User]
	loads singleflight.Group
}

// New returns a memory of at most capacity users, but at least one.
func New(load Load, capacity int) *Users {
	return &Users{load: load, cache: ttlcache.New(
		ttlcache.WithCapacity[domain.UserID, domain.User](uint64(max(capacity, 1))),
		ttlcache.WithDisableTouchOnHit[domain.UserID, domain.User](),
	)}
}

// Run drops expired users every second until ctx ends. Without it they stay until the memory is
// full, and the garbage collector scans them.
func (u *Users) Run(ctx context.Context) error {
	return wait.Every(ctx, maxAge, func() error { u.cache.DeleteExpired(); return nil })
}

// User returns a user, which may be outdated by a second or by the duration of a concurrent
// look-up. Errors: those of Load, that of ctx.
func (u *Users) User(ctx context.Context, id domain.UserID) (domain.User, error) {
	if item := u.cache.Get(id); item != nil {
		return item.Value(), nil
	}
	return u.find(ctx, id)
}

// Reload returns the present state of a user, for a caller that knows the result of User to be
// outdated. Errors: those of Load, that of ctx.
func (u *Users) Reload(ctx context.Context, id domain.UserID) (domain.User, error) {
	u.loads.Forget(key(id)) // a look-up that began earlier may return an older state
	return u.find(ctx, id)
}

// find looks up a user. The look-up does not end when its first caller leaves, because others may
// be waiting for it.
func (u *Users) find(ctx context.Context, id domain.UserID) (domain.User, error) {
	results := u.loads.DoChan(key(id), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		defer cancel()
		started := time.Now()
		user, err := u.load(ctx, id)
		if err != nil {
			return domain.User{}, err
		}
		// The library gives other meanings to a time to live that is not positive.
		if left := maxAge - time.Since(started); left > 0 {
			u.cache.Set(id, user, left)
		}
		return user, nil
	})
	select {
	case <-ctx.Done():
		return domain.User{}, fmt.Errorf("wait for user %d: %w", id, ctx.Err())
	case result := <-results:
		user, _ := result.Val.(domain.User)
		return user, result.Err
	}
}

func key(id domain.UserID) string { return strconv.FormatInt(int64(id), 10) }
