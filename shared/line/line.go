// Package line is the contract between line-provider and bet-maker: the event as
// it travels, the messages about it, and the bus that carries them.
//
// A message holds the whole event after a change (state transfer, not a delta).
// Among messages about one event the highest Seq wins; older ones are dropped, and
// a missing one in the middle does no harm. Adapters of the bus are the packages
// below this one; linetest is the suite that all of them pass.
package line

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"stavka.local/shared/odds"
)

// State is where an event is in its life. The numbers are the wire's.
type State uint8

// The states. An event starts as StateNew; the three others are final, though a
// correction may replace one of them by another.
const (
	StateNew          State = 1
	StateFinishedWin  State = 2
	StateFinishedLose State = 3
	StateCancelled    State = 4
)

// IsValid tells whether s is one of the four states.
func (s State) IsValid() bool { return s >= StateNew && s <= StateCancelled }

// IsFinal tells whether s decides the bets on the event.
func (s State) IsFinal() bool { return s > StateNew && s <= StateCancelled }

// String returns the state's name as the contract spells it.
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

// Event is an event as line-provider publishes it. Instants have whole seconds
// and are in UTC.
type Event struct {
	ID             int64 // from 1
	Coefficient    odds.Decimal
	Deadline       time.Time // bets are accepted before it, not at it
	State          State
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Name           string // empty when the event has none
	Suspended      bool
	Version        int64     // of this event: 1, 2, 3, ...
	Seq            int64     // of the whole line: the highest wins
	ResultRevision int64     // 0 while undecided; +1 with every result
	EffectiveAt    time.Time // when the result became fact; zero when not said
}

// Epoch names the data set that sequence numbers belong to.
type Epoch struct {
	// Dataset is random and made with the data set. Numbers and event ids of
	// different data sets have nothing to do with each other.
	Dataset string
	// Generation grows, within a data set, whenever the store may have gone back
	// in time. Sequence numbers keep growing across generations.
	Generation int64
}

// String returns the epoch as it travels: "D.G".
func (e Epoch) String() string { return e.Dataset + "." + strconv.FormatInt(e.Generation, 10) }

// IsZero tells whether e is no epoch.
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

// MessageID names the change on the bus, the same at every publication: "D.G:seq".
func (c Change) MessageID() string {
	return c.Epoch.String() + ":" + strconv.FormatInt(c.Event.Seq, 10)
}

// Heartbeat is the message feed.alive: line-provider is there, and this is the
// highest sequence number it has allotted.
type Heartbeat struct {
	Epoch   Epoch
	LastSeq int64
	SentAt  time.Time // by line-provider's clock, to the millisecond
}
