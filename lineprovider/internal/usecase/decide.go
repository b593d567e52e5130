package usecase

import (
	"context"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
)

// Decide finishes or cancels an event, or corrects its result. A result with the state that the
// event already has keeps the version.
//
// The errors are domain.ErrEventNotFound, domain.ErrVersionMismatch and those of
// domain.Event.Decide.
func (l *Line) Decide(ctx context.Context, target Target, result domain.Result) (ports.Snapshot, error) {
	return l.change(ctx, target, result.Reason, func(now time.Time, event domain.Event) (domain.Change, error) {
		return event.Decide(now, result)
	})
}
