// Package wait waits for time to pass, but no longer than a context lives.
package wait

import (
	"context"
	"time"
)

// For waits for d. It returns the error of ctx if ctx ends earlier.
func For(ctx context.Context, d time.Duration) error {
	Until(ctx, nil, d)
	return ctx.Err()
}

// Until waits for a signal, for at most d. It reports whether the signal came before ctx ended.
func Until(ctx context.Context, signal <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-signal:
		return true
	}
	return false
}

// Every calls do at once and then after every interval. It returns the first error of do, or nil when ctx
// ends.
func Every(ctx context.Context, interval time.Duration, do func() error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := do(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
