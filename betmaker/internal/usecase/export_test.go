package usecase

import (
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/line"
)

// Follow makes a feed follow a data set without reading it.
func Follow(feed *Feed, dataset string) { feed.follow(dataset) }

// OnApplied replaces ApplyConfig.Applied.
func (a *ApplyEventChange) OnApplied(applied func(Source, domain.Effect, line.Change, time.Duration)) {
	a.config.Applied = applied
}
