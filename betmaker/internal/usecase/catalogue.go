package usecase

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/line"
)

// lookupTimeout bounds one look-up in the store and at the line on behalf of all callers that wait
// for the same event.
const lookupTimeout = 5 * time.Second

// EventCache keeps events in memory for a while. It is safe for concurrent use.
type EventCache interface {
	// Get returns an event if the cache has it.
	Get(id domain.EventID) (domain.Event, bool)
	// Offer adds an event unless the cache has a newer state of it.
	Offer(event domain.Event)
}

// UnknownEvents remembers for about a second which events do not exist, so that repeated requests
// for one do not reach line-provider. It is safe for concurrent use.
type UnknownEvents interface {
	Has(id domain.EventID) bool
	Add(id domain.EventID)
}

// CatalogueConfig configures a Catalogue. All members are required.
type CatalogueConfig struct {
	Cache   EventCache
	Unknown UnknownEvents
	Events  ports.Events
	Line    ports.Line
	// Apply brings the line's answer into the projection.
	Apply func(context.Context, line.Change) error
}

// Catalogue finds events in the cache, then in the projection and last by asking the line. It
// batches concurrent look-ups of the same event into one. It is safe for concurrent use.
type Catalogue struct {
	config         CatalogueConfig
	loads, fetches singleflight.Group
	changes        atomic.Uint64 // the number applied by this replica
	pages          openPages
}

// NewCatalogue returns a catalogue.
func NewCatalogue(config CatalogueConfig) *Catalogue { return &Catalogue{config: config} }

// Peek returns an event from the cache alone. It may be outdated by the time to live of the cache;
// only a final state can be relied on.
func (c *Catalogue) Peek(id domain.EventID) (domain.Event, bool) { return c.config.Cache.Get(id) }

// Offer adds the state of an event after a change that this replica applied.
func (c *Catalogue) Offer(event domain.Event) {
	c.changes.Add(1)
	c.config.Cache.Offer(event)
}

// Event returns an event, which may be outdated by the time to live of the cache. Errors:
// domain.ErrEventNotFound; domain.ErrFeedUnavailable if only the line could know the event and
// cannot be asked; those of ports.Events.
func (c *Catalogue) Event(ctx context.Context, id domain.EventID) (domain.Event, error) {
	if event, ok := c.config.Cache.Get(id); ok {
		return event, nil
	}
	return once(ctx, &c.loads, id, c.load)
}

// load finds an event that was not in the cache and adds it. It looks into the cache again, because
// another load may have added the event meanwhile.
func (c *Catalogue) load(ctx context.Context, id domain.EventID) (domain.Event, error) {
	if event, ok := c.config.Cache.Get(id); ok {
		return event, nil
	}
	event, err := c.config.Events.Event(ctx, id)
	if errors.Is(err, ports.ErrNotFound) {
		if err := c.Fetch(ctx, id); err != nil {
			return domain.Event{}, err
		}
		event, err = c.config.Events.Event(ctx, id)
	}
	if err != nil {
		return domain.Event{}, fmt.Errorf("load event %d: %w", id, err)
	}
	// While this was being read, a newer state may have been pushed into the cache.
	c.config.Cache.Offer(event)
	return event, nil
}

// Fetch asks the line for an event that the projection does not have, and adds it. It returns nil
// if the projection has the event now. Errors: domain.ErrEventNotFound if the line does not have
// the event, or did not have it a second ago; domain.ErrFeedUnavailable if the line cannot be
// asked; those of ports.Events.
func (c *Catalogue) Fetch(ctx context.Context, id domain.EventID) error {
	if c.config.Unknown.Has(id) {
		return domain.ErrEventNotFound
	}
	_, err := once(ctx, &c.fetches, id, func(ctx context.Context, id domain.EventID) (struct{}, error) {
		return struct{}{}, c.fetch(ctx, id)
	})
	return err
}

func (c *Catalogue) fetch(ctx context.Context, id domain.EventID) error {
	change, err := c.config.Line.Event(ctx, id)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		c.config.Unknown.Add(id)
		return domain.ErrEventNotFound
	case err != nil:
		return domain.ErrFeedUnavailable.Because(fmt.Errorf("ask the line for event %d: %w", id, err))
	}
	err = c.config.Apply(ctx, change)
	if errors.Is(err, line.ErrPoison) {
		return domain.ErrFeedUnavailable.Because(err)
	}
	return err
}

// once runs find for the first of the concurrent callers with the same id.
func once[T any](ctx context.Context, group *singleflight.Group, id domain.EventID, find func(context.Context, domain.EventID) (T, error)) (T, error) {
	return join(ctx, group, strconv.FormatInt(int64(id), 10), func(ctx context.Context) (T, error) { return find(ctx, id) })
}

// join runs find for the first of the concurrent callers with the same key and gives its result to
// all of them. find does not end when the first caller leaves, because the others still wait for
// it.
func join[T any](ctx context.Context, group *singleflight.Group, key string, find func(context.Context) (T, error)) (T, error) {
	results := group.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		return find(ctx)
	})
	var found T
	select {
	case <-ctx.Done():
		return found, fmt.Errorf("wait for events: %w", ctx.Err())
	case result := <-results:
		found, _ = result.Val.(T)
		return found, result.Err
	}
}
