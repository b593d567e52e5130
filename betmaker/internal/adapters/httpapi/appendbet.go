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
	b = bet.Stake.Append(append(b, `{"amount":`...))
	b = bet.Coefficient.Append(append(b, `,"coefficient":`...))
	b = appendInstant(append(b, `,"created_at":`...), bet.AcceptedAt)
	b = strconv.AppendInt(append(b, `,"event_id":`...), int64(bet.EventID), 10)
	b = strconv.AppendInt(append(b, `,"event_version":`...), bet.EventVersion, 10)
	b = strconv.AppendInt(append(b, `,"id":`...), int64(bet.ID), 10)
	b = append(b, `,"payout":`...)
	if settled {
		b = bet.Payout.Append(b)
	} else {
		b = append(b, "null"...)
	}
	b = bet.PotentialPayout().Append(append(b, `,"potential_payout":`...))
	b = append(b, `,"settle_revision":`...)
	if settled {
		b = strconv.AppendInt(b, bet.Revision, 10)
		b = appendInstant(append(b, `,"settled_at":`...), bet.SettledAt)
	} else {
		b = append(b, `0,"settled_at":null`...)
	}
	b = httpedge.AppendText(append(b, `,"status":`...), bet.Status.String())
	b = strconv.AppendInt(append(b, `,"user_id":`...), int64(bet.UserID), 10)
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
