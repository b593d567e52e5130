package ports

import (
	"context"

	"stavka.local/betmaker/internal/domain"
)

// BetFilter selects bets. Zero fields select all.
type BetFilter struct {
	UserID  domain.UserID
	EventID domain.EventID
	Status  domain.Status
	// Before selects bets with lower ids; zero starts at the newest.
	Before domain.BetID
}

// Bets reads the present state of bets.
type Bets interface {
	// Bet returns a bet, or ErrNotFound.
	Bet(ctx context.Context, id domain.BetID) (domain.Bet, error)

	// List returns up to limit bets, newest first.
	List(ctx context.Context, filter BetFilter, limit int) ([]domain.Bet, error)
}
