package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/config"
	"stavka.local/shared/line"
	"stavka.local/shared/line/rabbitmq/rabbitmqtest"
	"stavka.local/stavka/e2e/system"
)

// TestForgedMessages publishes messages with the broker's password and without the service token.
// In one process there is no broker, and nobody else can reach the bus.
func TestForgedMessages(t *testing.T) {
	t.Parallel()
	// Polls and heartbeats must not be what keeps bets from being paid.
	s := start(t, system.Options{Env: map[string]string{"RECONCILE_INTERVAL": "1h"}})
	broker, maker, user, lines := s.Broker(), s.BetMakers[0], s.NewUser(t, 0), s.Line(t, 0)
	captured := broker.Capture(t)
	event := lines.Create("1.45").EventID
	honest := takeMessage(t, broker, captured)
	awaitMessagesFlow(t, s)
	bet := user.Place(t, event, "10")
	before := user.Wallet(t)

	forged := honest
	forged.Body = replaceAll(t, honest.Body, `"state":1`, `"state":2`, `"result_revision":0`, `"result_revision":1`)
	later := forged
	later.Body = replaceAll(t, forged.Body, `"seq":1,`, `"seq":9000000000000000000,`)
	unsigned, foreign := later, rabbitmqtest.Signed(t, config.NewSecret(strings.Repeat("guess", 8)), line.TypeChange, later)
	unsigned.Headers = nil
	attacks := []amqp.Publishing{forged, later, unsigned, foreign}
	for _, attack := range attacks {
		broker.Publish(t, line.TypeChange, attack)  // to the watchers, too
		broker.PublishTo(t, broker.Queue(), attack) // to the shared queue alone
	}
	epoch, _, _ := strings.Cut(honest.MessageId, ":")
	beat := fmt.Sprintf(`{"epoch":%q,"last_seq":9000000000000000000,"sent_at":%d}`, epoch, time.Now().UnixMilli())
	broker.Publish(t, line.TypeHeartbeat, amqp.Publishing{Body: []byte(beat)})

	system.Eventually(t, aftermath, "the forged messages are dead-lettered and counted", func() error {
		if got := user.Bet(t, bet.ID); got.Status != betmaker.BetStatusPending {
			t.Fatalf("forged results have settled the bet: %+v", got)
		}
		dead, counted := broker.Waiting(t, broker.DeadQueue()), metric(t, maker, "stavka_consumer_forged_total")
		// Each attack on the exchange is seen by the shared queue and by the watcher; with the heartbeat.
		if want := 2 * len(attacks); dead != want || counted != float64(want+len(attacks)+1) {
			return fmt.Errorf("%d dead letters, %g counted, want %d and %d", dead, counted, want, want+len(attacks)+1)
		}
		return nil
	})
	if n := metric(t, maker, "stavka_consumer_dead_lettered_total"); n != float64(2*len(attacks)) {
		t.Errorf("%g messages were dead-lettered, want %d: each once", n, 2*len(attacks))
	}
	if got := user.Wallet(t); got != before {
		t.Errorf("the wallet is %+v, and was %+v", got, before)
	}
	if state := readiness(t, s, maker); !state.Feed.Alive {
		t.Errorf("after the forged heartbeat the readiness of bet-maker is %+v", state)
	}
	if log := maker.Log(); !strings.Contains(log, `level=WARN msg="a forged message goes to the dead letters"`) || strings.Contains(log, "9000000000000000000") {
		t.Error("the log does not warn of forged messages, or shows what is in them")
	}

	// Honest messages go on.
	user.Place(t, event, "5")
	lines.Finish(event, lineprovider.EventStateFinishedLose)
	user.AwaitStatus(t, bet.ID, betmaker.BetStatusLost, allowed)

	// So does the world when somebody sends an old honest message again.
	after := user.Wallet(t)
	for range 20 {
		broker.Publish(t, line.TypeChange, honest)
	}
	awaitMessagesFlow(t, s)
	if got := user.Wallet(t); got != after {
		t.Errorf("an old message has changed the wallet to %+v, it was %+v", got, after)
	}
	if got := user.Bet(t, bet.ID); got.Status != betmaker.BetStatusLost || got.SettleRevision != 1 {
		t.Errorf("an old message has changed the bet: %+v", got)
	}
	if n := broker.Waiting(t, broker.DeadQueue()); n != 2*len(attacks) {
		t.Errorf("%d dead letters, want the %d forged messages", n, 2*len(attacks))
	}
	s.VerifyLedger(t)
}

