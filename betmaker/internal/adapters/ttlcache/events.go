// Package ttlcache keeps events, and the ids of events that do not exist, in memory for a limited
// time. Its content may be outdated by the time to live and is never newer than what callers added.
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
	// replacing makes comparing and setting atomic. Readers do not need it.
	replacing    sync.Mutex
	hits, misses atomic.Uint64
}

// NewEvents returns an empty cache of at most capacity events. An event is dropped ttl after it was
// added. Reading it does not extend that, because a frequently read event would otherwise never
// be dropped.
func NewEvents(capacity int, ttl time.Duration) *Events {
	return &Events{cache: ttlcache.New(
		ttlcache.WithCapacity[domain.EventID, domain.Event](uint64(max(capacity, 1))),
		ttlcache.WithTTL[domain.EventID, domain.Event](ttl),
		ttlcache.WithDisableTouchOnHit[domain.EventID, domain.Event](),
	)}
}

// Get returns an event if the cache has it.
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

// Offer adds an event unless the cache has a newer state of it.
func (e *Events) Offer(event domain.Event) {
	e.replacing.Lock()
	defer e.replacing.Unlock()
	if known, ok := e.get(event.ID); ok && !event.IsNewerThan(known) {
		return
	}
	e.cache.Set(event.ID, event, ttlcache.DefaultTTL)
}

// Counts returns how often Get found an event and how often it did not.
func (e *Events) Counts() (hits, misses uint64) { return e.hits.Load(), e.misses.Load() }

// Unknown remembers for a short time which events do not exist. It is safe for concurrent use.
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

// Has reports whether id was added less than the time to live ago.
func (u *Unknown) Has(id domain.EventID) bool { return u.cache.Get(id) != nil }

// Add records that an event does not exist now.
func (u *Unknown) Add(id domain.EventID) { u.cache.Set(id, struct{}{}, ttlcache.DefaultTTL) }
