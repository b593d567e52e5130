package usecase

import (
	"context"
	"log/slog"
	"time"

	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/line"
	"stavka.local/shared/wait"
)

// Heartbeat regularly publishes that line-provider is alive, with the last seq of the change log.
// A heartbeat promises that the store was read just now; a replica that cannot read the store
// sends none. Every replica sends heartbeats, with or without the lease, so that the feed falls
// silent only when all of them fail.
type Heartbeat struct {
	Outbox  ports.Outbox
	Bus     line.Publisher
	Every   time.Duration
	Now     func() time.Time
	Sent    func()           // called after each published heartbeat
	Observe func(ports.Head) // called with the state of the log, each time it is read
	Log     *slog.Logger
}

// heartbeatRetry is the pause after a failed heartbeat. It is short because bets are refused
// without heartbeats.
const heartbeatRetry = 250 * time.Millisecond

// noticeable is the number of failures in a row that is logged. It is more than one because the bus
// is still connecting at a process's first attempt.
const noticeable = 2

// Run sends heartbeats until ctx ends, and then returns nil.
func (h *Heartbeat) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		pause := h.Every
		if err := h.beat(ctx); err != nil {
			pause = min(pause, heartbeatRetry)
			failures++
			if failures == noticeable && ctx.Err() == nil {
				h.Log.WarnContext(ctx, "cannot send heartbeats", "error", err)
			}
		} else {
			if failures >= noticeable {
				h.Log.InfoContext(ctx, "sending heartbeats again")
			}
			failures = 0
		}
		_ = wait.For(ctx, pause)
	}
	return nil
}

func (h *Heartbeat) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.Every) // then the next one is due
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
