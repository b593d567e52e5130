package app

import (
	"sync/atomic"
	"time"

	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/metrics"
)

// progress is the state of the change log when it was last read.
type progress struct{ head atomic.Pointer[ports.Head] }

func newProgress(registry *metrics.Registry) *progress {
	p := &progress{}
	p.observe(ports.Head{})
	registry.GaugeFunc("relay_lag_events", "Changed events that are still to be published.",
		func() float64 { return float64(p.waiting()) })
	registry.GaugeFunc("relay_lag_seconds", "How long the first of them has been waiting.", p.age)
	return p
}

func (p *progress) observe(head ports.Head) { p.head.Store(&head) }

func (p *progress) waiting() int64 { return p.head.Load().Waiting }

func (p *progress) age() float64 {
	oldest := p.head.Load().Oldest
	if oldest.IsZero() {
		return 0
	}
	return max(0, time.Since(oldest).Seconds())
}
