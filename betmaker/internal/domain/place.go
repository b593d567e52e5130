package domain

import (
	"crypto/sha256"
	"fmt"
	"time"

	"stavka.local/shared/fault"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// OddsChange is which prices a user takes besides the one they saw.
type OddsChange uint8

// The policies.
const (
	OddsChangeNone   OddsChange = iota + 1 // only the price seen
	OddsChangeHigher                       // the price seen or a better one for the user
	OddsChangeAny                          // whatever the price is
)

// Placement is a user's wish to place a bet.
type Placement struct {
	UserID  UserID
	EventID EventID
	Stake   money.Amount
	// Seen is the coefficient the user saw; zero when they did not say.
	Seen   odds.Decimal
	Policy OddsChange
	// IdempotencyKey makes the wish safe to repeat; empty for none.
	IdempotencyKey string
	// RequestID is the first request's, kept with a refusal.
	RequestID string
	// EventLookedUp says that the line itself has been asked for the event, so
	// that its absence is a verdict and not ignorance.
	EventLookedUp bool
}

// Fingerprint is the SHA-256 of what is wished, whatever the spelling on the wire:
// 10 and 10.00 are the same stake.
func (p Placement) Fingerprint() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "bet|%d|%d|%d|%d", p.EventID, p.Stake.Minor(), p.Seen.Hundredths(), p.Policy))
}

// VerdictKey names a stored verdict.
type VerdictKey struct {
	UserID UserID
	Key    string
}

// Verdict is what was decided about a placement: a bet, or a refusal.
type Verdict struct {
	Fingerprint [sha256.Size]byte
	Bet         Bet     // as accepted; the zero Bet when refused
	Refusal     Refusal // the zero Refusal when accepted
	RequestID   string  // of the request that was decided
}

// Accepted tells whether the verdict is a bet.
func (v Verdict) Accepted() bool { return v.Bet.ID != 0 }

// Decision is the answer to one placement of a batch.
type Decision struct {
	Verdict
	// Replayed: the verdict was reached by an earlier request.
	Replayed bool
	// Err is set instead of a verdict when there is none to keep: the key was used
	// for something else, the user is not active, the event has to be looked up, the line
	// is not known.
	Err error
}

// IsNew tells whether the store has to write the decision's verdict down.
func (d Decision) IsNew() bool { return d.Err == nil && !d.Replayed }

// Wallet is a user's account as far as placing is concerned.
type Wallet struct {
	Open bool // the user is active
}

// WorkingSet is what one batch of placements is decided on. All of it has been
// read under locks that hold until the batch has committed.
type WorkingSet struct {
	Wallets  map[UserID]Wallet
	Events   map[EventID]Event
	Verdicts map[VerdictKey]Verdict
	// BetIDs are reserved for the batch: at least one for each placement.
	BetIDs []BetID
	// Now is the store's clock, read after the last lock: every bet of the batch is accepted at it.
	Now time.Time
	// Blind is why nothing may be decided anew, because the line is not known; nil when it
	// is. What was decided before can be replayed all the same.
	Blind error
}

// StakeLimits bounds the stake of one bet, both ends included.
type StakeLimits struct{ Min, Max money.Amount }

// Allow tells whether a stake is within the limits.
func (l StakeLimits) Allow(stake money.Amount) bool {
	return !stake.Less(l.Min) && !l.Max.Less(stake)
}

// ErrEventUnknown says that the event is not in the projection and the line has to
// be asked. It never leaves bet-maker.
var ErrEventUnknown = fault.New(fault.NotFound, "event_unknown", "the event is not in the projection")

// Faults that end a placement without a verdict.
var (
	ErrKeyReused    = fault.New(fault.Unprocessable, "idempotency_key_reused", "this Idempotency-Key was used for another request")
	ErrUserInactive = fault.New(fault.Forbidden, "user_inactive", "the user is not active")
)

// Decide decides the placements of a batch, in order, and returns as many
// decisions. Of two placements with the same key the first decides and the second
// replays.
func (ws *WorkingSet) Decide(limits StakeLimits, batch []Placement) []Decision {
	decisions := make([]Decision, len(batch))
	for i, p := range batch {
		decisions[i] = ws.decide(limits, p)
	}
	return decisions
}

func (ws *WorkingSet) decide(limits StakeLimits, p Placement) Decision {
	key := VerdictKey{p.UserID, p.IdempotencyKey}
	fingerprint := p.Fingerprint()
	if p.IdempotencyKey != "" {
		if known, ok := ws.Verdicts[key]; ok {
			return known.Replay(fingerprint)
		}
	}
	if ws.Blind != nil {
		return Decision{Err: ws.Blind}
	}
	if !ws.Wallets[p.UserID].Open {
		return Decision{Err: ErrUserInactive}
	}
	event, known := ws.Events[p.EventID]
	verdict := Verdict{Fingerprint: fingerprint, RequestID: p.RequestID}
	verdict.Refusal = ws.refusal(limits, p, event)
	if verdict.Refusal.Code == RefusedEventNotFound && !known && !p.EventLookedUp {
		return Decision{Err: ErrEventUnknown}
	}
	if verdict.Refusal.IsZero() {
		verdict.Bet = ws.accept(p, event)
	}
	if p.IdempotencyKey != "" {
		ws.Verdicts[key] = verdict
	}
	return Decision{Verdict: verdict}
}

// Replay answers a repeated request with the verdict of the first, provided that
// it asks for the same.
func (v Verdict) Replay(fingerprint [sha256.Size]byte) Decision {
	if v.Fingerprint != fingerprint {
		return Decision{Err: ErrKeyReused}
	}
	return Decision{Verdict: v, Replayed: true}
}

// refusal returns why the placement is refused, or the zero Refusal. The order is
// part of the contract: the request's own faults first, then the event's, then the price.
func (ws *WorkingSet) refusal(limits StakeLimits, p Placement, event Event) Refusal {
	switch {
	case !limits.Allow(p.Stake):
		return Refusal{Code: RefusedStakeOutOfLimits, Min: limits.Min, Max: limits.Max}
	case event.IsZero():
		return Refusal{Code: RefusedEventNotFound}
	case event.State.IsFinal(), !ws.Now.Before(event.Deadline):
		return Refusal{Code: RefusedEventClosed}
	case event.Suspended, event.Quarantined:
		return Refusal{Code: RefusedEventSuspended}
	case !p.takes(event.Coefficient):
		return Refusal{Code: RefusedPriceChanged, CurrentCoefficient: event.Coefficient, EventVersion: event.Version}
	}
	return Refusal{}
}

// takes tells whether the user takes the price (UKGC RTS 2C: the user chooses which
// changes of the price they accept).
func (p Placement) takes(price odds.Decimal) bool {
	switch p.Policy {
	case OddsChangeAny:
		return true
	case OddsChangeHigher:
		return !price.Less(p.Seen)
	default:
		return price == p.Seen
	}
}

func (ws *WorkingSet) accept(p Placement, event Event) Bet {
	id := ws.BetIDs[0]
	ws.BetIDs = ws.BetIDs[1:]
	return Bet{
		ID:           id,
		UserID:       p.UserID,
		EventID:      p.EventID,
		Stake:        p.Stake,
		Coefficient:  event.Coefficient,
		EventVersion: event.Version,
		AcceptedAt:   ws.Now,
		Settlement:   Settlement{Outcome: Outcome{Status: StatusPending}},
	}
}
