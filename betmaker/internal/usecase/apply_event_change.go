package usecase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/line"
)

const (
	// applyChunk is how many events one transaction locks against bets. It bounds the wait of bets
	// on them.
	applyChunk = 64
	// maxKnown bounds the memory for applied changes.
	maxKnown = 1 << 16
)

// Source is the origin of a change. It decides how far the change is trusted.
type Source uint8

// The sources.
const (
	// FromPush is a message. It may have waited in the queue for long.
	FromPush Source = iota + 1
	// FromPage is a page of the line's change log, which is always of the present data set.
	FromPage
	// FromLookup is the line's answer to a request for one event.
	FromLookup
)

// String returns the source as metrics and logs call it.
func (s Source) String() string {
	switch s {
	case FromPush:
		return "push"
	case FromPage:
		return "page"
	default:
		return "lookup"
	}
}

// ApplyConfig configures ApplyEventChange. All members are required except Applied, Impossible and
// Quarantined.
type ApplyConfig struct {
	Events ports.Events
	// Dataset returns the current data set; empty while it is unknown.
	Dataset func() string
	// RecordedBy is Feed.RecordedBy.
	RecordedBy func(at time.Time) time.Time
	Logger     *slog.Logger
	// Applied is called with the effect of a new change and its age at the commit. The line gives
	// times in whole seconds of its own clock, so the age may be up to a second too long.
	Applied func(source Source, effect domain.Effect, change line.Change, age time.Duration)
	// Impossible is called for every change that the line must never send.
	Impossible func(Source)
	// Quarantined is called for every event that was put into quarantine.
	Quarantined func()
}

// Followers receive what ApplyEventChange does. All are required.
type Followers struct {
	// Offer is called with the state of every event after a committed change.
	Offer func(domain.Event)
	// Resulted is called with every event whose bets must be settled.
	Resulted func(domain.EventID)
	// OtherDataset is called when a change of another data set has come, to make the poller read
	// the present one.
	OtherDataset func()
}

// ApplyEventChange applies changes of the line to the projection. All changes pass through it. It
// is idempotent, and the order of changes does not matter: for each event the highest sequence
// number wins. It is safe for concurrent use.
type ApplyEventChange struct {
	config    ApplyConfig
	followers Followers
	known     applied
	pushes    singleflight.Group // by message, because the queue and the watcher bring the same ones
}

// NewApplyEventChange returns an ApplyEventChange. The caller must call Follow before the first
// change is applied.
func NewApplyEventChange(config ApplyConfig) *ApplyEventChange {
	if config.Applied == nil {
		config.Applied = func(Source, domain.Effect, line.Change, time.Duration) {}
	}
	if config.Impossible == nil {
		config.Impossible = func(Source) {}
	}
	if config.Quarantined == nil {
		config.Quarantined = func() {}
	}
	return &ApplyEventChange{config: config}
}

// Follow sets the followers. They are not part of ApplyConfig, because some of them apply changes
// themselves.
func (a *ApplyEventChange) Follow(followers Followers) { a.followers = followers }

// Push applies the change of a message. The error is line.ErrPoison if a retry cannot help.
func (a *ApplyEventChange) Push(ctx context.Context, change line.Change) error {
	_, err, _ := a.pushes.Do(change.MessageID(), func() (any, error) {
		return nil, a.Apply(ctx, []line.Change{change}, FromPush)
	})
	return err //nolint:wrapcheck // It is Apply's error.
}

// Lookup applies the line's answer to a request for one event.
func (a *ApplyEventChange) Lookup(ctx context.Context, change line.Change) error {
	return a.Apply(ctx, []line.Change{change}, FromLookup)
}

