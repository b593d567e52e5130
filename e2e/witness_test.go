package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
	"stavka.local/stavka/e2e/contract"
	"stavka.local/stavka/e2e/system"
)

const (
	// patience is how long a user repeats one request through a fault.
	patience = time.Minute
	// repeatAfter is the pause before a request is repeated. answerWithin bounds the wait for an answer.
	repeatAfter  = 25 * time.Millisecond
	answerWithin = 20 * time.Second
	// aftermath is how soon after the last fault no trace of it is left.
	aftermath = 30 * time.Second
)

// witness plays the users and operators of a system and records everything that the system
// acknowledges to them. It repeats a request with the same key until the answer is definite,
// so that no answer is in doubt at the end: check compares every row of the stores with what
// was acknowledged. It is safe for concurrent use, except for check.
type witness struct {
	t       *testing.T
	s       *system.System
	records system.Records
	line    *lineprovider.ClientWithResponses
	users   []*system.User

	repeats, bets, changes atomic.Int64 // requests repeated; bets and changes acknowledged

	mu       sync.Mutex
	events   map[int64]*lineEvent
	verdicts map[verdictKey]verdict
}

// lineEvent is an event as acknowledged to its operators.
type lineEvent struct {
	lineprovider.Event
	prices  map[int64]odds.Decimal // by version
	closing bool                   // a result has been requested
}

// verdictKey identifies a placement by its user and its Idempotency-Key.
type verdictKey struct {
	user int64
	key  string
}

// verdict is the first definite answer to a placement.
type verdict struct {
	bet  *betmaker.Bet // nil for a refusal
	sent betmaker.NewBet
	body []byte
}

// newWitness creates users, and makes the database record each settling of a bet.
func newWitness(t *testing.T, s *system.System, users int) *witness {
	t.Helper()
	w := &witness{t: t, s: s, records: s.Records(t), events: make(map[int64]*lineEvent), verdicts: make(map[verdictKey]verdict)}
	if len(s.LineProviders) > 0 {
		w.line = s.Line(t, 0).API
	}
	for range users {
		w.users = append(w.users, s.NewUser(t, 0))
	}
	w.records.NoteSettlements()
	return w
}

// insist repeats a request until its answer is definite, for which ask returns nil.
func (w *witness) insist(what string, ask func(context.Context) error) {
	w.t.Helper()
	for begun := time.Now(); ; w.repeats.Add(1) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), answerWithin)
		err := ask(ctx)
		cancel()
		switch {
		case err == nil:
			return
		case errors.Is(err, contract.ErrBroken) || errors.Is(err, errWrong):
			w.t.Errorf("%s: %v", what, err)
			return
		case time.Since(begun) > patience:
			w.t.Errorf("%s: no definite answer within %s: %v", what, patience, err)
			return
		}
		wait(w.t, repeatAfter)
	}
}

// errWrong is the error of an answer that no fault can excuse.
var errWrong = errors.New("a wrong answer")

// indefinite returns the error of a failure. The only failure that a service may answer with
// is that it is unavailable.
func indefinite(status int, body []byte) error {
	if status == http.StatusServiceUnavailable {
		return fmt.Errorf("%d %s", status, body)
	}
	return fmt.Errorf("%w: %d %s", errWrong, status, body)
}

