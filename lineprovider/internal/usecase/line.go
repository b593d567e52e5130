// Package usecase holds the operations of line-provider. It applies the decisions of package domain
// to a store and publishes the changes on the bus.
//
// Line has the four operations that change events, Import adds many events at once. Relay publishes
// the change log, Heartbeat publishes that line-provider is alive. Reading needs no decision, so
// readers call the ports directly.
package usecase

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/crashpoint"
	"stavka.local/shared/wait"
)

// The crash points of line-provider, in the order in which a change passes them. A process that dies
// at one of them loses no change.
const (
	// CrashEventCommitted is after the change is stored and before the caller is answered.
	CrashEventCommitted = "event.committed"
	// CrashRelayRead is after a page of changes is read and before any of it is published.
	CrashRelayRead = "relay.read"
	// CrashRelayPublished is after the bus has confirmed a change; it is hit for each change.
	CrashRelayPublished = "relay.published"
	// CrashRelayConfirmed is after the bus has confirmed the page and before the store knows.
	CrashRelayConfirmed = "relay.confirmed"
	// CrashRelayAdvanced is after the published seq is raised.
	CrashRelayAdvanced = "relay.advanced"
)

// Line changes events. All fields must be set. It is safe for concurrent use.
type Line struct {
	Store ports.Events
	Rules domain.Rules
	Now   func() time.Time // the clock
	Wake  func()           // called after every change; must not block
}

// Target is the event to change.
type Target struct {
	ID      domain.EventID
	Version int64 // the version it must have; 0 for any
	Author  domain.Author
}

const (
	// maxRaces bounds how often a change is decided again because another one was faster. One of
	// the racing changes succeeds each time, so a change is refused only when about that many
	// callers change the same event.
	maxRaces = 64
	// maxRest bounds the random pause before the next attempt.
	maxRest = 4 * time.Millisecond
)

// errTooManyRaces means that other changes of the event were faster too often.
var errTooManyRaces = errors.New("lost the race for an event too often")

// change loads the event, decides, and applies the decision. If another change came first it starts
// over, unless the target has a version.
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
		change, err := decide(l.Now().UTC(), current.Event)
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
		// For a random time, so that racing changes do not stay in step.
		if err := wait.For(ctx, rand.N(maxRest)); err != nil {
			return ports.Snapshot{}, err
		}
	}
	return ports.Snapshot{}, errBusy.Because(errTooManyRaces)
}

// errBusy is domain.ErrUnavailable for an event with too many concurrent changes.
var errBusy = domain.ErrUnavailable.Detailf("Too many others are changing this event; try again in a moment.")

// now returns the instant of a decision, in whole seconds as in the API.
func (l *Line) now() time.Time { return inSeconds(l.Now().UTC()) }

func inSeconds(now time.Time) time.Time { return now.Truncate(time.Second) }

func (l *Line) committed() {
	crashpoint.Hit(CrashEventCommitted)
	l.Wake()
}