// Apply returns nil once all changes are in the projection or are to be ignored. Two kinds are
// ignored:
//
//   - A message about another data set. One of a former data set, which may have been in a queue
//     for days, must not put an event of the present one into quarantine. Only a page can begin a
//     data set. Nothing is lost, because Apply wakes the poller, which reads the change log.
//   - An impossible change from a page, so that one defect of the line does not stop all later
//     changes.
//
// Errors: line.ErrPoison for an impossible change that is not from a page;
// domain.ErrFeedUnavailable while no data set is known, and for an answer from another data set;
// those of ports.Events. After an error some changes may have been applied. Applying them again is
// safe.
func (a *ApplyEventChange) Apply(ctx context.Context, changes []line.Change, source Source) error {
	news, err := a.admit(ctx, changes, source)
	if err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(news))
	for chunk := range slices.Chunk(ids, applyChunk) {
		if err := a.commit(ctx, chunk, news, source); err != nil {
			return fmt.Errorf("apply changes of %d events: %w", len(chunk), err)
		}
	}
	return nil
}

// admit returns the changes that may be new, by event.
func (a *ApplyEventChange) admit(ctx context.Context, changes []line.Change, source Source) (map[domain.EventID][]line.Change, error) {
	following := a.config.Dataset()
	if following == "" && source != FromPage {
		return nil, domain.ErrFeedUnavailable
	}
	news := make(map[domain.EventID][]line.Change)
	for _, change := range changes {
		event := lineEvent(change, a.config.RecordedBy)
		if err := event.Validate(); err != nil {
			a.config.Impossible(source)
			if source != FromPage {
				return nil, fmt.Errorf("%w: %w", line.ErrPoison, err)
			}
			a.config.Logger.ErrorContext(ctx, "an impossible change is ignored", "message_id", change.MessageID(), "error", err)
			continue
		}
		if source != FromPage && event.Dataset != following {
			a.config.Logger.WarnContext(ctx, "a change of another data set is ignored",
				"message_id", change.MessageID(), "following", following, "source", source)
			a.followers.OtherDataset()
			if source == FromLookup {
				return nil, domain.ErrFeedUnavailable
			}
			continue
		}
		if !a.known.has(event) {
			news[event.ID] = append(news[event.ID], change)
		}
	}
	return news, nil
}

// appliedChange is a change with its effect on an event.
type appliedChange struct {
	change line.Change
	effect domain.Effect
	after  domain.Event
}

// commit applies the changes of some events in one transaction and calls the observers.
func (a *ApplyEventChange) commit(ctx context.Context, ids []domain.EventID, news map[domain.EventID][]line.Change, source Source) error {
	var done []appliedChange
	err := a.config.Events.Update(ctx, ids, func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event {
		done = done[:0]
		var changed []domain.Event
		for _, id := range ids {
			event, isChanged := known[id], false
			for _, change := range news[id] {
				next, effect := event.Apply(lineEvent(change, a.config.RecordedBy), now)
				done = append(done, appliedChange{change, effect, next})
				event, isChanged = next, isChanged || effect != domain.EffectNone
			}
			if isChanged {
				changed = append(changed, event)
			}
		}
		return changed
	})
	switch {
	case err == nil:
		a.report(ctx, done, source)
	case errors.Is(err, ports.ErrOutcomeUnknown):
		// If the transaction was committed, a retry will find nothing new and wake nothing.
		a.wake(done)
	}
	return err
}

func (a *ApplyEventChange) report(ctx context.Context, done []appliedChange, source Source) {
	a.wake(done)
	for _, o := range done {
		if !o.after.Quarantined {
			a.known.add(o.after.LineEvent) // which an operator does not turn back
		}
		// Also without an effect, because another replica may have applied the change.
		a.followers.Offer(o.after)
		if o.effect == domain.EffectNone {
			continue
		}
		a.config.Applied(source, o.effect, o.change, max(0, time.Since(o.change.Event.UpdatedAt)))
		if o.effect == domain.EffectQuarantined {
			a.config.Quarantined()
			a.config.Logger.ErrorContext(ctx, "an event is in quarantine: it takes no bets and is not settled until an operator resolves it",
				"event_id", o.after.ID, "known_dataset", o.after.Dataset, "message_id", o.change.MessageID(), "source", source)
		}
	}
}

