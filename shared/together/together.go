// Package together has done together what is asked for at the same time, where one trip to a
// server costs most of what it costs to ask for one thing.
package together

import (
	"context"
	"sync"
)

// Group collects items: while some are being done, the next ones gather. A lone item goes at
// once. It is safe for concurrent use.
//
// Nobody joins a round that has begun. What an item finds out is therefore as new as when
// it was asked for, or newer.
type Group[Item any] struct {
	do             func(ctx context.Context, items []Item)
	rounds, atMost int

	mu       sync.Mutex
	waiting  []asked[Item] // in the order of asking
	underway int           // rounds
}

type asked[Item any] struct {
	item Item
	left <-chan struct{} // closed when nobody waits for it any more
	done chan struct{}   // closed when it is done
}

// New returns a Group that has up to so many rounds under way at the same time, of at most so
// many items each; both are at least 1. do does the items of a round, which come in the
// order of asking, and says what has become of each in the item itself. Its ctx has the values of
// one that some item was asked for with, and does not end.
func New[Item any](rounds, atMost int, do func(ctx context.Context, items []Item)) *Group[Item] {
	return &Group[Item]{do: do, rounds: rounds, atMost: atMost}
}

// Do has an item done. When ctx ends before, it returns its error; an item whose round has begun
// is done all the same, and must not be looked at any more.
func (g *Group[Item]) Do(ctx context.Context, item Item) error {
	a := asked[Item]{item, ctx.Done(), make(chan struct{})}
	if g.add(a) {
		go g.work(context.WithoutCancel(ctx)) // for others, too, who may stay when this one leaves
	}
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// add tells whether another round has to begin.
func (g *Group[Item]) add(a asked[Item]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, a)
	if g.underway == g.rounds {
		return false
	}
	g.underway++
	return true
}

// work does one round after the other for as long as somebody waits.
func (g *Group[Item]) work(ctx context.Context) {
	for round := g.next(); len(round) > 0; round = g.next() {
		items := make([]Item, len(round))
		for i, a := range round {
			items[i] = a.item
		}
		g.do(ctx, items)
		for _, a := range round {
			close(a.done)
		}
	}
}

// next returns those of the next round, without those that nobody waits for: after a server has
// not answered for a while that would be many. When there is nobody, the round before was the last.
func (g *Group[Item]) next() []asked[Item] {
	g.mu.Lock()
	defer g.mu.Unlock()
	round := make([]asked[Item], 0, min(len(g.waiting), g.atMost))
	for len(g.waiting) > 0 && len(round) < g.atMost {
		a := g.waiting[0]
		g.waiting = g.waiting[1:]
		select {
		case <-a.left:
		default:
			round = append(round, a)
		}
	}
	if len(round) == 0 {
		g.underway--
	}
	return round
}
