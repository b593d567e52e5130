package domain

import (
	"crypto/sha256"
	"strconv"

	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// OddsChange says which prices a user accepts besides the one they saw.
type OddsChange uint8

// The policies for changed prices.
const (
	OddsChangeNone   OddsChange = iota + 1 // only the price seen
	OddsChangeHigher                       // the price seen or a higher one
	OddsChangeAny                          // any price
)

// Placement is a user's request to place a bet.
type Placement struct {
	UserID UserID
	// TokenVersion is the version of the token that authenticated the request, if the
	// token may have been revoked; 0 if that was checked.
	TokenVersion int32
	EventID      EventID
	Stake        money.Amount
	// Seen is the coefficient that the user saw; zero if the request does not say.
	Seen   odds.Decimal
	Policy OddsChange
	// IdempotencyKey makes the request safe to repeat; empty for none.
	IdempotencyKey string
	// RequestID is the id of the first request. It is stored with a refusal.
	RequestID string
	// EventLookedUp is set after the event was requested from the line. Only then is a missing event
	// refused.
	EventLookedUp bool
}

// Fingerprint returns the SHA-256 of the content of the request. It does not depend on the
// spelling: 10 and 10.00 are the same stake.
func (p Placement) Fingerprint() [sha256.Size]byte {
	text := make([]byte, 0, 64)
	text = append(text, "bet"...)
	for _, number := range [...]int64{int64(p.EventID), p.Stake.Minor(), p.Seen.Hundredths(), int64(p.Policy)} {
		text = strconv.AppendInt(append(text, '|'), number, 10)
	}
	return sha256.Sum256(text)
}

// takes reports whether the user accepts the price (UKGC RTS 2C: the user chooses which changes of
// the price they accept).
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
