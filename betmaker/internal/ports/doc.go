// Package ports says what bet-maker needs from the world: its store, the line and
// its credentials. The comments are the contracts; portstest holds a suite for each
// port, which every adapter passes.
//
// Every method honours its context. Besides the errors that a contract names, any
// method may return ErrUnavailable, with the cause for the logs, when the server
// behind it cannot be reached or did not answer in time; and an unnamed error for
// what nobody foresaw. In both cases nothing was written. Any method that writes may
// also return ErrOutcomeUnknown.
//
// A context that ends stops a method from waiting for its turn. What has begun in a
// store goes to its end.
//
// Instants come back in UTC; what is finer than a microsecond is cut off.
package ports

import (
	"errors"
	"time"

	"stavka.local/shared/fault"
)

// ErrNotFound is returned when what was asked for does not exist.
var ErrNotFound = errors.New("not found")

// ErrUnavailable is returned when the server behind a port cannot be reached. It is a
// fault, so that it may go out as it is; adapters add the cause with Because.
var ErrUnavailable = fault.New(fault.Unavailable, "unavailable", "A server that this needs is not available.").After(time.Second)

// ErrOutcomeUnknown is returned when the connection was lost while a transaction was
// being committed: it may or may not have been. It is a fault, too.
var ErrOutcomeUnknown = fault.New(fault.Unavailable, "outcome_unknown",
	"It is not known whether this was done; repeat the request with the same Idempotency-Key.").After(time.Second)
