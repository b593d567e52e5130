package rabbitmq

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Options is what a Publisher or a Subscriber needs to know. Only URL must be
// set; every other field has a default, named with it.
type Options struct {
	// URL is amqp://user:password@host:port/vhost, or amqps://. It is never logged.
	URL string
	// Name tells this program's connections apart in the broker's listings.
	// Default "stavka".
	Name string
	// Exchange is the topic exchange; its name followed by ".dead" is the exchange
	// for dead letters. Default "line".
	Exchange string
	// Queue is the durable queue that consumers share; its name followed by ".dead"
	// is the queue of dead letters. Default "event_status_updates".
	Queue string
	// FeedTimeout is how long a heartbeat is worth delivering. Default 10 s.
	FeedTimeout time.Duration
	// Prefetch is how many deliveries one consumer may hold. Default 64.
	Prefetch int
	// Workers is how many deliveries one consumer handles at a time. Default 4.
	Workers int
	// PublishTimeout bounds PublishChange in addition to its context. Default 10 s.
	PublishTimeout time.Duration
	// DrainTimeout is how long a handler may go on after its subscription has ended
	// or lost its connection; then its context ends. Default 10 s.
	DrainTimeout time.Duration
	// ConnectTimeout bounds each of: dialling with the handshakes, setting up the
	// channels, and any one write to the socket. Default 10 s.
	ConnectTimeout time.Duration
	// HeartbeatInterval is that of the AMQP connection: a dead peer is noticed after
	// one and a half of it. Whole seconds. Default 10 s.
	HeartbeatInterval time.Duration
	// RetryMin and RetryMax bound the growing pauses between attempts to connect and
	// between attempts to handle a delivery. Default 100 ms and 5 s.
	RetryMin, RetryMax time.Duration
	// Logger defaults to slog.Default().
	Logger *slog.Logger
	// Hooks are told what happens.
	Hooks Hooks
}

// Hooks are called when something worth counting happens. Any of them may be nil.
// They are called from many goroutines and must return at once.
type Hooks struct {
	// Connected tells that the connection of that name is up or, after it was, down.
	// The names are "publisher", "changes", "changes-watch" and "heartbeats-watch".
	Connected func(connection string, up bool)
	// DeadLettered tells that ConsumeChanges has rejected a delivery.
	DeadLettered func()
	// Redelivered tells that ConsumeChanges got a delivery the broker had handed out
	// before.
	Redelivered func()
	// Paused tells how many deliveries ConsumeChanges now holds whose handler
	// returned an error and will be called again.
	Paused func(deliveries int)
}

// withDefaults returns the options complete, or all that is wrong with them.
func (o Options) withDefaults() (Options, error) {
	orDefault(&o.Name, "stavka")
	orDefault(&o.Exchange, "line")
	orDefault(&o.Queue, "event_status_updates")
	orDefault(&o.FeedTimeout, 10*time.Second)
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
	if o.Hooks.Redelivered == nil {
		o.Hooks.Redelivered = func() {}
	}
	if o.Hooks.Paused == nil {
		o.Hooks.Paused = func(int) {}
	}

	var problems []error
	// The library's error repeats the URL, and with it the password.
	if _, err := amqp.ParseURI(o.URL); err != nil {
		problems = append(problems, errors.New("the URL is not of the form amqp://user:password@host:port/vhost "+
			"(reserved characters in user, password and vhost must be percent-encoded)"))
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
		problems = append(problems, fmt.Errorf("%d workers are less than 1", o.Workers))
	}
	if len(problems) > 0 {
		return Options{}, fmt.Errorf("rabbitmq: %w", errors.Join(problems...))
	}
	return o, nil
}

func orDefault[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}