// wait waits for d or the end of the test.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// create creates an event with a unique name. It returns 0 when the deadline has passed before
// the request got through, or when the test has failed.
func (w *witness) create(name, price string, deadline time.Time) int64 {
	w.t.Helper()
	want := lineprovider.NewEvent{Coefficient: odds.MustParse(price), Deadline: new(deadline.Unix()), Name: &name}
	var created lineprovider.Event
	w.insist("create event "+name, func(ctx context.Context) error {
		got, err := w.line.CreateEventWithResponse(ctx, &lineprovider.CreateEventParams{IdempotencyKey: &name}, want)
		if err != nil {
			return err
		}
		if got.JSON201 == nil {
			if (system.Response{Body: got.Body}).Code() == "deadline_in_past" && time.Now().After(deadline) {
				return nil // the fault has lasted beyond the deadline, and no earlier attempt created the event
			}
			return indefinite(got.StatusCode(), got.Body)
		}
		created = *got.JSON201
		return nil
	})
	if created.EventID == 0 {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.events[created.EventID]; known != nil {
		w.t.Errorf("event id %d was given to %s and to %s", created.EventID, *known.Name, name)
	}
	w.events[created.EventID] = &lineEvent{Event: created, prices: map[int64]odds.Decimal{created.Version: created.Coefficient}}
	w.changes.Add(1)
	return created.EventID
}

// amend changes an open event.
func (w *witness) amend(event int64, patch lineprovider.EventPatch) {
	w.t.Helper()
	w.insist(fmt.Sprintf("amend event %d", event), func(ctx context.Context) error {
		got, err := w.line.ChangeEventWithResponse(ctx, event, nil, patch)
		if err != nil {
			return err
		}
		if got.JSON200 == nil {
			return indefinite(got.StatusCode(), got.Body)
		}
		return w.changed(*got.JSON200)
	})
}

// finish gives an event a result or corrects it.
func (w *witness) finish(event int64, state lineprovider.NewState) {
	w.t.Helper()
	w.mu.Lock()
	w.events[event].closing = true
	w.mu.Unlock()
	w.insist(fmt.Sprintf("set event %d to state %d", event, state.State), func(ctx context.Context) error {
		got, err := w.line.SetEventStateWithResponse(ctx, event, nil, state)
		if err != nil {
			return err
		}
		if got.JSON200 == nil {
			return indefinite(got.StatusCode(), got.Body)
		}
		return w.changed(*got.JSON200)
	})
}

// changed records an acknowledged change. It returns an error when a repeated request was
// executed twice.
func (w *witness) changed(now lineprovider.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.events[now.EventID]
	if now.Version != known.Version+1 {
		return fmt.Errorf("%w: version %d comes after %d", errWrong, now.Version, known.Version)
	}
	known.Event = now
	known.prices[now.Version] = now.Coefficient
	w.changes.Add(1)
	return nil
}

// place places a bet and returns the answer.
func (w *witness) place(user int, key string, event int64, amount string) verdict {
	w.t.Helper()
	var v verdict
	w.insist(fmt.Sprintf("bet %s on event %d", key, event), func(ctx context.Context) error {
		var err error
		v, err = w.tryPlace(ctx, user, key, betmaker.NewBet{EventID: event, Amount: money.MustParse(amount)})
		return err
	})
	return v
}

// tryPlace sends one request for a bet. An error means that the answer was not definite.
func (w *witness) tryPlace(ctx context.Context, user int, key string, bet betmaker.NewBet) (verdict, error) {
	got, err := w.users[user].API.PlaceBetWithResponse(ctx, &betmaker.PlaceBetParams{IdempotencyKey: &key}, bet)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{bet: got.JSON201, sent: bet, body: got.Body}
	switch {
	case v.bet != nil:
	case got.StatusCode() == http.StatusConflict:
		if err := w.excuse(bet.EventID, system.Response{Body: got.Body}.Code()); err != nil {
			return verdict{}, err
		}
	default:
		return verdict{}, indefinite(got.StatusCode(), got.Body)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verdicts[verdictKey{w.users[user].ID, key}] = v
	if v.bet != nil {
		w.bets.Add(1)
	}
	return v, nil
}

// excuse returns an error unless a refusal has a reason.
func (w *witness) excuse(event int64, code string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.events[event]
	switch {
	case code == "event_closed" && known != nil && (known.closing || time.Now().Unix() >= known.Deadline):
		return nil
	case code == "price_changed":
		return nil
	}
	return fmt.Errorf("%w: event %d: refused as %s", errWrong, event, code)
}

// load starts placers, who bet on ten events at a time, and operators, who reprice, finish and
// correct them. stop ends them and waits for the last answers.
func (w *witness) load(placers, operators int) (stop func()) {
	w.t.Helper()
	open := &openEvents{}
	for i := range 10 {
		open.add(w.create(fmt.Sprintf("first-%d", i), "1.45", time.Now().Add(time.Hour)))
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	var working sync.WaitGroup
	for i := range operators {
		working.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				w.operate(open, fmt.Sprintf("operator-%d-%d", i, n), n)
				wait(w.t, 20*time.Millisecond)
			}
		})
	}
	for i := range placers {
		working.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				w.place(i%len(w.users), fmt.Sprintf("placer-%d-%d", i, n), open.any(), fmt.Sprintf("%d.%02d", 1+n%50, i))
				wait(w.t, 10*time.Millisecond)
			}
		})
	}
	begun := time.Now()
	return func() {
		cancel()
		working.Wait()
		w.t.Logf("in %s of load: %d changes of events and %d bets acknowledged, %d requests repeated",
			time.Since(begun).Round(time.Millisecond), w.changes.Load(), w.bets.Load(), w.repeats.Load())
	}
}

