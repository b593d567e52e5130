package usecase

import (
	"context"
	"log/slog"
	"time"

	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/line"
)

// Heartbeat says again and again that we are alive, and up to which seq there are
// changes. Every replica does so, the lease or not: what a heartbeat promises is
// that the store was read just now, and the more of us who say so, the less of us
// can fail before the feed falls silent. Who cannot read the store says nothing.
type Heartbeat struct {
	Outbox  ports.Outbox
	Bus     line.Publisher
	Every   time.Duration
	Now     func() time.Time
	Sent    func()           // called after each heartbeat that the bus took
	Observe func(ports.Head) // is told where the log stands, each time it is read
	Log     *slog.Logger
}

// heartbeatRetry is how soon a heartbeat that failed is tried again: bets are
// refused while there are none.
const heartbeatRetry = 250 * time.Millisecond

// noticeable is how many failures in a row are worth a line in the log. The first
// attempt of a process finds a bus that is still connecting.
const noticeable = 2

// Run beats until ctx ends, and then returns nil.
func (h *Heartbeat) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		pause := h.Every
		if err := h.beat(ctx); err != nil {
			pause = min(pause, heartbeatRetry)
			failures++
			if failures == noticeable && ctx.Err() == nil {
				h.Log.WarnContext(ctx, "no heartbeats are being sent", "error", err)
			}
		} else {
			if failures >= noticeable {
				h.Log.InfoContext(ctx, "heartbeats are being sent again")
			}
			failures = 0
		}
		await(ctx, pause, nil)
	}
	return nil
}

func (h *Heartbeat) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.Every) // by then it is time for the next one
	defer cancel()
	head, err := h.Outbox.Head(ctx)
	if err != nil {
		return err
	}
	h.Observe(head)
	err = h.Bus.PublishHeartbeat(ctx, line.Heartbeat{
		Epoch: head.Epoch, LastSeq: head.LastSeq, SentAt: h.Now().UTC().Truncate(time.Millisecond),
	})
	if err != nil {
		return err
	}
	h.Sent()
	return nil
}
