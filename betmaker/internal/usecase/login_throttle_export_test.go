package usecase

import (
	"context"
	"net/netip"
)

// Guess makes one wrong guess, if the throttle lets it pass.
func (t *LoginThrottle) Guess(ctx context.Context, username string, address netip.Addr) error {
	guess, err := t.begin(ctx, username, address)
	if err != nil {
		return err
	}
	defer guess.end()
	return guess.fail(ctx)
}
