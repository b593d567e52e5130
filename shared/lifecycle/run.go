package lifecycle

import (
	"context"
	"errors"
	"os/signal"
	"syscall"
	"time"
)

// App is what Run runs. A Group is one; so is what embeds or wraps it.
type App interface {
	// Start returns when the app serves, or with an error and nothing running.
	Start(ctx context.Context) error
	// Wait returns nil when ctx ends, or an error when the app cannot go on.
	Wait(ctx context.Context) error
	// Stop ends everything that Start began. It is idempotent.
	Stop(ctx context.Context) error
}

// Run starts app, waits for SIGINT, SIGTERM, the end of ctx or a failure of app,
// and stops it within grace. It returns nil after an orderly end. A signal during
// the start ends it; a second signal ends the process at once, with the status
// that the signal gives it.
func Run(ctx context.Context, app App, grace time.Duration) error {
	signalled, restore := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer restore()
	// From the first signal on the next one does what it does by default.
	stopRestoring := context.AfterFunc(signalled, restore)
	defer stopRestoring()

	if err := app.Start(signalled); err != nil {
		if signalled.Err() != nil && errors.Is(err, context.Canceled) {
			return nil // asked to end before it had begun
		}
		return err
	}
	failure := app.Wait(signalled)
	if signalled.Err() != nil {
		restore() // before anything is stopped, not when AfterFunc comes to it
	}

	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return errors.Join(failure, app.Stop(stopping))
}
