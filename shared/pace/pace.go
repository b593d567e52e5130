// Package pace bounds how often each of many users may do something. Each user has a token bucket, and
// buckets that are full are forgotten. The buckets are those of one process.
package pace

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// sweepFrom is how many buckets there are before full ones are looked for.
const sweepFrom = 1024

// Pace holds the buckets. A nil Pace allows everything. It is safe for concurrent use.
type Pace[K comparable] struct {
	limit rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[K]*rate.Limiter
	sweepAt int // the number of buckets
}

// New returns a Pace of burst at once, and one more after each interval. For a burst of 0 it returns nil.
func New[K comparable](burst int, interval time.Duration) *Pace[K] {
	if burst <= 0 {
		return nil
	}
	return &Pace[K]{limit: rate.Every(interval), burst: burst, buckets: make(map[K]*rate.Limiter), sweepAt: sweepFrom}
}

// Take returns 0 and counts, or returns how long key has to wait.
func (p *Pace[K]) Take(key K) time.Duration {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	bucket := p.buckets[key]
	if bucket == nil {
		p.sweep()
		bucket = rate.NewLimiter(p.limit, p.burst)
		p.buckets[key] = bucket
	}
	return wait(bucket, false)
}

// Wait returns how long key has to wait until Take would count. It does not count.
func (p *Pace[K]) Wait(key K) time.Duration {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if bucket := p.buckets[key]; bucket != nil {
		return wait(bucket, true)
	}
	return 0
}

// wait takes a token and gives it back if it comes later, or if only asked.
func wait(bucket *rate.Limiter, asked bool) time.Duration {
	now := time.Now()
	reservation := bucket.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay > 0 || asked {
		reservation.CancelAt(now)
	}
	return delay
}

// sweep forgets full buckets when there are many.
func (p *Pace[K]) sweep() {
	if len(p.buckets) < p.sweepAt {
		return
	}
	for key, bucket := range p.buckets {
		if int(bucket.Tokens()) >= p.burst {
			delete(p.buckets, key)
		}
	}
	p.sweepAt = max(sweepFrom, 2*len(p.buckets))
}
