package usecase_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/lineprovider/internal/usecase"
	"stavka.local/shared/line"
	"stavka.local/shared/odds"
)

// outbox is a store whose lease this replica holds, while other replicas change the events.
type outbox struct {
	ports.Outbox

	changed chan domain.Event // holds one, so that a change does not block
}

func (o *outbox) Hold(context.Context, time.Duration) (bool, error) { return true, nil }
func (o *outbox) Release(context.Context) error                     { return nil }

func (o *outbox) Unpublished(context.Context, int) (ports.ChangesPage, error) {
	select {
	case event := <-o.changed:
		return ports.ChangesPage{Events: []domain.Event{event}}, nil
	default:
		return ports.ChangesPage{}, nil
	}
}

func (o *outbox) MarkPublished(context.Context, line.Epoch, int64) error { return nil }

type bus struct{ line.Publisher }

func (bus) PublishChange(context.Context, line.Change) error { return nil }

// running is a relay that runs in a bubble of testing/synctest.
type running struct {
	*usecase.Relay
	store     *outbox
	published chan struct{}
}

// run runs a relay, in a bubble, until the test ends. The relay has found nothing so far.
func run(t *testing.T) running {
	t.Helper()
	r := running{store: &outbox{changed: make(chan domain.Event, 1)}, published: make(chan struct{}, 1)}
	r.Relay = usecase.NewRelay(r.store, r.store, bus{}, func() { r.published <- struct{}{} }, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the relay ended with %v", err)
		}
	})
	synctest.Wait()
	return r
}

func (r running) change(seq int64) {
	r.store.changed <- domain.Event{ID: 1, Seq: seq, Version: seq, State: domain.StateNew, Coefficient: odds.MustParse("1.45")}
}

// A change made through another replica does not wake this relay. bet-maker must still close the
// event within 250 ms, which includes all that follows the relay.
func TestRelayFindsChangesOfOtherReplicas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		relay := run(t)
		changed := time.Now()
		relay.change(1)
		<-relay.published
		if waited := time.Since(changed); waited > 50*time.Millisecond {
			t.Errorf("the change waited for %s, want 50 ms at most", waited)
		}
	})
}

// A relay that is woken publishes at once, also when it is still busy with the change before.
func TestRelayMissesNoWake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		relay := run(t)
		began := time.Now()
		for seq := range int64(1000) {
			relay.change(seq + 1)
			relay.Wake()
			<-relay.published
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the changes waited for %s, want no time", waited)
		}
	})
}
