package httpapi

import (
	"strconv"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/instant"
)

// aboutOneBet is slightly more than the usual length of a bet in JSON, in bytes.
const aboutOneBet = 320

// appendBet appends the JSON that encoding/json makes of WireBet. It avoids reflection because
// encoding dominated the time for a page.
func appendBet(b []byte, bet domain.Bet) []byte {
	settled := bet.Status != domain.StatusPending
	b = append(b, `{"amount":`...)
	b = bet.Stake.Append(b)
	b = append(b, `,"coefficient":`...)
	b = bet.Coefficient.Append(b)
	b = append(b, `,"created_at":`...)
	b = appendInstant(b, bet.AcceptedAt)
	b = append(b, `,"event_id":`...)
	b = strconv.AppendInt(b, int64(bet.EventID), 10)
	b = append(b, `,"event_version":`...)
	b = strconv.AppendInt(b, bet.EventVersion, 10)
	b = append(b, `,"id":`...)
	b = strconv.AppendInt(b, int64(bet.ID), 10)
	b = append(b, `,"payout":`...)
	if settled {
		b = bet.Payout.Append(b)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"potential_payout":`...)
	b = bet.PotentialPayout().Append(b)
	b = append(b, `,"settle_revision":`...)
	if settled {
		b = strconv.AppendInt(b, bet.Revision, 10)
		b = append(b, `,"settled_at":`...)
		b = appendInstant(b, bet.SettledAt)
	} else {
		b = append(b, `0,"settled_at":null`...)
	}
	b = append(b, `,"status":`...)
	b = httpedge.AppendText(b, bet.Status.String())
	b = append(b, `,"user_id":`...)
	b = strconv.AppendInt(b, int64(bet.UserID), 10)
	b = append(b, `,"void_reason":`...)
	if bet.Status != domain.StatusVoid {
		return append(b, "null}"...)
	}
	return append(httpedge.AppendText(b, bet.VoidReason.String()), '}')
}

// appendInstant appends an instant in JSON. The store holds only instants in the years 0 to 9999, which
// have a text form.
func appendInstant(b []byte, at time.Time) []byte {
	return append(instant.Append(append(b, '"'), at), '"')
}
