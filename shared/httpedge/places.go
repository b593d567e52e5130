package httpedge

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// places bound the requests that are under way, of all users and of each. A request first waits for a
// place of its user's, so that the requests of one user do not stand before those of others.
type places struct {
	all     *semaphore.Weighted
	perUser int64

	mu    sync.Mutex
	users map[string]*userPlaces // of the users who have or want places
}

type userPlaces struct {
	*semaphore.Weighted

	requests int // that have or want a place
}

// newPlaces returns places; 0 stands for no bound. Without a bound for all it returns nil.
func newPlaces(all, perUser int64) *places {
	if all <= 0 {
		return nil
	}
	if perUser <= 0 {
		perUser = all
	}
	return &places{all: semaphore.NewWeighted(all), perUser: perUser, users: make(map[string]*userPlaces)}
}

// enter waits for a place and reports whether there was one in time. A request that entered must leave.
func (p *places) enter(ctx context.Context, user string, patience time.Duration) bool {
	own := p.of(user)
	if own.TryAcquire(1) {
		if p.all.TryAcquire(1) {
			return true
		}
		own.Release(1)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if own.Acquire(ctx, 1) == nil {
		if p.all.Acquire(ctx, 1) == nil {
			return true
		}
		own.Release(1)
	}
	p.forget(user)
	return false
}

// leave gives the place of a request back.
func (p *places) leave(user string) {
	p.all.Release(1)
	p.forget(user).Release(1)
}

// of returns the places of a user for one more request.
func (p *places) of(user string) *userPlaces {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.users[user]
	if own == nil {
		own = &userPlaces{Weighted: semaphore.NewWeighted(p.perUser)}
		p.users[user] = own
	}
	own.requests++
	return own
}

// forget returns the places of a user after one of the requests has ended.
func (p *places) forget(user string) *userPlaces {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.users[user]
	if own.requests--; own.requests == 0 {
		delete(p.users, user)
	}
	return own
}
