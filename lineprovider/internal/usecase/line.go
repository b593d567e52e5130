// Package usecase is what line-provider does: it carries the decisions of package
// domain through a store, and tells the bus about what changed.
//
// Line holds the four operations that change events. Relay publishes the change
// log, Heartbeat says that we are alive. Reading needs no decision, so whoever
// reads asks the ports.
package usecase

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/crashpoint"
)

// The crash points of line-provider, in the order in which a change passes them.
// A process that dies at one of them loses nothing.
const (
	// CrashEventCommitted: the change is stored, the caller is not answered yet.
	CrashEventCommitted = "event.committed"
	// CrashRelayRead: a page of changes is read, nothing of it published.
	CrashRelayRead = "relay.read"
	// CrashRelayPublished: the bus has taken one change over; hit for each of them.
	CrashRelayPublished = "relay.published"
	// CrashRelayConfirmed: the bus has taken the page over, the store does not know.
	CrashRelayConfirmed = "relay.confirmed"
	// CrashRelayAdvanced: the published seq is raised.
	CrashRelayAdvanced = "relay.advanced"
)

// Line changes events. Create one with all fields set; it is safe for concurrent
// use.
type Line struct {
	Store ports.Events
	Rules domain.Rules
	Now   func() time.Time // the service's clock
	Wake  func()           // called after every change; returns at once
}

// Target names the event to change.
type Target struct {
	ID      domain.EventID
	Version int64 // the version it must have; 0 for any
	Author  domain.Author
}

const (
	// maxRaces is how often a change is decided anew because another one was
	// faster. Of all that race one gets through each time, so it takes as many
	// callers at one event to be refused.
	maxRaces = 64
	// maxRest bounds the random pause before the next try.
	maxRest = 4 * time.Millisecond
)

// errTooManyRaces: the event changed under us too often.
var errTooManyRaces = errors.New("lost the race for an event too often")

// change loads the event, decides, and has the store carry the decision out if the
// event is still the same; if another change came first it starts over, unless the
// caller insists on a version.
func (l *Line) change(
	ctx context.Context, target Target, reason string,
	decide func(now time.Time, event domain.Event) (domain.Change, error),
) (ports.Snapshot, error) {
	for range maxRaces {
		current, err := l.Store.Event(ctx, target.ID)
		if err != nil {
			return ports.Snapshot{}, err
		}
		if target.Version != 0 && target.Version != current.Event.Version {
			return ports.Snapshot{}, domain.ErrVersionMismatch.
				Detailf("Event %s no longer has version %d.", target.ID, target.Version)
		}
		change, err := decide(l.now(), current.Event)
		if err != nil {
			return ports.Snapshot{}, err
		}
		changed, err := l.Store.Apply(ctx, ports.Update{
			Epoch: current.Epoch, Change: change, Author: target.Author, Reason: reason,
		})
		switch {
		case err == nil && change.IsEmpty():
			return changed, nil
		case err == nil:
			l.committed()
			return changed, nil
		case target.Version != 0 || !errors.Is(err, domain.ErrVersionMismatch):
			return ports.Snapshot{}, err
		}
		if err := rest(ctx); err != nil {
			return ports.Snapshot{}, err
		}
	}
	return ports.Snapshot{}, errBusy.Because(errTooManyRaces)
}

// errBusy is domain.ErrUnavailable in the words of this case.
var errBusy = domain.ErrUnavailable.Detailf("Too many others are changing this event; try again in a moment.")

// rest pauses for a random moment, so that those who race do not stay in step.
func rest(ctx context.Context) error {
	timer := time.NewTimer(rand.N(maxRest))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// now is the instant of a decision. The contract speaks in whole seconds.
func (l *Line) now() time.Time { return l.Now().UTC().Truncate(time.Second) }

func (l *Line) committed() {
	crashpoint.Hit(CrashEventCommitted)
	l.Wake()
}
