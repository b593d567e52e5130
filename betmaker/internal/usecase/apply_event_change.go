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
	// applyChunk is how many events one transaction locks against bets: few enough that
	// bets on them hardly notice.
	applyChunk = 64
	// maxKnown bounds the memory of what has been applied. It costs about 100 bytes an event.
	maxKnown = 1 << 16
)

// Source is where a change comes from. It decides how far the change is trusted.
type Source uint8

// The sources.
const (
	// FromPush is a message. It may be as old as the queue is long.
	FromPush Source = iota + 1
	// FromPage is a page of the line's change log, which speaks for the present data set.
	FromPage
	// FromLookup is the line's answer about one event.
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

// ApplyConfig is what ApplyEventChange works with. All of it is required but
// Applied, Impossible and Quarantined.
type ApplyConfig struct {
	Events ports.Events
	// Dataset returns the data set being followed; empty while none is known.
	Dataset func() string
	// Offer is given every event as it stands after a change, once that is committed.
	Offer func(domain.Event)
	// Resulted is told of every event whose bets have to be settled.
	Resulted func(domain.EventID)
	// OtherDataset is told that a change of another data set than the one being followed
	// has come: it is time to ask the line which of them is the present one.
	OtherDataset func()
	Logger       *slog.Logger
	// Applied is told what became of a change that was not known before, and how old it
	// was when that was committed. The line gives the time of a change in whole seconds
	// and by its own clock, so the age may be up to a second too long.
	Applied func(source Source, effect domain.Effect, change line.Change, age time.Duration)
	// Impossible is told of every change that no line may send.
	Impossible func(Source)
	// Quarantined is told of every event that was put into quarantine.
	Quarantined func()
}

// ApplyEventChange brings changes of the line into the projection. Every change ends
// here, by whichever path it came. It is idempotent, and the order of changes does not
// matter: for each event the highest sequence number wins. It is safe for concurrent use.
type ApplyEventChange struct {
	config ApplyConfig
	known  applied
	pushes singleflight.Group // by message: the queue and the watcher bring the same ones
}

// NewApplyEventChange returns the use case.
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

// Push applies a change that a message brought. An error is line.ErrPoison when no
// repetition will help.
func (a *ApplyEventChange) Push(ctx context.Context, change line.Change) error {
	_, err, _ := a.pushes.Do(change.MessageID(), func() (any, error) {
		return nil, a.Apply(ctx, []line.Change{change}, FromPush)
	})
	return err //nolint:wrapcheck // It is Apply's error.
}

// Lookup applies what the line answered when it was asked for one event.
func (a *ApplyEventChange) Lookup(ctx context.Context, change line.Change) error {
	return a.Apply(ctx, []line.Change{change}, FromLookup)
}

// Apply returns nil once all changes are in the projection, or were in it already, or
// do not belong there:
//
//   - A message about another data set than the one being followed is passed over: one of
//     a former data set, which may have been in a queue for days, must not put an event of
//     the present one into quarantine. Only a page can begin a data set. Nothing is lost:
//     the poller is woken, and reads what there is to know from the change log.
//   - An impossible change from a page is passed over, too, so that one defect of the line
//     does not stop everything behind it.
//
// Errors: line.ErrPoison for an impossible change that is not from a page;
// domain.ErrFeedUnavailable while no data set is known, and for an answer from another
// one; those of ports.Events. Changes may then have been applied in part, and applying
// them again is safe.
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

// admit returns those changes that may be news, by event.
func (a *ApplyEventChange) admit(ctx context.Context, changes []line.Change, source Source) (map[domain.EventID][]line.Change, error) {
	following := a.config.Dataset()
	if following == "" && source != FromPage {
		return nil, domain.ErrFeedUnavailable
	}
	news := make(map[domain.EventID][]line.Change)
	for _, change := range changes {
		event := lineEvent(change)
		if err := event.Validate(); err != nil {
			a.config.Impossible(source)
			if source != FromPage {
				return nil, fmt.Errorf("%w: %w", line.ErrPoison, err)
			}
			a.config.Logger.ErrorContext(ctx, "an impossible change is passed over", "message_id", change.MessageID(), "error", err)
			continue
		}
		if source != FromPage && event.Dataset != following {
			a.config.Logger.WarnContext(ctx, "a change of another data set is passed over",
				"message_id", change.MessageID(), "following", following, "source", source)
			a.config.OtherDataset()
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

// outcome is what a change did to an event.
type outcome struct {
	change line.Change
	effect domain.Effect
	after  domain.Event
}

// commit applies the changes of some events in one transaction and tells everyone.
func (a *ApplyEventChange) commit(ctx context.Context, ids []domain.EventID, news map[domain.EventID][]line.Change, source Source) error {
	var outcomes []outcome
	err := a.config.Events.Update(ctx, ids, func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event {
		outcomes = outcomes[:0]
		var changed []domain.Event
		for _, id := range ids {
			event, isChanged := known[id], false
			for _, change := range news[id] {
				next, effect := event.Apply(lineEvent(change), now)
				outcomes = append(outcomes, outcome{change, effect, next})
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
		a.report(ctx, outcomes, source)
	case errors.Is(err, ports.ErrOutcomeUnknown):
		// If it was committed, the repetition will find nothing new and wake nobody.
		a.wake(outcomes)
	}
	return err
}

func (a *ApplyEventChange) report(ctx context.Context, outcomes []outcome, source Source) {
	a.wake(outcomes)
	for _, o := range outcomes {
		a.known.add(o.after.LineEvent)
		// Without an effect, too: another replica may have applied the change before.
		a.config.Offer(o.after)
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

func (a *ApplyEventChange) wake(outcomes []outcome) {
	for _, o := range outcomes {
		if o.effect == domain.EffectResulted {
			a.config.Resulted(o.after.ID)
		}
	}
}

// quarantine puts events into quarantine that the line does not have any more, unless
// they have changed meanwhile.
func (a *ApplyEventChange) quarantine(ctx context.Context, abandoned []domain.Event) error {
	for chunk := range slices.Chunk(abandoned, applyChunk) {
		ids := make([]domain.EventID, len(chunk))
		for i, event := range chunk {
			ids[i] = event.ID
		}
		var quarantined []domain.Event
		err := a.config.Events.Update(ctx, ids, func(_ time.Time, known map[domain.EventID]domain.Event) []domain.Event {
			quarantined = quarantined[:0]
			for _, seen := range chunk {
				event := known[seen.ID]
				if event.Quarantined || event.Dataset != seen.Dataset {
					continue
				}
				event.Quarantined = true
				quarantined = append(quarantined, event)
			}
			return quarantined
		})
		if err != nil {
			return fmt.Errorf("quarantine %d abandoned events: %w", len(chunk), err)
		}
		for _, event := range quarantined {
			a.config.Offer(event)
			a.config.Quarantined()
			a.config.Logger.ErrorContext(ctx, "the line does not know an undecided event any more: it is in quarantine until an operator resolves it",
				"event_id", event.ID, "dataset", event.Dataset)
		}
	}
	return nil
}

// Forget makes a look at the projection again for everything. It is for the case that
// the projection has lost what it had, such as after restoring a backup.
func (a *ApplyEventChange) Forget() { a.known.clear() }

// applied remembers what is in the projection, so that changes that come by both
// paths, as most do, take no locks the second time. What it remembers stays true, because
// the projection only moves on within a data set.
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

func (k *applied) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = nil
}

// lineEvent returns a change in the domain's terms.
func lineEvent(change line.Change) domain.LineEvent {
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
		CreatedAt:      event.CreatedAt,
		UpdatedAt:      event.UpdatedAt,
	}
}
