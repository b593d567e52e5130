package line

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"stavka.local/shared/odds"
)

// The types of the messages. An adapter may use them as routing keys.
const (
	TypeChange    = "event.changed"
	TypeHeartbeat = "feed.alive"
)

// MaxBody is the greatest size of a message in bytes. The codec refuses a larger one unread, so
// that it costs a consumer nothing.
const MaxBody = 64 << 10

// maxUnix is the last second of the year 9999, the last one that every store and text form can
// hold.
const maxUnix = 253402300799

// minHundredths is 1.00. Lower odds would return less than the stake.
const minHundredths = 100

// changeBody is the body of event.changed: an event as line-provider's HTTP API answers it, and the
// epoch.
type changeBody struct {
	Epoch          string       `json:"epoch"`
	EventID        int64        `json:"event_id"`
	Coefficient    odds.Decimal `json:"coefficient"`
	Deadline       int64        `json:"deadline"`
	State          State        `json:"state"`
	CreateDate     int64        `json:"create_date"`
	UpdateDate     int64        `json:"update_date"`
	Name           *string      `json:"name"`
	Suspended      bool         `json:"suspended"`
	Version        int64        `json:"version"`
	Seq            int64        `json:"seq"`
	ResultRevision int64        `json:"result_revision"`
	EffectiveAt    *int64       `json:"effective_at"`
	RecordedAt     int64        `json:"recorded_at,omitzero"`
}

// heartbeatBody is the body of feed.alive.
type heartbeatBody struct {
	Epoch   string `json:"epoch"`
	LastSeq int64  `json:"last_seq"`
	SentAt  int64  `json:"sent_at"`
}

// EncodeChange returns the body of the message event.changed: one JSON object, instants in Unix
// seconds, except recorded_at, the coefficient a number with two decimals, an empty name and a missing
// effective_at as null. Without a result it has no recorded_at.
//
// It refuses a change that DecodeChange would refuse, with an error that is ErrPoison and names the
// member: such a change must not reach the bus, and a retry cannot help. Instants are truncated to
// seconds, recorded_at to milliseconds.
func EncodeChange(change Change) ([]byte, error) {
	event := change.Event
	body := changeBody{
		Epoch:          change.Epoch.String(),
		EventID:        event.ID,
		Coefficient:    event.Coefficient,
		Deadline:       event.Deadline.Unix(),
		State:          event.State,
		CreateDate:     event.CreatedAt.Unix(),
		UpdateDate:     event.UpdatedAt.Unix(),
		Suspended:      event.Suspended,
		Version:        event.Version,
		Seq:            event.Seq,
		ResultRevision: event.ResultRevision,
	}
	if event.Name != "" {
		body.Name = &event.Name
	}
	if !event.EffectiveAt.IsZero() {
		at := event.EffectiveAt.Unix()
		body.EffectiveAt = &at
	}
	if !event.RecordedAt.IsZero() {
		body.RecordedAt = event.RecordedAt.UnixMilli()
	}
	if !utf8.ValidString(event.Name) {
		return nil, fmt.Errorf("encode %s: %w", TypeChange, poison("name", "not UTF-8"))
	}
	text, err := encode(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", TypeChange, err)
	}
	// The rules are only in the decoder: a body that it can read is valid.
	if _, err := DecodeChange(text); err != nil {
		return nil, fmt.Errorf("encode %s: %w", TypeChange, err)
	}
	return text, nil
}

// DecodeChange reads the body of the message event.changed.
//
// It is strict, because a misread change settles bets wrongly: every member must occur once with
// its type and a possible value. Only recorded_at may be missing, because older line-providers do not
// send it. Numbers are read from their digits. An error is ErrPoison and names the member and the reason. Unknown members are ignored, because older consumers must read
// the messages of a newer line-provider during an upgrade.
func DecodeChange(body []byte) (Change, error) {
	m, err := readMembers(body)
	if err != nil {
		return Change{}, fmt.Errorf("decode %s: %w", TypeChange, err)
	}
	change := Change{Epoch: m.epoch("epoch"), Event: m.event()}
	if m.err != nil {
		return Change{}, fmt.Errorf("decode %s: %w", TypeChange, m.err)
	}
	return change, nil
}

