package domain

import (
	"crypto/sha256"
	"strconv"

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
	UserID UserID
	// TokenVersion is that of the token which the user was recognised by, when nobody has looked
	// yet whether it still holds; 0 when somebody has.
	TokenVersion int32
	EventID      EventID
	Stake        money.Amount
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
	text := make([]byte, 0, 64)
	text = append(text, "bet"...)
	for _, number := range [...]int64{int64(p.EventID), p.Stake.Minor(), p.Seen.Hundredths(), int64(p.Policy)} {
		text = strconv.AppendInt(append(text, '|'), number, 10)
	}
	return sha256.Sum256(text)
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
