package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/lifecycle"
)

// preparePause is the time between attempts to prepare a store that is unavailable.
const preparePause = time.Second

// preparation makes the store usable. The loops that need the store wait for it.
type preparation struct {
	done chan struct{} // closed when the schema and the first user are there
	log  *slog.Logger
}

func newPreparation(log *slog.Logger) *preparation {
	return &preparation{done: make(chan struct{}), log: log}
}

// run returns a loop that prepares the store by once, as soon as the store is available. The loop
// fails when the store must not be used.
func (p *preparation) run(once lifecycle.Func) lifecycle.Func {
	return func(ctx context.Context) error {
		warn := p.log.WarnContext
		for {
			err := once(ctx)
			if err == nil {
				break
			}
			if !errors.Is(err, ports.ErrUnavailable) {
				return fmt.Errorf("prepare the store: %w", err)
			}
			warn(ctx, "the store cannot be used yet; trying again every second", "error", err)
			warn = p.log.DebugContext
			select {
			case <-time.After(preparePause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		close(p.done)
		<-ctx.Done()
		return nil
	}
}

// before returns a loop that runs once the store has been prepared.
func (p *preparation) before(run lifecycle.Func) lifecycle.Func {
	return func(ctx context.Context) error {
		select {
		case <-p.done:
			return run(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}