// operate creates one event for placers and finishes the oldest.
func (w *witness) operate(open *openEvents, name string, n int) {
	w.t.Helper()
	deadline := time.Now().Add(time.Hour)
	if n%5 == 4 {
		deadline = time.Now().Add(3 * time.Second)
	}
	created := w.create(name, "1.45", deadline)
	if created == 0 {
		return
	}
	event := open.replace(created)
	state := lineprovider.NewState{State: lineprovider.EventState(2 + rand.IntN(3)), Reason: new("the whistle")}
	if w.deadlineOf(event) > time.Now().Add(time.Minute).Unix() && n%2 == 0 {
		w.amend(event, lineprovider.EventPatch{Coefficient: new(odds.MustParse("2.05"))})
	}
	w.finish(event, state)
	if n%3 == 0 {
		state.State = 2 + (state.State-1)%3
		state.Reason = new("the video")
		w.finish(event, state)
	}
}

func (w *witness) deadlineOf(event int64) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[event].Deadline
}

// awaitProgress waits until both services have acknowledged more requests.
func (w *witness) awaitProgress(after string) {
	w.t.Helper()
	begun, bets, changes := time.Now(), w.bets.Load(), w.changes.Load()
	system.Eventually(w.t, time.Minute, "requests succeed after "+after, func() error {
		if w.bets.Load() < bets+10 || w.changes.Load() < changes+5 {
			return fmt.Errorf("%d bets and %d changes were acknowledged since", w.bets.Load()-bets, w.changes.Load()-changes)
		}
		return nil
	})
	w.t.Logf("requests succeeded %s after %s", time.Since(begun).Round(time.Millisecond), after)
}

// check waits until bet-maker has followed the line. It fails the test if an acknowledged
// change or bet is missing, if there is one that was not acknowledged, or if one happened
// twice.
func (w *witness) check() {
	w.t.Helper()
	now := w.follow()
	kept := make(map[verdictKey]bool)
	for _, bet := range now.Bets {
		key := verdictKey{bet.UserID, bet.Key}
		if kept[key] {
			w.t.Errorf("user %d has two bets under the key %q", key.user, key.key)
		}
		kept[key] = true
		w.checkBet(bet, now.Events[bet.EventID])
	}
	for key, v := range w.verdicts {
		if v.bet != nil && !kept[key] {
			w.t.Errorf("lost: bet %d of user %d, key %q", v.bet.ID, key.user, key.key)
		}
	}
	checkInTime(w.t, now)
	checkMoney(w.t, w.s)
	if n := w.records.SettledTwice(); n > 0 {
		w.t.Errorf("%d bets were settled twice to one revision", n)
	}
	if !w.s.Embedded { // the embedded shape has no broker
		if n := w.s.Broker().Waiting(w.t, w.s.Broker().DeadQueue()); n > 0 {
			w.t.Errorf("there are %d dead letters", n)
		}
	}
	w.replay(50)
}

