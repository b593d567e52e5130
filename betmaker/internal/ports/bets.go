package ports

import (
	"context"

	"stavka.local/betmaker/internal/domain"
)

// BetFilter narrows a list of bets. Zero members do not narrow.
type BetFilter struct {
	UserID  domain.UserID
	EventID domain.EventID
	Status  domain.Status
	// Before is the page's start: only bets with smaller ids. Zero for the newest.
	Before domain.BetID
}

// Bets reads bets as they are now.
type Bets interface {
	// Bet returns one bet, or ErrNotFound.
	Bet(ctx context.Context, id domain.BetID) (domain.Bet, error)

	// List returns up to limit bets, the newest first.
	List(ctx context.Context, filter BetFilter, limit int) ([]domain.Bet, error)
}
