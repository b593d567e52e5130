package usecase

import (
	"context"
	"sync"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// settleQueue holds the events whose bets must be settled, as parts in the order in which
// they became ready. It is safe for concurrent use.
type settleQueue struct {
	whole  ports.Settlements   // of all bets
	shares []ports.Settlements // of disjoint parts of them; may be empty
	atOnce int                 // how many shares of one event are ready at once

	mu     sync.Mutex
	passes map[domain.EventID]*settlePass // waiting or in work
	ready  []*settlePart
	signal chan struct{} // full when a worker has to look at ready
}

func newSettleQueue(whole ports.Settlements, shares []ports.Settlements, atOnce int) *settleQueue {
	return &settleQueue{
		whole: whole, shares: shares, atOnce: atOnce,
		passes: make(map[domain.EventID]*settlePass), signal: make(chan struct{}, 1),
	}
}

// add begins a pass over the bets of an event, or repeats the one that is under way.
func (q *settleQueue) add(event domain.EventID, late bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if pass, ok := q.passes[event]; ok {
		pass.again = true
		return
	}
	pass := &settlePass{event: event, late: late}
	q.passes[event] = pass
	q.begin(pass, 0)
}

// next waits for the next part; nil when ctx has ended.
func (q *settleQueue) next(ctx context.Context) *settlePart {
	for ctx.Err() == nil {
		if part := q.pop(); part != nil {
			return part
		}
		select {
		case <-ctx.Done():
		case <-q.signal:
		}
	}
	return nil
}

func (q *settleQueue) pop() *settlePart {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) == 0 {
		return nil
	}
	part := q.ready[0]
	q.ready = q.ready[1:]
	if len(q.ready) > 0 {
		q.wakeWorker() // a signal wakes only one worker
	}
	return part
}

// seesNewest notes that the pass begins now and so sees the newest result.
func (q *settleQueue) seesNewest(pass *settlePass) {
	q.mu.Lock()
	defer q.mu.Unlock()
	pass.again = false
}

// advance puts a part back after a full chunk, which ended with the bet last. After the first
// chunk of a pass the shares continue independently.
func (q *settleQueue) advance(part *settlePart, last domain.BetID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if part.after > 0 || len(q.shares) == 0 {
		part.after = last
		q.push(part, 0)
		return
	}
	pass := part.pass
	pass.open, pass.waiting = len(q.shares), make([]*settlePart, 0, len(q.shares))
	for _, share := range q.shares {
		pass.waiting = append(pass.waiting, &settlePart{pass: pass, bets: share, after: last})
	}
	for range q.atOnce {
		q.pushWaiting(pass)
	}
}

// retry puts a part back after a pause.
func (q *settleQueue) retry(part *settlePart, pause time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(part, pause)
}

// endPart takes a part out of its pass and reports whether it was the last.
func (q *settleQueue) endPart(part *settlePart) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pushWaiting(part.pass)
	part.pass.open--
	return part.pass.open == 0
}

// repeat begins another pass over the same event after a pause.
func (q *settleQueue) repeat(pass *settlePass, pause time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.begin(pass, pause)
}

// finish removes an event whose bets have been settled, unless it was woken since.
func (q *settleQueue) finish(pass *settlePass) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if pass.again {
		q.begin(pass, 0)
		return
	}
	delete(q.passes, pass.event)
}

// The methods below need q.mu.

func (q *settleQueue) begin(pass *settlePass, pause time.Duration) {
	pass.open = 1
	q.push(&settlePart{pass: pass, bets: q.whole}, pause)
}

func (q *settleQueue) pushWaiting(pass *settlePass) {
	if len(pass.waiting) > 0 {
		q.push(pass.waiting[0], 0)
		pass.waiting = pass.waiting[1:]
	}
}

// push makes a part ready, after a pause.
func (q *settleQueue) push(part *settlePart, pause time.Duration) {
	part.pause = pause
	if pause == 0 {
		q.ready = append(q.ready, part)
		q.wakeWorker()
		return
	}
	time.AfterFunc(pause, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.ready = append(q.ready, part)
		q.wakeWorker()
	})
}

func (q *settleQueue) wakeWorker() {
	select {
	case q.signal <- struct{}{}:
	default:
	}
}
