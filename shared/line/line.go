// Package line is the contract between line-provider and bet-maker: the event on the wire, the
// messages about it, and the bus that carries them.
//
// A message holds the whole event after a change (state transfer, not a delta). Of the messages
// about one event the highest Seq wins. Older ones are dropped, and a missing one does no harm. The
// packages below this one are adapters of the bus; linetest is their common suite.
package line

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"stavka.local/shared/odds"
)

// State is the state of an event. The numbers are those of the wire.
type State uint8

// The states. An event starts as StateNew. The others are final, though a correction may replace one
// by another.
const (
	StateNew          State = 1
	StateFinishedWin  State = 2
	StateFinishedLose State = 3
	StateCancelled    State = 4
)

// IsValid reports whether s is one of the four states.
func (s State) IsValid() bool { return s >= StateNew && s <= StateCancelled }

// IsFinal reports whether s decides the bets on the event.
func (s State) IsFinal() bool { return s > StateNew && s <= StateCancelled }

// String returns the name of the state as the contract spells it.
func (s State) String() string {
	switch s {
	case StateNew:
		return "NEW"
	case StateFinishedWin:
		return "FINISHED_WIN"
	case StateFinishedLose:
		return "FINISHED_LOSE"
	case StateCancelled:
		return "CANCELLED"
	default:
		return "State(" + strconv.Itoa(int(s)) + ")"
	}
}

// Event is an event as line-provider publishes it. Instants are in UTC and have whole seconds, except
// RecordedAt.
type Event struct {
	ID             int64 // from 1
	Coefficient    odds.Decimal
	Deadline       time.Time // bets are accepted before it, not at it
	State          State
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Name           string // empty for none
	Suspended      bool
	Version        int64     // of this event: 1, 2, 3, ...
	Seq            int64     // of the whole line: the highest wins
	ResultRevision int64     // 0 while undecided; +1 with every result
	EffectiveAt    time.Time // when the result became fact; zero if unknown
	RecordedAt     time.Time // when the first result was recorded, to the millisecond; zero for no result, or if unknown
}

// Epoch identifies the data set to which sequence numbers belong, and a generation of it.
type Epoch struct {
	// Dataset is random and created with the data set. Numbers and event ids of different data sets
	// are unrelated.
	Dataset string
	// Generation grows within a data set whenever the store may have gone back in time. Sequence
	// numbers keep growing across generations.
	Generation int64
}

// String returns the epoch as the wire spells it: "D.G".
func (e Epoch) String() string { return e.Dataset + "." + strconv.FormatInt(e.Generation, 10) }

// IsZero reports whether e is the zero Epoch.
func (e Epoch) IsZero() bool { return e == Epoch{} }

// ParseEpoch reads "D.G": D is 1 to 64 letters, digits, '-' or '_', G a number from 1.
func ParseEpoch(text string) (Epoch, error) {
	dataset, generation, ok := strings.Cut(text, ".")
	g, err := strconv.ParseInt(generation, 10, 64)
	if !ok || err != nil || g < 1 || generation[0] == '+' || generation[0] == '0' || !isDataset(dataset) {
		return Epoch{}, fmt.Errorf("epoch %.80q is not of the form D.G", text)
	}
	return Epoch{Dataset: dataset, Generation: g}, nil
}

func isDataset(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// Change is the message event.changed: an event after a change.
type Change struct {
	Epoch Epoch
	Event Event
}

// MessageID identifies the change on the bus, the same at every publication: "D.G:seq".
func (c Change) MessageID() string {
	return c.Epoch.String() + ":" + strconv.FormatInt(c.Event.Seq, 10)
}

// Heartbeat is the message feed.alive: line-provider is alive, and LastSeq is the highest sequence
// number that it has assigned.
type Heartbeat struct {
	Epoch   Epoch
	LastSeq int64
	SentAt  time.Time // by line-provider's clock, to the millisecond
}