// follow checks that the line is as acknowledged to its operators. It waits until bet-maker's
// projection is equal to the line and every bet follows it, and returns bet-maker's rows.
func (w *witness) follow() (now system.Snapshot) {
	w.t.Helper()
	begun := time.Now()
	current := w.readLine()
	for id, event := range current {
		if known := w.events[id]; known == nil {
			w.t.Errorf("event %d was not created by this test", id)
		} else if got, want := describe(event), describe(known.Event); got != want {
			w.t.Errorf("event %d is %s; acknowledged was %s", id, got, want)
		}
	}
	for id := range w.events {
		if _, ok := current[id]; !ok {
			w.t.Errorf("lost: event %d", id)
		}
	}
	system.Eventually(w.t, aftermath, "bet-maker has followed the line", func() error {
		now = w.records.Read()
		return cmp.Or(compareProjection(now, current), compareSettling(now))
	})
	w.t.Logf("%d events and their bets had followed %s after the last answer", len(current), time.Since(begun).Round(time.Millisecond))
	return now
}

// readLine reads all events from line-provider.
func (w *witness) readLine() map[int64]lineprovider.Event {
	w.t.Helper()
	all := make(map[int64]lineprovider.Event)
	for after := int64(0); ; {
		page, err := w.line.ListEventsWithResponse(w.t.Context(), &lineprovider.ListEventsParams{After: &after, Limit: new(500)})
		if err != nil || page.JSON200 == nil {
			w.t.Fatalf("read the line: %+v %v", page, err)
		}
		if len(*page.JSON200) == 0 {
			return all
		}
		for _, event := range *page.JSON200 {
			all[event.EventID], after = event, event.EventID
		}
	}
}

// describe returns all properties of an event as text for comparison.
func describe(e lineprovider.Event) string {
	at := int64(0)
	if e.EffectiveAt != nil {
		at = *e.EffectiveAt
	}
	return fmt.Sprintf("%q %s deadline %d state %d suspended %t version %d seq %d result %d effective %d",
		deref(e.Name), e.Coefficient, e.Deadline, e.State, e.Suspended, e.Version, e.Seq, e.ResultRevision, at)
}

// compareProjection returns an error unless bet-maker has exactly these events.
func compareProjection(now system.Snapshot, want map[int64]lineprovider.Event) error {
	for id, e := range now.Events {
		price, err := odds.FromHundredths(e.Coefficient)
		if err != nil {
			return fmt.Errorf("event %d: %w", id, err)
		}
		is := lineprovider.Event{
			Name: &e.Name, Coefficient: price, Deadline: e.Deadline.Unix(), State: lineprovider.EventState(e.State),
			Suspended: e.Suspended, Version: e.Version, Seq: e.Seq, ResultRevision: e.ResultRevision,
		}
		if e.EffectiveAt != nil {
			is.EffectiveAt = new(e.EffectiveAt.Unix())
		}
		if got, want := describe(is), describe(want[id]); got != want || e.Quarantined {
			return fmt.Errorf("event %d is %s, quarantined %t; on the line it is %s", id, got, e.Quarantined, want)
		}
	}
	if len(now.Events) != len(want) {
		return fmt.Errorf("%d events are known, the line has %d", len(now.Events), len(want))
	}
	return nil
}

// compareSettling returns an error unless every bet has followed its event and every event is
// marked as settled.
func compareSettling(now system.Snapshot) error {
	for _, bet := range now.Bets {
		event := now.Events[bet.EventID]
		if bet.SettleRevision != event.SettleRevision || (bet.Status == 1) != (event.State == 1) {
			return fmt.Errorf("bet %d does not follow its event: %+v, %+v", bet.ID, bet, event)
		}
	}
	for id, event := range now.Events {
		if event.SettledRevision != event.SettleRevision {
			return fmt.Errorf("event %d is not marked as settled: %+v", id, event)
		}
	}
	return nil
}

