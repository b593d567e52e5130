package usecase

import (
	"context"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
)

// Amend reprices, moves, renames, suspends or resumes an open event. An amendment that changes
// nothing keeps the version.
//
// The errors are domain.ErrEventNotFound, domain.ErrVersionMismatch and those of
// domain.Event.Amend.
func (l *Line) Amend(ctx context.Context, target Target, a domain.Amendment) (ports.Snapshot, error) {
	return l.change(ctx, target, "", func(now time.Time, event domain.Event) (domain.Change, error) {
		return event.Amend(inSeconds(now), a, l.Rules)
	})
}
