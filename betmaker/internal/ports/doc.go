// Package ports says what bet-maker needs from the world: its store, the line and
// its credentials. The comments are the contracts; portstest holds a suite for each
// port, which every adapter passes.
//
// Every method honours its context. An error that is not named in a contract means
// that the store did not answer; then nothing was written, unless the contract says
// otherwise.
package ports

import "errors"

// ErrNotFound is returned when what was asked for does not exist.
var ErrNotFound = errors.New("not found")

// ErrOutcomeUnknown is returned when the connection was lost while a transaction
// was being committed: it may or may not have been.
var ErrOutcomeUnknown = errors.New("the outcome of the commit is unknown")
