package ports

import (
	"context"

	"stavka.local/betmaker/internal/domain"
)

// Clock is the store's clock, which decides: now, in the contracts of the other ports. It only goes
// forward, also when that of its server or machine goes back, and after a restart: no instant is before
// one that a transaction was given. It then stays at the latest instant, by the microsecond.
type Clock interface {
	// Clocks reads the clock of the server or machine, and the store's.
	Clocks(ctx context.Context) (wall, store domain.ClockReading, err error)
}
