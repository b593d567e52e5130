// Package ttlcache keeps events, and the ids of events that do not exist, in memory
// for a while. It is a hint: what is in it may be as old as its time to live, and
// nothing in it is ever newer than what somebody put there.
package ttlcache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/jellydator/ttlcache/v3"

	"stavka.local/betmaker/internal/domain"
)

// Events is a bounded cache of events. It is safe for concurrent use.
type Events struct {
	cache *ttlcache.Cache[domain.EventID, domain.Event]
	// replacing makes comparing and setting one step. Readers do not need it.
	replacing    sync.Mutex
	hits, misses atomic.Uint64
}

// NewEvents returns an empty cache of at most capacity events, each of which is
// dropped when ttl has passed since it was put there, however often it is read: a hot
// event would otherwise stay for ever.
func NewEvents(capacity int, ttl time.Duration) *Events {
	return &Events{cache: ttlcache.New(
		ttlcache.WithCapacity[domain.EventID, domain.Event](uint64(max(capacity, 1))),
		ttlcache.WithTTL[domain.EventID, domain.Event](ttl),
		ttlcache.WithDisableTouchOnHit[domain.EventID, domain.Event](),
	)}
}

// Get returns an event, if it is there.
func (e *Events) Get(id domain.EventID) (domain.Event, bool) {
	event, ok := e.get(id)
	if ok {
		e.hits.Add(1)
	} else {
		e.misses.Add(1)
	}
	return event, ok
}

func (e *Events) get(id domain.EventID) (domain.Event, bool) {
	item := e.cache.Get(id)
	if item == nil {
		return domain.Event{}, false
	}
	return item.Value(), true
}

// Offer puts an event there unless a newer state of it is there already.
func (e *Events) Offer(event domain.Event) {
	e.replacing.Lock()
	defer e.replacing.Unlock()
	if known, ok := e.get(event.ID); ok && !event.IsNewerThan(known) {
		return
	}
	e.cache.Set(event.ID, event, ttlcache.DefaultTTL)
}

// Counts returns how often Get found an event, and how often it did not.
func (e *Events) Counts() (hits, misses uint64) { return e.hits.Load(), e.misses.Load() }

// Unknown remembers for a short time which events do not exist. It is safe for
// concurrent use.
type Unknown struct {
	cache *ttlcache.Cache[domain.EventID, struct{}]
}

// NewUnknown returns a memory of at most capacity ids, each kept for ttl.
func NewUnknown(capacity int, ttl time.Duration) *Unknown {
	return &Unknown{ttlcache.New(
		ttlcache.WithCapacity[domain.EventID, struct{}](uint64(max(capacity, 1))),
		ttlcache.WithTTL[domain.EventID, struct{}](ttl),
		ttlcache.WithDisableTouchOnHit[domain.EventID, struct{}](),
	)}
}

// Has tells whether id was added less than the time to live ago.
func (u *Unknown) Has(id domain.EventID) bool { return u.cache.Get(id) != nil }

// Add remembers that there is no such event now.
func (u *Unknown) Add(id domain.EventID) { u.cache.Set(id, struct{}{}, ttlcache.DefaultTTL) }
