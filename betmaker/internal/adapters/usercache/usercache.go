// Package usercache remembers users for a second, so that not every request has to
// look up who sends it.
package usercache

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jellydator/ttlcache/v3"
	"golang.org/x/sync/singleflight"

	"stavka.local/betmaker/internal/domain"
)

const (
	// maxAge is how old what is remembered may be, from before it was asked for.
	maxAge = time.Second
	// loadTimeout bounds one look at the store on behalf of everyone who waits for the
	// same user.
	loadTimeout = 5 * time.Second
)

// Load loads a user from the store, such as ports.Users.User.
type Load func(ctx context.Context, id domain.UserID) (domain.User, error)

// Users remembers users. Many who ask for the same user at once cause one look at the
// store. Failures, also that there is no such user, are not remembered. It is safe for
// concurrent use.
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

// Run forgets, every second, those who are remembered for too long already, until ctx ends.
// Without it they stay until the memory is full, and the garbage collector looks at each of
// them every time.
func (u *Users) Run(ctx context.Context) error {
	ticker := time.NewTicker(maxAge)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			u.cache.DeleteExpired()
		}
	}
}

// User returns a user as they were at most a second ago, or as a look at the store
// finds them that is under way already. Errors: those of Load, that of ctx.
func (u *Users) User(ctx context.Context, id domain.UserID) (domain.User, error) {
	if item := u.cache.Get(id); item != nil {
		return item.Value(), nil
	}
	return u.find(ctx, id)
}

// Reload returns a user as they are now, for one who knows that what User returned is
// out of date. Errors: those of Load, that of ctx.
func (u *Users) Reload(ctx context.Context, id domain.UserID) (domain.User, error) {
	u.loads.Forget(key(id)) // a look that began earlier may have seen too little
	return u.find(ctx, id)
}

// find looks a user up. The look does not end when the one who began it leaves: others
// may be waiting for it.
func (u *Users) find(ctx context.Context, id domain.UserID) (domain.User, error) {
	results := u.loads.DoChan(key(id), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		defer cancel()
		asked := time.Now()
		user, err := u.load(ctx, id)
		if err != nil {
			return domain.User{}, err
		}
		// The library has other meanings for a time to live that is not positive.
		if left := maxAge - time.Since(asked); left > 0 {
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