// TestEventAheadOfTheLine publishes a result with the service token, too. It is what a forged message
// did before messages were signed: it pays. The next poll finds it, and an operator takes it back.
func TestEventAheadOfTheLine(t *testing.T) {
	t.Parallel()
	s := start(t, system.Options{Env: map[string]string{"RECONCILE_INTERVAL": "5s"}})
	broker, maker, user, lines := s.Broker(), s.BetMakers[0], s.NewUser(t, 0), s.Line(t, 0)
	captured := broker.Capture(t)
	event := lines.Create("1.45").EventID
	message := takeMessage(t, broker, captured)
	awaitMessagesFlow(t, s)
	bet := user.Place(t, event, "10")
	before := user.Wallet(t)

	message.Body = replaceAll(t, message.Body, `"state":1`, `"state":2`, `"result_revision":0`, `"result_revision":1`, `"seq":1,`, `"seq":9000000000000000000,`)
	broker.Publish(t, line.TypeChange, broker.Signed(t, line.TypeChange, message))
	if won := user.AwaitStatus(t, bet.ID, betmaker.BetStatusWon, allowed); won.Payout == nil || won.Payout.String() != "14.50" {
		t.Errorf("the bet is %+v, and the story needs it to be paid", won)
	}
	system.Eventually(t, aftermath, "the event is in quarantine", func() error {
		if n := metric(t, maker, "stavka_events_quarantined_total"); n != 1 {
			return fmt.Errorf("%g events are", n)
		}
		return nil
	})
	if log := maker.Log(); !strings.Contains(log, `level=ERROR msg="an event is ahead of the line's change log`) {
		t.Error("the log does not say so")
	}
	refused(t, s, placing(user, event, "1"), http.StatusConflict, "event_closed") // it has a result

	if said, err := maker.Command("events", "resolve", fmt.Sprint(event), "--adopt"); err != nil {
		t.Fatalf("events resolve printed %q: %v", said, err)
	}
	user.AwaitStatus(t, bet.ID, betmaker.BetStatusPending, aftermath)
	if got := user.Wallet(t); got != before {
		t.Errorf("the wallet is %+v, and was %+v", got, before)
	}
	user.Place(t, event, "1")
	lines.Finish(event, lineprovider.EventStateFinishedLose)
	user.AwaitStatus(t, bet.ID, betmaker.BetStatusLost, allowed)
	if n := metric(t, maker, "stavka_events_quarantined_total"); n != 1 {
		t.Errorf("%g events were put into quarantine, want the one", n)
	}
	s.VerifyLedger(t)
}

// takeMessage returns the next captured message, as it can be published again.
func takeMessage(t *testing.T, broker system.Broker, captured string) (message amqp.Publishing) {
	t.Helper()
	system.Eventually(t, allowed, "the change is published", func() error {
		taken := broker.Take(t, captured)
		if len(taken) != 1 {
			return errors.New("it is not")
		}
		m := taken[0]
		message = amqp.Publishing{
			Headers: m.Headers, MessageId: m.MessageId, Type: m.Type, ContentType: m.ContentType, DeliveryMode: m.DeliveryMode,
			Timestamp: m.Timestamp, Body: m.Body,
		}
		return nil
	})
	return message
}

// replaceAll replaces texts that occur once, given as pairs of old and new.
func replaceAll(t *testing.T, body []byte, pairs ...string) []byte {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if bytes.Count(body, []byte(pairs[i])) != 1 {
			t.Fatalf("%s does not have %q exactly once", body, pairs[i])
		}
		body = bytes.Replace(body, []byte(pairs[i]), []byte(pairs[i+1]), 1)
	}
	return body
}
