package usecase

import (
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

const (
	// settleRetry is the pause before a pass is repeated because another settler holds bets
	// of it, and the first of the growing pauses after an error.
	settleRetry    = 50 * time.Millisecond
	settleRetryMax = 5 * time.Second
)

// settlePass is one pass of the settler over the bets of an event. The queue guards it.
type settlePass struct {
	event   domain.EventID
	open    int           // parts that have not reached their end
	waiting []*settlePart // those of them that begin when others have ended
	again   bool          // the event was woken during the pass: its result may be newer
	late    bool          // a sweep found the event long after its result
}

// settlePart is a cursor over the bets of a pass. A pass begins with one part; after a full
// chunk it has one for each share. A part belongs to the worker that took it from the queue.
type settlePart struct {
	pass  *settlePass
	bets  ports.Settlements
	after domain.BetID
	pause time.Duration // before the part is worked on
}

// nextPause returns the pause after an error: twice the last one, within limits.
func (p *settlePart) nextPause() time.Duration {
	return min(max(2*p.pause, settleRetry), settleRetryMax)
}
