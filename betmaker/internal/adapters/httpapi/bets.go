package httpapi

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strconv"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/requestid"
)

// PlaceBet implements POST /api/bets.
func (s *server) PlaceBet(ctx context.Context, request oapi.PlaceBetRequestObject) (oapi.PlaceBetResponseObject, error) {
	placement, err := newPlacement(*request.Body)
	if err != nil {
		return nil, cmp.Or(s.confirm(ctx), err)
	}
	claims := claimsFrom(ctx)
	placement.UserID, placement.TokenVersion = claims.UserID, claims.Version
	placement.IdempotencyKey = request.Params.IdempotencyKey
	placement.RequestID = requestid.From(ctx)

	decision, err := s.Placer.Place(ctx, placement)
	switch {
	case err != nil:
		return nil, err
	case decision.Accepted():
		return placedBet{decision}, nil
	case decision.Replayed:
		return nil, &replayedError{decision.Refusal.Fault(), decision.RequestID}
	default:
		return nil, decision.Refusal.Fault()
	}
}

// ListBets implements GET /api/bets.
func (s *server) ListBets(ctx context.Context, request oapi.ListBetsRequestObject) (oapi.ListBetsResponseObject, error) {
	filter, filters, err := betFilter(request.Params)
	if err != nil {
		return nil, err
	}
	if filter.UserID, err = actorFrom(ctx).VisibleUser(filter.UserID); err != nil {
		return nil, err
	}
	limit := limitOr(request.Params.Limit)
	bets, err := s.Bets.List(ctx, filter, limit+1)
	if err != nil {
		return nil, err
	}
	page, last := cut(bets, limit)
	response := betsPage{bets: page}
	if last != nil {
		response.link = nextLink("/api/bets", filters, formatCursor(int64(last.ID)), limit)
	}
	return response, nil
}

// betFilter returns the filter of a request and the query for its next page.
func betFilter(params oapi.ListBetsParams) (ports.BetFilter, url.Values, error) {
	before, err := parseCursor(params.After)
	if err != nil {
		return ports.BetFilter{}, nil, err
	}
	filter, filters := ports.BetFilter{Before: domain.BetID(before)}, url.Values{}
	if params.Status != nil {
		status, ok := domain.ParseStatus(string(*params.Status))
		if !ok {
			return ports.BetFilter{}, nil, invalid("status", "is not one of a bet")
		}
		filter.Status = status
		filters.Set("status", status.String())
	}
	if params.EventID != nil {
		filter.EventID = domain.EventID(*params.EventID)
		filters.Set("event_id", strconv.FormatInt(*params.EventID, 10))
	}
	if params.UserID != nil {
		filter.UserID = domain.UserID(*params.UserID)
		filters.Set("user_id", strconv.FormatInt(*params.UserID, 10))
	}
	return filter, filters, nil
}

// GetBet implements GET /api/bets/{bet_id}.
func (s *server) GetBet(ctx context.Context, request oapi.GetBetRequestObject) (oapi.GetBetResponseObject, error) {
	bet, err := s.Bets.Bet(ctx, domain.BetID(request.BetID))
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return nil, domain.ErrBetNotFound
	case err != nil:
		return nil, err
	case !actorFrom(ctx).MaySee(bet.UserID):
		return nil, domain.ErrBetNotFound
	}
	return oapi.GetBet200JSONResponse(WireBet(bet)), nil
}

// CancelBet implements POST /api/bets/{bet_id}/cancel.
func (s *server) CancelBet(ctx context.Context, request oapi.CancelBetRequestObject) (oapi.CancelBetResponseObject, error) {
	bet, err := s.Dependencies.CancelBet.Cancel(ctx, callerFrom(ctx), domain.BetID(request.BetID))
	if err != nil {
		return nil, err
	}
	return oapi.CancelBet200JSONResponse(WireBet(bet)), nil
}
