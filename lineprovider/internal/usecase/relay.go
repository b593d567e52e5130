package usecase

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/crashpoint"
	"stavka.local/shared/line"
	"stavka.local/shared/wait"
)

const (
	// relayTick is the longest wait of a change that does not wake the relay, which is every change
	// made through another replica. bet-maker must close an event within 250 ms.
	relayTick       = 50 * time.Millisecond
	relayWindow     = 128                    // changes published at a time
	relayFirstPause = 250 * time.Millisecond // after a failure; doubles with each further failure
	relayLongPause  = 2 * time.Second

	leaseTime  = 3 * time.Second
	leaseRenew = time.Second
)

// Relay publishes the change log, in the order of seq.
//
//	read a page above the published seq
//	  -> publish its events concurrently, and wait for the bus to confirm them
//	  -> raise the published seq to the last event before the first unconfirmed one
//
// It may publish a change twice, and never skips one: it raises the published seq only over events
// that it has read and the bus has confirmed, and the store keeps the highest published seq. An event
// that changes meanwhile gets a higher seq and is read again. Of several replicas the holder of the
// lease relays, which saves the others the work. Two relays at the same time do no harm.
type Relay struct {
	outbox    ports.Outbox
	lease     ports.Lease
	bus       line.Publisher
	published func()
	log       *slog.Logger
	woken     chan struct{} // holds one wake-up, which is enough
	renewed   time.Time     // when the lease was last taken or extended; used by Run only
}

// NewRelay returns a relay. It calls published after each published change, from several goroutines.
func NewRelay(
	outbox ports.Outbox, lease ports.Lease, bus line.Publisher, published func(), log *slog.Logger,
) *Relay {
	return &Relay{
		outbox: outbox, lease: lease, bus: bus, published: published, log: log,
		woken: make(chan struct{}, 1),
	}
}

// Wake makes the relay look for changes to publish. It does not block.
func (r *Relay) Wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// Run relays until ctx ends, and then returns nil. It retries while the store or the bus is down.
func (r *Relay) Run(ctx context.Context) error {
	defer r.release(ctx)
	pause := relayFirstPause
	for {
		held, err := r.hold(ctx)
		if err == nil && held {
			err = r.drain(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			pause = relayFirstPause
			wait.Until(ctx, r.woken, relayTick)
			continue
		}
		r.log.WarnContext(ctx, "changes are not being published", "error", err, "retry_in", pause)
		// Another replica may reach the store and the bus.
		r.release(ctx)
		_ = wait.For(ctx, pause)
		pause = min(2*pause, relayLongPause)
	}
}

// drain publishes until no change is left, the lease is lost, or a step fails.
func (r *Relay) drain(ctx context.Context) error {
	for {
		page, err := r.outbox.Unpublished(ctx, relayWindow)
		if err != nil || len(page.Events) == 0 {
			return err
		}
		crashpoint.Hit(CrashRelayRead)
		if err := r.relay(ctx, page); err != nil {
			return err
		}
		if held, err := r.hold(ctx); err != nil || !held {
			return err
		}
	}
}

// relay publishes a page and raises the published seq over the confirmed events.
func (r *Relay) relay(ctx context.Context, page ports.ChangesPage) error {
	confirmed, failure := r.publish(ctx, page)
	crashpoint.Hit(CrashRelayConfirmed)
	upTo := page.NextAfter
	if failure != nil {
		if confirmed == 0 {
			return failure
		}
		upTo = page.Events[confirmed-1].Seq
	}
	if err := r.outbox.MarkPublished(ctx, page.Epoch, upTo); err != nil {
		return err
	}
	crashpoint.Hit(CrashRelayAdvanced)
	return failure
}

// publish publishes all events of a page concurrently. It returns how many events the bus has
// confirmed before the first failure, and that failure.
func (r *Relay) publish(ctx context.Context, page ports.ChangesPage) (confirmed int, failure error) {
	results := make([]error, len(page.Events))
	var wg sync.WaitGroup
	for i, event := range page.Events {
		wg.Go(func() {
			results[i] = r.bus.PublishChange(ctx, line.Change{Epoch: page.Epoch, Event: onTheWire(event)})
			if results[i] == nil {
				r.published()
				crashpoint.Hit(CrashRelayPublished)
			}
		})
	}
	wg.Wait()
	for i, err := range results {
		if err != nil {
			return i, err
		}
	}
	return len(results), nil
}

// hold reports whether this process holds the lease. It calls the store only when it is time to renew.
func (r *Relay) hold(ctx context.Context) (bool, error) {
	if time.Since(r.renewed) < leaseRenew {
		return true, nil
	}
	began := time.Now()
	held, err := r.lease.Hold(ctx, leaseTime)
	r.renewed = time.Time{}
	if held {
		r.renewed = began
	}
	return held, err
}

// release gives up the lease, even when ctx has ended. If that fails, the lease expires.
func (r *Relay) release(ctx context.Context) {
	r.renewed = time.Time{}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseRenew)
	defer cancel()
	if err := r.lease.Release(ctx); err != nil {
		r.log.DebugContext(ctx, "cannot release the lease", "error", err)
	}
}

// onTheWire returns an event as the messages carry it.
func onTheWire(e domain.Event) line.Event {
	return line.Event{
		ID:             int64(e.ID),
		Coefficient:    e.Coefficient,
		Deadline:       e.Deadline,
		State:          line.State(e.State),
		CreatedAt:      e.CreatedAt,
		UpdatedAt:      e.UpdatedAt,
		Name:           e.Name,
		Suspended:      e.Suspended,
		Version:        e.Version,
		Seq:            e.Seq,
		ResultRevision: e.ResultRevision,
		EffectiveAt:    e.EffectiveAt,
		RecordedAt:     e.RecordedAt,
	}
}
