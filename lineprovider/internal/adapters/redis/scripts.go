package redis

import (
	_ "embed" // the scripts
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/line"
)

//go:embed lua/prelude.lua
var prelude string

//go:embed lua/lookup.lua
var lookupSource string

//go:embed lua/create.lua
var createSource string

//go:embed lua/recall.lua
var recallSource string

//go:embed lua/apply.lua
var applySource string

//go:embed lua/events.lua
var eventsSource string

//go:embed lua/history.lua
var historySource string

//go:embed lua/changes.lua
var changesSource string

//go:embed lua/published.lua
var publishedSource string

//go:embed lua/head.lua
var headSource string

//go:embed lua/hold.lua
var holdSource string

//go:embed lua/release.lua
var releaseSource string

var (
	lookupScript    = redis.NewScript(prelude + lookupSource)
	createScript    = redis.NewScript(prelude + createSource)
	recallScript    = redis.NewScript(prelude + recallSource)
	applyScript     = redis.NewScript(prelude + applySource)
	eventsScript    = redis.NewScript(prelude + eventsSource)
	historyScript   = redis.NewScript(prelude + historySource)
	changesScript   = redis.NewScript(prelude + changesSource)
	publishedScript = redis.NewScript(prelude + publishedSource)
	headScript      = redis.NewScript(prelude + headSource)
	holdScript      = redis.NewScript(holdSource)
	releaseScript   = redis.NewScript(releaseSource)
)

// keys are the names of all keys. They share one slot: a cluster hashes the part between the braces,
// and the whole name of H, which has none.
type keys struct {
	events, maxID, seq, epoch, ids, changes, published, lease, barrier string

	prefix string
}

// ownKeys are the names that a configured key must not have.
var ownKeys = []string{"seq", "epoch", "ids", "changes", "published", "lease", "barrier"}

func newKeys(hashName, maxIDKey string) keys {
	prefix := "{" + hashName + "}:"
	return keys{
		events:    hashName,
		maxID:     prefix + maxIDKey,
		seq:       prefix + "seq",
		epoch:     prefix + "epoch",
		ids:       prefix + "ids",
		changes:   prefix + "changes",
		published: prefix + "published",
		lease:     prefix + "lease",
		barrier:   prefix + "barrier",
		prefix:    prefix,
	}
}

// with returns the keys of a script with the prelude.
func (k keys) with(others ...string) []string {
	return append([]string{k.epoch, k.seq, k.maxID, k.events}, others...)
}

func (k keys) state(s domain.State) string { return k.prefix + "state:" + strconv.Itoa(int(s)) }

func (k keys) historyPrefix() string { return k.prefix + "history:" }

func (k keys) history(id domain.EventID) string { return k.historyPrefix() + id.String() }

func (k keys) request(id string) string { return k.prefix + "request:" + id }

func (k keys) idempotency(hash string) string { return k.prefix + "idempotency:" + hash }

// errReply means that a script returned an unexpected reply.
var errReply = errors.New("unexpected reply of a script")

// reply decodes the values of a script's reply, from front to back. After the first error its
// methods return zero values, and done returns the error.
type reply struct {
	values []string
	err    error
}

func (r *reply) more() bool { return r.err == nil && len(r.values) > 0 }

func (r *reply) text() string {
	if !r.more() {
		r.fail(errReply)
		return ""
	}
	value := r.values[0]
	r.values = r.values[1:]
	return value
}

func (r *reply) number() int64 {
	text := r.text()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.fail(fmt.Errorf("%w: %.20q is not a number", errReply, text))
		return 0
	}
	return n
}

func (r *reply) epoch() line.Epoch {
	return line.Epoch{Dataset: r.text(), Generation: r.number()}
}

func (r *reply) event() domain.Event {
	id, version, seq, body := r.number(), r.number(), r.number(), r.text()
	if r.err != nil {
		return domain.Event{}
	}
	event, err := decodeEvent(body)
	if err != nil {
		r.fail(fmt.Errorf("event %d: %w", id, err))
		return domain.Event{}
	}
	event.ID, event.Version, event.Seq = domain.EventID(id), version, seq
	return event
}

func (r *reply) events() []domain.Event {
	var events []domain.Event
	for r.more() {
		events = append(events, r.event())
	}
	return events
}

func (r *reply) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// done returns the first error. Values that are left over are an error, too.
func (r *reply) done() error {
	if r.more() {
		r.fail(fmt.Errorf("%w: %d values too many", errReply, len(r.values)))
	}
	return r.err
}
