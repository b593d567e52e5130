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

// A change made through another replica does not wake this relay. bet-maker must still close the
// event within 250 ms, which includes all that follows the relay.
func TestRelayFindsSoonWhatAnotherReplicaHasChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		store, published := &outbox{changed: make(chan domain.Event, 1)}, make(chan struct{}, 1)
		relay := usecase.NewRelay(store, store, bus{}, func() { published <- struct{}{} }, slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		go func() { ended <- relay.Run(ctx) }()
		synctest.Wait() // Run waits: there was no change

		changed := time.Now()
		store.changed <- domain.Event{ID: 1, Seq: 1, Version: 1, State: domain.StateNew, Coefficient: odds.MustParse("1.45")}
		<-published
		if waited := time.Since(changed); waited > 50*time.Millisecond {
			t.Errorf("the change waited for %s, want 50 ms at most", waited)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the relay ended with %v", err)
		}
	})
}
