package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/line"
	"stavka.local/shared/odds"
	"stavka.local/stavka/e2e/system"
)

// messagesShuffled captures the messages of a story and publishes them again many times in
// random order: to the bet-maker that has seen them, and to another one that knows the rest
// of the story from them alone.
func (private servers) messagesShuffled(t *testing.T) {
	s := start(t, system.Options{Servers: private.urls(), Env: quick})
	w := newWitness(t, s, 2)
	captured := s.Broker().Capture(t)
	other := startDeaf(t, private, s)

	messages := make(map[string]amqp.Delivery)
	// Quick successive changes of an event may share a message, so wait for each.
	sent := func() {
		t.Helper()
		system.Eventually(t, allowed, "the change is published", func() error {
			for _, message := range s.Broker().Take(t, captured) {
				messages[message.MessageId] = message
			}
			if int64(len(messages)) != w.changes.Load() {
				return fmt.Errorf("%d of %d messages came", len(messages), w.changes.Load())
			}
			return nil
		})
	}
	events := make([]int64, 10)
	for i := range events {
		events[i] = w.create(fmt.Sprintf("event-%d", i), "1.45", time.Now().Add(time.Hour))
		sent()
	}
	for i, event := range events {
		for user := range w.users {
			w.place(user, fmt.Sprintf("early-%d", i), event, "10.01")
			other.place(user, fmt.Sprintf("early-%d", i), event, "10.01")
		}
	}
	placed := time.Now()
	system.Eventually(t, allowed, "the next second begins", func() error {
		if time.Now().Unix() == placed.Unix() {
			return errors.New("it has not")
		}
		return nil
	})
	goal := time.Now().Unix()
	for i, event := range events {
		w.place(0, fmt.Sprintf("late-%d", i), event, "5")
		other.place(0, fmt.Sprintf("late-%d", i), event, "5")
	}
	polls := metric(t, other.s.BetMakers[0], "stavka_feed_polls_total")
	for i, event := range events {
		w.amend(event, lineprovider.EventPatch{Coefficient: new(odds.MustParse("2.05"))})
		sent()
		w.amend(event, lineprovider.EventPatch{Suspended: new(true)})
		sent()
		for n := range i % 4 {
			state := lineprovider.NewState{State: lineprovider.EventState(2 + (i+n)%3), Reason: new("the video")}
			if i%2 == 1 && n == 0 {
				state.EffectiveAt.Set(goal)
			}
			w.finish(event, state)
			sent()
		}
	}
	w.check()

	copies := scaled(t, 200)
	before := everything(t, s)
	shuffle(t, s, messages, copies)
	if after := everything(t, s); !slices.Equal(after, before) {
		t.Errorf("after %d copies of %d messages there is\n%s\nbefore there was\n%s", copies, len(messages), strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	s.BetMakers[0].Start()
	s.AwaitReady()
	w.check()

	if looks := shuffle(t, other.s, messages, copies) - polls; looks > 0 {
		t.Errorf("the other bet-maker has read the change log %g times, and not only the messages", looks)
	}
	if got, want := essence(t, other.s), essence(t, s); !slices.Equal(got, want) {
		t.Errorf("the shuffled messages alone lead to\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	t.Logf("%d messages, %d times each: nothing changed, and a bet-maker that had seen none of them has the same rows", len(messages), copies)
}

// startDeaf starts another bet-maker that follows the line of s. It gets no messages, and it
// reads the change log only once.
func startDeaf(t *testing.T, private servers, s *system.System) *witness {
	t.Helper()
	deaf := start(t, system.Options{Servers: private.urls(), Line: s.LineProviders[0].URL, Env: map[string]string{
		"FEED_HEARTBEAT": "60s", "FEED_TIMEOUT": "600s", "RECONCILE_INTERVAL": "1h", "LOG_LEVEL": "warn",
	}})
	page, err := s.Line(t, 0).API.EventChangesWithResponse(t.Context(), nil)
	if err != nil || page.JSON200 == nil {
		t.Fatalf("read the change log: %+v %v", page, err)
	}
	epoch, err := line.ParseEpoch(page.JSON200.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	heartbeat, err := line.EncodeHeartbeat(line.Heartbeat{Epoch: epoch, LastSeq: page.JSON200.LastSeq, SentAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	// Without a heartbeat it would read the change log every second.
	awaitMessagesFlow(t, deaf)
	broker := deaf.Broker()
	broker.Publish(t, line.TypeHeartbeat, broker.Signed(t, line.TypeHeartbeat, amqp.Publishing{Body: heartbeat}))
	w := newWitness(t, deaf, 2)
	return w
}

// shuffle publishes copies of messages in random order, and stops bet-maker when it has handled
// all of them. It returns how often bet-maker had read the change log by then.
func shuffle(t *testing.T, s *system.System, messages map[string]amqp.Delivery, copies int) (polls float64) {
	t.Helper()
	publishings := make([]amqp.Publishing, 0, copies*len(messages))
	for range copies {
		for _, m := range messages {
			publishings = append(publishings, amqp.Publishing{
				Headers: m.Headers, MessageId: m.MessageId, Type: m.Type, ContentType: m.ContentType, DeliveryMode: m.DeliveryMode, Timestamp: m.Timestamp, Body: m.Body,
			})
		}
	}
	rand.Shuffle(len(publishings), func(i, j int) { publishings[i], publishings[j] = publishings[j], publishings[i] })
	// The queue keeps the order. When poison at its end has become a dead letter, bet-maker has
	// begun to handle all other messages, and finishes them before it stops.
	broker := s.Broker()
	broker.Publish(t, line.TypeChange, append(publishings, amqp.Publishing{MessageId: "the last", DeliveryMode: amqp.Persistent})...)
	system.Eventually(t, time.Minute, "bet-maker takes the messages", func() error {
		if broker.Waiting(t, broker.DeadQueue()) == 0 {
			return fmt.Errorf("%d are left", broker.Waiting(t, broker.Queue()))
		}
		return nil
	})
	polls = metric(t, s.BetMakers[0], "stavka_feed_polls_total")
	s.BetMakers[0].Stop()
	if left, dead := broker.Waiting(t, broker.Queue()), len(broker.Take(t, broker.DeadQueue())); left > 0 || dead != 1 {
		t.Errorf("%d messages are left and %d are dead, want none but the last", left, dead)
	}
	return polls
}

// everything returns all rows of bets and events.
func everything(t *testing.T, s *system.System) []string {
	t.Helper()
	return texts(t, s, `select 'bet ' || b::text from bets b union all select 'event ' || e::text from events e order by 1`)
}

// essence returns the final state of events and bets, without times and intermediate results.
func essence(t *testing.T, s *system.System) []string {
	t.Helper()
	return texts(t, s, `
		select 'bet ' || (v.key, dense_rank() over (order by b.user_id), b.event_id, b.stake, b.coefficient, b.event_version, b.status,
			b.payout, b.void_reason, b.settle_revision = e.settle_revision)::text
		from bets b join verdicts v on v.bet_id = b.id join events e on e.id = b.event_id
		union all
		select 'event ' || (id, dataset, seq, version, name, coefficient, deadline, state, suspended, result_revision, effective_at,
			created_at, updated_at, quarantined)::text
		from events
		order by 1`)
}

func texts(t *testing.T, s *system.System, query string) []string {
	t.Helper()
	rows, err := s.Database(t).Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// messagesPoisoned publishes poison between good messages.
func (private servers) messagesPoisoned(t *testing.T) {
	s := start(t, system.Options{Servers: private.urls(), Env: quick})
	w := newWitness(t, s, 2)
	broker, maker := s.Broker(), s.BetMakers[0]
	captured := broker.Capture(t)
	first := w.create("first", "1.45", time.Now().Add(time.Hour))
	var good []byte
	system.Eventually(t, allowed, "the first message is there", func() error {
		messages := broker.Take(t, captured)
		if len(messages) == 0 {
			return errors.New("it is not")
		}
		good = messages[0].Body
		return nil
	})
	replaced := func(what, by string) []byte {
		if bytes.Count(good, []byte(what)) != 1 {
			t.Fatalf("%s does not have %q exactly once", good, what)
		}
		return bytes.Replace(good, []byte(what), []byte(by), 1)
	}
	id := `"event_id":` + strconv.FormatInt(first, 10) + `,`
	poisons := map[string][]byte{
		"garbage":                 []byte("\x00\xff garbage"),
		"nothing":                 {},
		"XML":                     []byte(`<event id="1"/>`),
		"cut off":                 good[:len(good)/2],
		"another object":          []byte(`{"epoch":"d.1","last_seq":1,"sent_at":1}`),
		"a wrong state":           replaced(`"state":1`, `"state":5`),
		"a wrong type":            replaced(`"state":1`, `"state":"1"`),
		"three decimals":          replaced(`"coefficient":1.45`, `"coefficient":1.455`),
		"a coefficient below one": replaced(`"coefficient":1.45`, `"coefficient":0.99`),
		"no event":                replaced(id, `"event_id":0,`),
		"a member missing":        replaced(id, ``),
		"a member twice":          replaced(id, id+id),
		"no UTF-8":                replaced(`"name":"first"`, "\"name\":\"\xff\""),
		"oversize":                replaced(`"name":"first"`, `"name":"first","filler":"`+strings.Repeat("x", line.MaxBody)+`"`),
		"a result of no revision": replaced(`"state":1`, `"state":2`),
	}
	rounds := scaled(t, 30)
	var injected []string
	for round := range rounds {
		event := w.create(fmt.Sprintf("neighbour-%d", round), "1.45", time.Now().Add(time.Hour))
		w.place(round%2, fmt.Sprintf("neighbour-%d", round), event, "10")
		var batch []amqp.Publishing
		for what, body := range poisons {
			name := fmt.Sprintf("%s %d", what, round)
			injected = append(injected, name)
			batch = append(batch, broker.Signed(t, line.TypeChange, amqp.Publishing{
				MessageId: name, Type: line.TypeChange, ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body,
			}))
		}
		broker.Publish(t, line.TypeChange, batch[:len(batch)/2]...)
		broker.Publish(t, line.TypeHeartbeat, broker.Signed(t, line.TypeHeartbeat, amqp.Publishing{Body: []byte("garbage")}))
		w.finish(event, lineprovider.NewState{State: lineprovider.EventState(2 + round%3)})
		broker.Publish(t, line.TypeChange, batch[len(batch)/2:]...)
	}
	w.follow()
	awaitDeadLetters(t, s, injected)
	if n := metric(t, maker, "stavka_consumer_dead_lettered_total"); n != float64(len(injected)) {
		t.Errorf("%g dead letters were counted, %d were injected", n, len(injected))
	}
	if n, err := maker.Command("dead-letters", "count"); err != nil || n != fmt.Sprintln(len(injected)) {
		t.Errorf("dead-letters count printed %q %v, want %d", n, err, len(injected))
	}

	// The cause is not fixed, so they become dead letters again. A good message among them does not.
	broker.PublishTo(t, broker.DeadQueue(), broker.Signed(t, line.TypeChange, amqp.Publishing{
		MessageId: "good", ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: good,
	}))
	if said, err := maker.Command("dead-letters", "redrive"); err != nil || !strings.HasPrefix(said, strconv.Itoa(len(injected)+1)+" ") {
		t.Errorf("dead-letters redrive printed %q %v, want %d", said, err, len(injected)+1)
	}
	awaitDeadLetters(t, s, injected)
	if n := metric(t, maker, "stavka_consumer_dead_lettered_total"); n != 2*float64(len(injected)) {
		t.Errorf("%g dead letters were counted, %d were injected twice", n, len(injected))
	}
	system.Eventually(t, aftermath, "the dead letters are counted", func() error {
		if n := metric(t, maker, "stavka_dead_letters"); n != float64(len(injected)) {
			return fmt.Errorf("there are %g", n)
		}
		return nil
	})
	if state := readiness(t, s, maker); !state.Feed.Alive {
		t.Errorf("after the poison the readiness of bet-maker is %+v", state)
	}
	t.Logf("%d poisonous messages of %d kinds in the dead letters, once each", len(injected), len(poisons))
	broker.Take(t, broker.DeadQueue())
	w.check()
}

// awaitDeadLetters waits until the dead letters are these, each once.
func awaitDeadLetters(t *testing.T, s *system.System, want []string) {
	t.Helper()
	system.Eventually(t, aftermath, "the poison is in the dead letters", func() error {
		if n := s.Broker().Waiting(t, s.Broker().DeadQueue()); n < len(want) {
			return fmt.Errorf("%d of %d are", n, len(want))
		}
		return nil
	})
	awaitMessagesFlow(t, s)
	times := make(map[string]int)
	for _, letter := range s.Broker().Peek(t, s.Broker().DeadQueue()) {
		times[letter.MessageId]++
	}
	for _, id := range want {
		if times[id] != 1 {
			t.Errorf("%q is in the dead letters %d times", id, times[id])
		}
		delete(times, id)
	}
	if len(times) > 0 {
		t.Errorf("these are in the dead letters, too: %q", slices.Collect(maps.Keys(times)))
	}
}
