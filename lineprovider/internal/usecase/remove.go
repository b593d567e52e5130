package usecase

import (
	"context"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
)

// Remove takes an event off the line, which cancels it. A cancelled event stays as it is.
//
// The errors are domain.ErrEventNotFound, domain.ErrVersionMismatch and those of
// domain.Event.Remove.
func (l *Line) Remove(ctx context.Context, target Target) (ports.Snapshot, error) {
	return l.change(ctx, target, "", func(now time.Time, event domain.Event) (domain.Change, error) {
		return event.Remove(now)
	})
}
