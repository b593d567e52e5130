package usecase

import (
	"context"
	"net/netip"
)

// SignIn makes one right guess, if the throttle lets it pass.
func (t *LoginThrottle) SignIn(ctx context.Context, username string, address netip.Addr) error {
	guess, err := t.begin(ctx, username, address)
	if err != nil {
		return err
	}
	defer guess.end()
	guess.succeed(ctx)
	return nil
}

// Guess makes one wrong guess, if the throttle lets it pass.
func (t *LoginThrottle) Guess(ctx context.Context, username string, address netip.Addr) error {
	guess, err := t.begin(ctx, username, address)
	if err != nil {
		return err
	}
	defer guess.end()
	return guess.fail(ctx)
}
