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
	// maxPageAge is how old a page gets whose events have not been changed here: they may
	// have been changed by another replica.
	maxPageAge = time.Second
	// maxOpenPages bounds the memory of pages, of which callers may ask for any: to 5 MB
	// when they are of 500 events.
	maxOpenPages = 64
)

// OpenPage is a page of open events, as somebody has rendered it.
type OpenPage struct {
	Rendered []byte
	// Last is the last of its events, when there are more; 0 otherwise.
	Last domain.EventID

	changes uint64    // how many had been applied before it was read
	until   time.Time // when it is too old, or the first of its events closes
}

// openPages remembers pages: everyone reads them, and little changes them. That made them
// six times as fast. The zero value remembers none.
type openPages struct {
	mu    sync.Mutex
	pages map[openPageKey]*OpenPage
	reads singleflight.Group
}

type openPageKey struct {
	after domain.EventID
	limit int
}

// OpenPage returns the page of up to limit open events, by id, that comes after one of them.
// It shows every change that had been applied here before the call, and is at most a
// second behind those that other replicas have applied. All callers render alike.
// Errors: those of ports.Events and of render.
func (c *Catalogue) OpenPage(
	ctx context.Context, after domain.EventID, limit int, render func([]domain.Event) ([]byte, error),
) (*OpenPage, error) {
	key, changes := openPageKey{after, limit}, c.changes.Load()
	if page := c.pages.get(key); page != nil && page.changes == changes && time.Now().Before(page.until) {
		return page, nil
	}
	// Who asks after a change does not join a reading that may have begun before it.
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

// put keeps a page, unless one that knows of more changes is there already.
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
