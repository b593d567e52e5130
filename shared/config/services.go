package config

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// DefaultServiceToken is the service token when none is configured. It is public, and
// refused in production.
const DefaultServiceToken = "f3fb8928bad49887d2089f5ad04c2cb634bb1980db77fc8c3b111edad34f4eb7" //nolint:gosec // see above

// Bus reads the variables that locate the message bus: RABBITMQ_URL, or else RABBIT_HOST
// and RABBIT_PORT with the user that every new RabbitMQ has; the exchange of all
// messages; and the queue that all replicas of bet-maker read.
func (r *Reader) Bus() (address Secret, exchange, queue string) {
	host := r.String("RABBIT_HOST", "127.0.0.1",
		"The host of RabbitMQ when RABBITMQ_URL is not set; the user and the password are guest then.")
	port := r.Int("RABBIT_PORT", 5672, 1, 65535, "The port of RabbitMQ when RABBITMQ_URL is not set.")
	if !isHost(host) && !r.IsSet("RABBITMQ_URL") {
		r.notHost("RABBIT_HOST")
		host = "127.0.0.1"
	}
	guest := "amqp://guest:guest@" + net.JoinHostPort(host, strconv.Itoa(port)) + "/"
	if r.production && !r.IsSet("RABBITMQ_URL") {
		r.Problemf("RABBITMQ_URL", "is not set, and the password of guest is public")
	}
	address = r.URL("RABBITMQ_URL", guest, []string{"amqp", "amqps"},
		"The URL of RabbitMQ. It overrides RABBIT_HOST and RABBIT_PORT, and is required in production.")
	login, err := amqp.ParseURI(address.Reveal()) // which fills in the user and the password of guest
	if err != nil {                               // its text quotes the URL
		r.Problemf("RABBITMQ_URL", "is not of the form amqp://user:password@host:port/vhost, with reserved characters percent-encoded")
	} else {
		r.Login("RABBITMQ_URL", busLogin(login))
	}
	exchange = r.busName("RABBIT_EXCHANGE", "line", "The exchange that line-provider publishes all messages to.")
	queue = r.busName("RABBIT_QUEUE", "event_status_updates",
		"The durable queue that all replicas of bet-maker share. Its dead letters are in the queue of this name and .dead.")
	return address, exchange, queue
}

// busLogin returns what a URL of RabbitMQ signs in with.
func busLogin(u amqp.URI) Login {
	usesPassword := func(mechanism string) bool { return !strings.EqualFold(mechanism, "EXTERNAL") }
	if len(u.AuthMechanism) > 0 && !slices.ContainsFunc(u.AuthMechanism, usesPassword) {
		return Login{Otherwise: true} // by a certificate
	}
	return Login{User: u.Username, Password: u.Password}
}

// longestBusName leaves room for suffixes in the 255 bytes that AMQP has for a name.
const longestBusName = 200

// busName reads the name of an exchange or a queue.
func (r *Reader) busName(name, def, meaning string) string {
	text := r.String(name, def, meaning)
	switch {
	case strings.HasPrefix(text, "amq."):
		r.Problemf(name, "%s begins with amq., which RabbitMQ keeps for itself", Quote(text))
	case len(text) > longestBusName:
		r.Problemf(name, "is longer than %d bytes", longestBusName)
	default:
		return text
	}
	return def
}

// Host reads a host name or an IP address, without a port.
func (r *Reader) Host(name, def, meaning string) string {
	host := r.String(name, def, meaning)
	if isHost(host) {
		return host
	}
	r.notHost(name)
	return def
}

// notHost reports the problem of a host. It may be a URL with a password, so it is not shown.
func (r *Reader) notHost(name string) { r.Problemf(name, "is neither a host name nor an IP address") }

var hostName = regexp.MustCompile(`^[0-9A-Za-z_]([0-9A-Za-z_.-]*[0-9A-Za-z_.])?$`)

// isHost reports whether text is a host name or an IP address, without a port.
func isHost(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Zone() == "" || len(text) <= 253 && hostName.MatchString(text)
}

// MetricsAddress reads where a service serves its metrics. The name differs for services that share a
// process, because they cannot share an address.
func (r *Reader) MetricsAddress(name string) string {
	return r.Address(name, "", "Where the service serves its metrics, on a listener of their own. Empty for /metrics beside the API.")
}

// ServiceTokens reads the tokens that line-provider accepts, and under which bet-maker accepts
// messages. The first is the one that bet-maker sends and line-provider signs under. More than
// one make it possible to replace a token.
func (r *Reader) ServiceTokens() []Secret {
	return r.SecretList("LINE_PROVIDER_TOKEN", DefaultServiceToken, 32,
		"The bearer token that line-provider requires, or several, separated by commas: line-provider accepts all of them, bet-maker sends the first. "+
			"line-provider signs messages under the first, and bet-maker accepts those signed under any. The same list on both services.")
}

// Connections reads the bounds of open HTTP connections, of all clients and of one address; 0 for no
// bound.
func (r *Reader) Connections() (all, perAddress int) {
	all = r.Int("MAX_CONNECTIONS", 16384, 0, 10_000_000,
		"How many HTTP connections each service keeps open; 0 for as many as the limit of open files allows. "+
			"For a new one beyond that, the connection that has waited longest for a request is closed.")
	perAddress = r.Int("MAX_CONNECTIONS_PER_ADDRESS", 4096, 0, 10_000_000,
		"The same for the connections from one address (IPv6: from one /64); 0 for no bound. The addresses in TRUSTED_PROXIES have no such bound.")
	return all, perAddress
}

// TrustedProxies reads the addresses and networks of the proxies whose word about a client is believed.
func (r *Reader) TrustedProxies() []netip.Prefix {
	return r.Networks("TRUSTED_PROXIES",
		"The addresses and networks of proxies, separated by commas, whose X-Forwarded-For is believed when failed logins are "+
			"counted by address, and when the log and the audit log name a client. They may have any number of connections.")
}

// FeedHeartbeat reads the time between two heartbeats of line-provider.
func (r *Reader) FeedHeartbeat() time.Duration {
	return r.Duration("FEED_HEARTBEAT", 2*time.Second, 100*time.Millisecond, time.Minute,
		"The time between two heartbeats of line-provider, which bet-maker expects.")
}
