// Package together batches concurrent requests into rounds, where a round trip to a server costs more than
// the requests in it.
package together

import (
	"context"
	"sync"
)

// Group batches items: while rounds are under way, new items wait for the next one. A lone item starts a
// round at once. It is safe for concurrent use.
//
// An item never joins a round that has begun. So the result of an item is not older than its request.
type Group[Item any] struct {
	do             func(ctx context.Context, items []Item)
	rounds, atMost int

	mu       sync.Mutex
	waiting  []request[Item] // in order of arrival
	underway int             // rounds
}

type request[Item any] struct {
	item      Item
	cancelled <-chan struct{} // closed when the caller no longer waits
	done      chan struct{}   // closed when the round has ended
}

// New returns a Group that runs up to rounds rounds at once, each of at most atMost items; both are at
// least 1. do processes the items of a round, which are in order of arrival, and stores each result in the
// item itself. The context of do has the values of one of the callers' contexts and is never cancelled.
func New[Item any](rounds, atMost int, do func(ctx context.Context, items []Item)) *Group[Item] {
	return &Group[Item]{do: do, rounds: rounds, atMost: atMost}
}

// Do processes an item. If ctx ends first, Do returns the error of ctx. The round of the item may still
// run then, and the caller must not read the item any more.
func (g *Group[Item]) Do(ctx context.Context, item Item) error {
	r := request[Item]{item, ctx.Done(), make(chan struct{})}
	if g.add(r) {
		go g.work(context.WithoutCancel(ctx)) // it also serves callers that stay when this one leaves
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// add adds a request and reports whether the caller must start another worker.
func (g *Group[Item]) add(r request[Item]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, r)
	if g.underway == g.rounds {
		return false
	}
	g.underway++
	return true
}

// work runs rounds one after the other until no request waits.
func (g *Group[Item]) work(ctx context.Context) {
	for round := g.next(); len(round) > 0; round = g.next() {
		items := make([]Item, len(round))
		for i, r := range round {
			items[i] = r.item
		}
		g.do(ctx, items)
		for _, r := range round {
			close(r.done)
		}
	}
}

// next returns the requests of the next round. It skips cancelled ones: after a server has not answered
// for a while, there may be many. If it returns none, the worker ends.
func (g *Group[Item]) next() []request[Item] {
	g.mu.Lock()
	defer g.mu.Unlock()
	round := make([]request[Item], 0, min(len(g.waiting), g.atMost))
	for len(g.waiting) > 0 && len(round) < g.atMost {
		r := g.waiting[0]
		g.waiting = g.waiting[1:]
		select {
		case <-r.cancelled:
		default:
			round = append(round, r)
		}
	}
	if len(round) == 0 {
		g.underway--
	}
	return round
}
