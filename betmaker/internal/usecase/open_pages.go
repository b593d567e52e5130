package usecase

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"stavka.local/betmaker/internal/domain"
)

const (
	// maxPageAge is the age at which a page is read again even if this replica has not changed its
	// events, because another replica may have changed them.
	maxPageAge = time.Second
	// maxOpenPages bounds the memory for pages, because callers may request any page.
	maxOpenPages = 64
)

// OpenPage is a rendered page of open events.
type OpenPage struct {
	Rendered []byte
	// Last is the last event of the page if there are more; 0 otherwise.
	Last domain.EventID

	changes uint64    // the number applied before the page was read
	until   time.Time // when the page is too old or its first event closes
}

// openPages caches pages, because many callers read the same ones and changes are rare. The zero
// value is an empty cache.
type openPages struct {
	mu    sync.Mutex
	pages map[openPageKey]*OpenPage
	reads singleflight.Group
}

type openPageKey struct {
	after domain.EventID
	limit int
}

// OpenPage returns the page of up to limit open events, by id, after the given one. It shows every
// change that this replica applied before the call, and is at most a second behind changes by other
// replicas. All callers must render alike. Errors: those of ports.Events and of render.
func (c *Catalogue) OpenPage(
	ctx context.Context, after domain.EventID, limit int, render func([]domain.Event) ([]byte, error),
) (*OpenPage, error) {
	key, changes := openPageKey{after, limit}, c.changes.Load()
	if page := c.pages.get(key); page != nil && page.changes == changes && time.Now().Before(page.until) {
		return page, nil
	}
	// The key contains the number of changes, so that a caller does not join a read that may have
	// begun before the latest change.
	reading := fmt.Sprint(after, limit, changes)
	return join(ctx, &c.pages.reads, reading, func(ctx context.Context) (*OpenPage, error) {
		page, err := c.readOpenPage(ctx, key, render)
		if err != nil {
			return nil, fmt.Errorf("read a page of open events: %w", err)
		}
		page.changes = changes
		c.pages.put(key, page)
		return page, nil
	})
}

func (c *Catalogue) readOpenPage(ctx context.Context, key openPageKey, render func([]domain.Event) ([]byte, error)) (*OpenPage, error) {
	page := &OpenPage{until: time.Now().Add(maxPageAge)}
	events, err := c.config.Events.OpenEvents(ctx, key.after, key.limit+1)
	if err != nil {
		return nil, err
	}
	if len(events) > key.limit {
		events = events[:key.limit]
		page.Last = events[key.limit-1].ID
	}
	for _, event := range events {
		if event.Deadline.Before(page.until) {
			page.until = event.Deadline
		}
	}
	page.Rendered, err = render(events)
	return page, err
}

func (p *openPages) get(key openPageKey) *OpenPage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pages[key]
}

// put stores a page unless one that shows more changes is already there.
func (p *openPages) put(key openPageKey, page *OpenPage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.pages[key]; known != nil && known.changes > page.changes {
		return
	}
	if p.pages == nil || len(p.pages) >= maxOpenPages {
		p.pages = make(map[openPageKey]*OpenPage)
	}
	p.pages[key] = page
}
