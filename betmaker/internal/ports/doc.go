// Package ports declares what bet-maker needs from outside: its stores, the line and credentials. The
// comments are the contracts. Package portstest tests them for every adapter.
//
// Every method honours its context. Besides the errors in its contract, any method may return
//   - ErrUnavailable, with the cause for the logs, if the server cannot be reached or did not answer in
//     time: nothing was written;
//   - an error without a name, for an unforeseen failure: nothing was written;
//   - ErrOutcomeUnknown, if the method writes.
//
// A context that ends stops the wait for a transaction. A transaction that has begun runs to its end.
//
// Instants are returned in UTC, truncated to microseconds.
package ports

import (
	"errors"
	"time"

	"stavka.local/shared/fault"
)

// ErrNotFound is returned if the requested object does not exist.
var ErrNotFound = errors.New("not found")

// ErrUnavailable is returned if the server behind a port cannot be reached. It is a fault, so it may be
// shown to clients; adapters add the cause with Because.
var ErrUnavailable = fault.New(fault.Unavailable, "unavailable", "A server that this needs is not available.").After(time.Second)

// ErrOutcomeUnknown is returned if the connection was lost during a commit: the transaction may have been
// committed or not. It is a fault, too.
var ErrOutcomeUnknown = fault.New(fault.Unavailable, "outcome_unknown",
	"It is not known whether this was done; repeat the request with the same Idempotency-Key.").After(time.Second)