func (a *ApplyEventChange) wake(done []appliedChange) {
	for _, o := range done {
		if o.effect == domain.EffectResulted {
			a.followers.Resulted(o.after.ID)
		}
	}
}

// quarantine puts events that contradict the line into quarantine, unless an operator has resolved
// them meanwhile. message is for the log.
func (a *ApplyEventChange) quarantine(ctx context.Context, events []domain.Event, message string) error {
	for chunk := range slices.Chunk(events, applyChunk) {
		ids := make([]domain.EventID, len(chunk))
		for i, event := range chunk {
			ids[i] = event.ID
		}
		var quarantined []domain.Event
		err := a.config.Events.Update(ctx, ids, func(_ time.Time, known map[domain.EventID]domain.Event) []domain.Event {
			quarantined = quarantined[:0]
			for _, seen := range chunk {
				event := known[seen.ID]
				if event.Quarantined || event.Dataset != seen.Dataset || event.Seq < seen.Seq {
					continue
				}
				event.Quarantined = true
				quarantined = append(quarantined, event)
			}
			return quarantined
		})
		if err != nil {
			return fmt.Errorf("quarantine %d events: %w", len(chunk), err)
		}
		for _, event := range quarantined {
			a.followers.Offer(event)
			a.config.Quarantined()
			a.config.Logger.ErrorContext(ctx, message, "event_id", event.ID, "dataset", event.Dataset, "seq", event.Seq)
		}
	}
	return nil
}

// Forget discards the memory of applied changes, for when the projection has lost changes, such as
// after a restore.
func (a *ApplyEventChange) Forget() { a.known.clear() }

// forgetAbove discards the memory of changes that the line had not made by its seq last. The
// projection may lose such a change again, because it may not be the line's.
func (a *ApplyEventChange) forgetAbove(dataset string, last int64) {
	a.known.forgetAbove(dataset, last)
}

// applied remembers the changes in the projection, so that a change that comes by a second path
// takes no locks. It stays valid because the projection only moves forward within a data set,
// except that a quarantine may take an event back to the line's change log; see forgetAbove.
type applied struct {
	mu     sync.Mutex
	events map[domain.EventID]appliedSeq
}

type appliedSeq struct {
	dataset string
	seq     int64
}

func (k *applied) has(event domain.LineEvent) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.events[event.ID]
	return known.dataset == event.Dataset && event.Seq <= known.seq
}

func (k *applied) add(event domain.LineEvent) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.events == nil || len(k.events) >= maxKnown {
		k.events = make(map[domain.EventID]appliedSeq)
	}
	if known := k.events[event.ID]; known.dataset != event.Dataset || known.seq < event.Seq {
		k.events[event.ID] = appliedSeq{event.Dataset, event.Seq}
	}
}

func (k *applied) forgetAbove(dataset string, last int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.events, func(_ domain.EventID, known appliedSeq) bool {
		return known.dataset == dataset && known.seq > last
	})
}

func (k *applied) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = nil
}

// lineEvent converts a change to the domain's event. recordedBy turns an instant of the line's clock into
// the latest one that it may be of the store's.
func lineEvent(change line.Change, recordedBy func(time.Time) time.Time) domain.LineEvent {
	event := change.Event
	return domain.LineEvent{
		ID:             domain.EventID(event.ID),
		Dataset:        change.Epoch.Dataset,
		Seq:            event.Seq,
		Version:        event.Version,
		Name:           event.Name,
		Coefficient:    event.Coefficient,
		Deadline:       event.Deadline,
		State:          domain.State(event.State),
		Suspended:      event.Suspended,
		ResultRevision: event.ResultRevision,
		EffectiveAt:    event.EffectiveAt,
		RecordedBy:     recordedBy(event.RecordedAt),
		CreatedAt:      event.CreatedAt,
		UpdatedAt:      event.UpdatedAt,
	}
}