// DecodeEvent reads an event as line-provider's HTTP API answers it, by the same strict rules as
// DecodeChange. The API gives the epoch elsewhere, so an event that has a member epoch is refused.
func DecodeEvent(epoch Epoch, body []byte) (Change, error) {
	m, err := readMembers(body)
	if err != nil {
		return Change{}, fmt.Errorf("decode an event: %w", err)
	}
	if _, ok := m.raw["epoch"]; ok {
		m.fail("epoch", "not a member of an event")
	}
	change := Change{Epoch: epoch, Event: m.event()}
	if m.err != nil {
		return Change{}, fmt.Errorf("decode an event: %w", m.err)
	}
	return change, nil
}

// EncodeHeartbeat returns the body of the message feed.alive: one JSON object, sent_at in Unix
// milliseconds. It refuses a heartbeat that DecodeHeartbeat would refuse, with an error that is
// ErrPoison.
func EncodeHeartbeat(heartbeat Heartbeat) ([]byte, error) {
	text, err := encode(heartbeatBody{
		Epoch:   heartbeat.Epoch.String(),
		LastSeq: heartbeat.LastSeq,
		SentAt:  heartbeat.SentAt.UnixMilli(),
	})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", TypeHeartbeat, err)
	}
	if _, err := DecodeHeartbeat(text); err != nil {
		return nil, fmt.Errorf("encode %s: %w", TypeHeartbeat, err)
	}
	return text, nil
}

// DecodeHeartbeat reads the body of the message feed.alive by the same strict
// rules as DecodeChange.
func DecodeHeartbeat(body []byte) (Heartbeat, error) {
	m, err := readMembers(body)
	if err != nil {
		return Heartbeat{}, fmt.Errorf("decode %s: %w", TypeHeartbeat, err)
	}
	heartbeat := Heartbeat{
		Epoch:   m.epoch("epoch"),
		LastSeq: m.integer("last_seq", 0),
		SentAt:  m.instantMilli("sent_at"),
	}
	if m.err != nil {
		return Heartbeat{}, fmt.Errorf("decode %s: %w", TypeHeartbeat, m.err)
	}
	return heartbeat, nil
}

// encode returns body as JSON without escaping the characters that matter only in HTML.
func encode(body any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// poison returns the error for the named member; an empty name stands for the body as a whole.
func poison(name, reason string, args ...any) error {
	reason = fmt.Sprintf(reason, args...)
	if name == "" {
		return fmt.Errorf("%w: %s", ErrPoison, reason)
	}
	return fmt.Errorf("%w: %s: %s", ErrPoison, name, reason)
}

func tooLarge(body []byte) error {
	return poison("", "%d bytes are more than %d", len(body), MaxBody)
}

// members holds the undecoded members of a JSON object and the first problem in reading them. After
// a problem the methods return zero values.
type members struct {
	raw map[string]string
	err error
}

// readMembers splits body, which must be one JSON object in UTF-8 without duplicate names.
//
// encoding/json takes the last of two equal names, ignores the case of names and replaces invalid
// UTF-8: a message could then mean one thing to us and another to other readers.
func readMembers(body []byte) (*members, error) {
	switch {
	case len(body) > MaxBody:
		return nil, tooLarge(body)
	case !utf8.Valid(body):
		return nil, poison("", "not UTF-8")
	case !json.Valid(body):
		return nil, poison("", "not one JSON value")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, poison("", "not a JSON object")
	}
	m := &members{raw: make(map[string]string)}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, poison("", "%v", err)
		}
		name, _ := token.(string)
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, poison("", "%v", err)
		}
		if _, twice := m.raw[name]; twice {
			return nil, poison(strconv.QuoteToASCII(shorten(name)), "occurs twice")
		}
		m.raw[name] = string(value)
	}
	return m, nil
}

// value returns the text of a member and whether it can be read.
func (m *members) value(name string) (string, bool) {
	if m.err != nil {
		return "", false
	}
	text, ok := m.raw[name]
	if !ok {
		m.err = poison(name, "missing")
	}
	return text, ok
}

func (m *members) fail(name, reason string, args ...any) {
	m.err = poison(name, reason, args...)
}

// integer reads a whole number of at least minimum, which must not be negative, in plain digits.
// 1.0 and 1e3 are whole too, but the contract excludes them.
func (m *members) integer(name string, minimum int64) int64 {
	text, ok := m.value(name)
	if !ok {
		return 0
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			m.fail(name, "%s is not a whole number in digits", shorten(text))
			return 0
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		m.fail(name, "%s does not fit 64 bits", shorten(text))
		return 0
	}
	if n < minimum {
		m.fail(name, "%d is less than %d", n, minimum)
		return 0
	}
	return n
}

