package rabbitmq

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stavka.local/shared/config"
	"stavka.local/shared/line"
)

// Options configures a Publisher or a Subscriber. URL and Tokens must be set; every other
// field has the default that its comment names.
type Options struct {
	// URL is amqp://user:password@host:port/vhost, or amqps://. It is never logged.
	URL string
	// Tokens are the service tokens, at least one. A Publisher signs messages under the first,
	// and a Subscriber accepts messages that are signed under any of them.
	Tokens []config.Secret
	// Name identifies the connections of this program in the broker's listings.
	// Default "stavka".
	Name string
	// Exchange is the name of the topic exchange. The exchange for dead letters has the
	// suffix ".dead". Default "line".
	Exchange string
	// Queue is the name of the durable queue that consumers share. The queue of dead letters
	// has the suffix ".dead". Default "event_status_updates".
	Queue string
	// FeedTimeout is how long a heartbeat may wait in a queue. Default 5 s.
	FeedTimeout time.Duration
	// Prefetch is how many deliveries one consumer may hold. Default 64.
	Prefetch int
	// Workers is how many deliveries one consumer handles concurrently. Default 4.
	Workers int
	// PublishTimeout bounds PublishChange in addition to its context. Default 10 s.
	PublishTimeout time.Duration
	// DrainTimeout is how long a handler may continue after its subscription has ended or
	// lost its connection. Then its context ends. Default 10 s.
	DrainTimeout time.Duration
	// ConnectTimeout bounds dialling with its handshakes, setting up the channels, and each
	// write to the socket. Default 10 s.
	ConnectTimeout time.Duration
	// HeartbeatInterval is the heartbeat of the AMQP connection, in whole seconds. A dead
	// peer is noticed after one and a half intervals. Default 10 s.
	HeartbeatInterval time.Duration
	// RetryMin and RetryMax bound the growing pauses between attempts to connect and between
	// attempts to handle a delivery. Default 100 ms and 5 s.
	RetryMin, RetryMax time.Duration
	// Logger defaults to slog.Default().
	Logger *slog.Logger
	// Hooks are called on events that are worth counting.
	Hooks Hooks
}

// Hooks are called on events that are worth counting. Any of them may be nil. They are
// called from many goroutines and must return at once.
type Hooks struct {
	// Connected is called when the connection of that name comes up, and when it goes down
	// after that. The names are "publisher", "changes", "changes-watch" and
	// "heartbeats-watch".
	Connected func(connection string, up bool)
	// DeadLettered is called when ConsumeChanges has rejected a delivery.
	DeadLettered func()
	// Forged is called with the name of the connection over which a message came that is not
	// signed under one of the Tokens. ConsumeChanges dead-letters it, the others skip it.
	Forged func(connection string)
	// Redelivered is called when ConsumeChanges gets a delivery that the broker has delivered
	// before.
	Redelivered func()
	// Paused is called when the number of deliveries changes that ConsumeChanges holds
	// because their handler returned an error and will be called again.
	Paused func(deliveries int)
}

// withDefaults returns the options with their defaults, or an error that names every problem.
func (o Options) withDefaults() (Options, error) {
	orDefault(&o.Name, "stavka")
	orDefault(&o.Exchange, "line")
	orDefault(&o.Queue, "event_status_updates")
	orDefault(&o.FeedTimeout, 5*time.Second)
	orDefault(&o.Prefetch, 64)
	orDefault(&o.Workers, 4)
	orDefault(&o.PublishTimeout, 10*time.Second)
	orDefault(&o.DrainTimeout, 10*time.Second)
	orDefault(&o.ConnectTimeout, 10*time.Second)
	orDefault(&o.HeartbeatInterval, 10*time.Second)
	orDefault(&o.RetryMin, 100*time.Millisecond)
	orDefault(&o.RetryMax, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Hooks.Connected == nil {
		o.Hooks.Connected = func(string, bool) {}
	}
	if o.Hooks.DeadLettered == nil {
		o.Hooks.DeadLettered = func() {}
	}
	if o.Hooks.Forged == nil {
		o.Hooks.Forged = func(string) {}
	}
	if o.Hooks.Redelivered == nil {
		o.Hooks.Redelivered = func() {}
	}
	if o.Hooks.Paused == nil {
		o.Hooks.Paused = func(int) {}
	}

	var problems []error
	// The library's error is dropped because it repeats the URL with the password.
	if _, err := amqp.ParseURI(o.URL); err != nil {
		problems = append(problems, errors.New("the URL is not of the form amqp://user:password@host:port/vhost "+
			"(reserved characters in user, password and vhost must be percent-encoded)"))
	}
	if _, err := o.keys(); err != nil {
		problems = append(problems, err)
	}
	for _, field := range []struct {
		name           string
		value, minimum time.Duration
	}{
		{"FeedTimeout", o.FeedTimeout, time.Millisecond},
		{"PublishTimeout", o.PublishTimeout, time.Millisecond},
		{"DrainTimeout", o.DrainTimeout, time.Millisecond},
		{"ConnectTimeout", o.ConnectTimeout, time.Millisecond},
		{"HeartbeatInterval", o.HeartbeatInterval, time.Second},
		{"RetryMin", o.RetryMin, time.Millisecond},
		{"RetryMax", o.RetryMax, o.RetryMin},
	} {
		if field.value < field.minimum {
			problems = append(problems, fmt.Errorf("%s of %v is less than %v", field.name, field.value, field.minimum))
		}
	}
	if o.Prefetch < 1 || o.Prefetch > 65535 {
		problems = append(problems, fmt.Errorf("a prefetch of %d is not between 1 and 65535", o.Prefetch))
	}
	if o.Workers < 1 {
		problems = append(problems, fmt.Errorf("%d workers is less than 1", o.Workers))
	}
	if len(problems) > 0 {
		return Options{}, fmt.Errorf("rabbitmq: %w", errors.Join(problems...))
	}
	return o, nil
}

// keys returns the keys of the Tokens.
func (o Options) keys() (*line.Keys, error) {
	tokens := make([]string, len(o.Tokens))
	for i, token := range o.Tokens {
		tokens[i] = token.Reveal()
	}
	return line.NewKeys(tokens...)
}

func orDefault[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}