// checkBet compares one bet with what was acknowledged and with its event.
func (w *witness) checkBet(bet system.Bet, projected system.Event) {
	w.t.Helper()
	v := w.verdicts[verdictKey{bet.UserID, bet.Key}]
	if v.bet == nil {
		w.t.Errorf("bet %d was not acknowledged", bet.ID)
		return
	}
	acknowledged := system.Bet{
		ID: v.bet.ID, UserID: v.bet.UserID, EventID: v.bet.EventID, EventVersion: v.bet.EventVersion,
		Stake: v.sent.Amount.Minor(), Coefficient: v.bet.Coefficient.Hundredths(), AcceptedAt: v.bet.CreatedAt.UTC(),
		// The key found the verdict. The others depend on the event and are compared with it.
		Key: bet.Key, Status: bet.Status, VoidReason: bet.VoidReason, Payout: bet.Payout, SettleRevision: bet.SettleRevision,
	}
	if bet != acknowledged || v.bet.Amount != v.sent.Amount || v.bet.EventID != v.sent.EventID {
		w.t.Errorf("bet %d is %+v; acknowledged was %+v", bet.ID, bet, acknowledged)
	}
	event := w.events[bet.EventID]
	if price := event.prices[bet.EventVersion]; price.Hundredths() != bet.Coefficient {
		w.t.Errorf("bet %d is at %d hundredths; version %d of event %d was at %s", bet.ID, bet.Coefficient, bet.EventVersion, bet.EventID, price)
	}
	status, payout, reason := settlement(event.Event, v.bet, projected.RecordedBy)
	if bet.Status != status || bet.VoidReason != reason || (bet.Payout == nil) != (payout == nil) || payout != nil && *bet.Payout != payout.Minor() {
		w.t.Errorf("bet %d of %s at %s has status %d, reason %d, payout %v; its event is %s",
			bet.ID, v.bet.Amount, v.bet.Coefficient, bet.Status, bet.VoidReason, bet.Payout, describe(event.Event))
	}
	// bet-maker may skip a result that another one follows, but must not invent one.
	if bet.SettleRevision != projected.SettleRevision || bet.SettleRevision > event.ResultRevision {
		w.t.Errorf("bet %d is settled to revision %d of %d; the event has had %d results", bet.ID, bet.SettleRevision, projected.SettleRevision, event.ResultRevision)
	}
}

// settlement returns how a bet must be settled by the last state of its event, in the
// numbers of the database. recordedBy is the latest instant at which the line may have recorded the result.
func settlement(event lineprovider.Event, bet *betmaker.Bet, recordedBy *time.Time) (status int, payout *money.Amount, voidReason int) {
	switch {
	case event.State == lineprovider.EventStateNew:
		return 1, nil, 0
	case event.State == lineprovider.EventStateCancelled:
		return 4, &bet.Amount, 1
	case event.EffectiveAt != nil && bet.CreatedAt.Unix() >= *event.EffectiveAt,
		event.EffectiveAt == nil && recordedBy != nil && bet.CreatedAt.After(*recordedBy):
		return 4, &bet.Amount, 2
	case event.State == lineprovider.EventStateFinishedWin:
		return 2, new(bet.Amount.Payout(bet.Coefficient)), 0
	default:
		return 3, &money.Amount{}, 0
	}
}

// replay repeats some placements and checks that the answers are the first ones, byte for byte.
func (w *witness) replay(some int) {
	w.t.Helper()
	ids := make(map[int64]int, len(w.users))
	for i, user := range w.users {
		ids[user.ID] = i
	}
	keys := slices.Collect(maps.Keys(w.verdicts))
	for _, i := range rand.Perm(len(keys))[:min(some, len(keys))] {
		first := w.verdicts[keys[i]]
		again, err := w.tryPlace(w.t.Context(), ids[keys[i].user], keys[i].key, first.sent)
		if err != nil || !bytes.Equal(again.body, first.body) {
			w.t.Errorf("the key %q is answered %s %v; at first it was %s", keys[i].key, again.body, err, first.body)
		}
	}
}
