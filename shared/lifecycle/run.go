package lifecycle

import (
	"context"
	"errors"
	"os/signal"
	"syscall"
	"time"
)

// App can be started and stopped. A Group is an App; so is a type that wraps one.
type App interface {
	// Start returns nil when the app serves, or an error when nothing of it runs.
	Start(ctx context.Context) error
	// Wait returns nil when ctx ends, or an error when the app cannot continue.
	Wait(ctx context.Context) error
	// Stop ends everything that Start started. It is idempotent.
	Stop(ctx context.Context) error
}

// Run starts app, waits for SIGINT, SIGTERM, the end of ctx or a failure of app,
// and stops it within grace. It returns nil after an orderly end. A signal during
// the start ends the start. A second signal ends the process at once, with the
// exit status of the signal.
func Run(ctx context.Context, app App, grace time.Duration) error {
	signalled, restore := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer restore()
	// After the first signal, the next one has its default effect.
	stopRestoring := context.AfterFunc(signalled, restore)
	defer stopRestoring()

	if err := app.Start(signalled); err != nil {
		if signalled.Err() != nil && errors.Is(err, context.Canceled) {
			return nil // an orderly end before the start was complete
		}
		return err
	}
	failure := app.Wait(signalled)
	if signalled.Err() != nil {
		restore() // before anything is stopped; AfterFunc may run later
	}

	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return errors.Join(failure, app.Stop(stopping))
}