// event reads the members of an event.
func (m *members) event() Event {
	return Event{
		ID:             m.integer("event_id", 1),
		Coefficient:    m.coefficient("coefficient"),
		Deadline:       m.instant("deadline"),
		State:          m.state("state"),
		CreatedAt:      m.instant("create_date"),
		UpdatedAt:      m.instant("update_date"),
		Name:           m.nameOrNull("name"),
		Suspended:      m.boolean("suspended"),
		Version:        m.integer("version", 1),
		Seq:            m.integer("seq", 1),
		ResultRevision: m.integer("result_revision", 0),
		EffectiveAt:    m.instantOrNull("effective_at"),
		RecordedAt:     m.instantMilliOrNone("recorded_at"),
	}
}

func (m *members) instant(name string) time.Time {
	seconds := m.integer(name, 0)
	if m.err == nil && seconds > maxUnix {
		m.fail(name, "%d is beyond the year 9999", seconds)
	}
	if m.err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

func (m *members) instantMilli(name string) time.Time {
	milliseconds := m.integer(name, 0)
	if m.err == nil && milliseconds/1000 > maxUnix {
		m.fail(name, "%d is beyond the year 9999", milliseconds)
	}
	if m.err != nil {
		return time.Time{}
	}
	return time.UnixMilli(milliseconds).UTC()
}

func (m *members) instantOrNull(name string) time.Time {
	if text, ok := m.value(name); !ok || text == "null" {
		return time.Time{}
	}
	return m.instant(name)
}

// instantMilliOrNone reads an instant that may be missing or null.
func (m *members) instantMilliOrNone(name string) time.Time {
	if text, ok := m.raw[name]; !ok || text == "null" {
		return time.Time{}
	}
	return m.instantMilli(name)
}

// text reads a JSON string.
func (m *members) text(name string) string {
	raw, ok := m.value(name)
	if !ok {
		return ""
	}
	if raw[0] != '"' {
		m.fail(name, "%s is not a string", shorten(raw))
		return ""
	}
	var text string
	if err := json.Unmarshal([]byte(raw), &text); err != nil {
		m.fail(name, "%v", err)
		return ""
	}
	return text
}

// nameOrNull reads the name of an event. No name is null, so an empty one is refused as a second
// spelling of it. U+0000 is refused because PostgreSQL cannot store it.
func (m *members) nameOrNull(name string) string {
	if raw, ok := m.value(name); !ok || raw == "null" {
		return ""
	}
	text := m.text(name)
	switch {
	case m.err != nil:
		return ""
	case text == "":
		m.fail(name, "empty, must be null")
		return ""
	case strings.ContainsRune(text, 0):
		m.fail(name, "contains U+0000")
		return ""
	}
	return text
}

func (m *members) boolean(name string) bool {
	text, ok := m.value(name)
	if ok && text != "true" && text != "false" {
		m.fail(name, "%s is neither true nor false", shorten(text))
	}
	return m.err == nil && text == "true"
}

func (m *members) state(name string) State {
	n := m.integer(name, int64(StateNew))
	if m.err != nil {
		return 0
	}
	for state := StateNew; state.IsValid(); state++ {
		if int64(state) == n {
			return state
		}
	}
	m.fail(name, "%d is no state", n)
	return 0
}

func (m *members) coefficient(name string) odds.Decimal {
	text, ok := m.value(name)
	if !ok {
		return odds.Decimal{}
	}
	value, err := odds.Parse(text)
	if err != nil {
		m.fail(name, "%v", err)
		return odds.Decimal{}
	}
	if value.Hundredths() < minHundredths {
		m.fail(name, "%v is less than 1.00", value)
		return odds.Decimal{}
	}
	return value
}

func (m *members) epoch(name string) Epoch {
	text := m.text(name)
	if m.err != nil {
		return Epoch{}
	}
	epoch, err := ParseEpoch(text)
	if err != nil {
		m.fail(name, "%v", err)
		return Epoch{}
	}
	return epoch
}

// shorten bounds the length of texts in errors.
func shorten(text string) string {
	const enough = 40
	if len(text) <= enough {
		return text
	}
	return strings.ToValidUTF8(text[:enough], "") + "..."
}
