package httpapi

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// ListEvents implements GET /api/events.
func (s *server) ListEvents(ctx context.Context, request oapi.ListEventsRequestObject) (oapi.ListEventsResponseObject, error) {
	limit := limitOr(request.Params.Limit)
	events, err := s.Events.OpenEvents(ctx, domain.EventID(request.Params.After), limit+1)
	if err != nil {
		return nil, err
	}
	page, last := cut(events, limit)
	response := oapi.ListEvents200JSONResponse{Body: all(page, wireEvent)}
	if last != nil {
		response.Headers.Link = nextLink("/api/events", url.Values{}, strconv.FormatInt(int64(last.ID), 10), limit)
	}
	return response, nil
}

// GetEvent implements GET /api/events/{event_id}.
func (s *server) GetEvent(ctx context.Context, request oapi.GetEventRequestObject) (oapi.GetEventResponseObject, error) {
	event, err := s.Catalogue.Event(ctx, domain.EventID(request.EventID))
	if errors.Is(err, domain.ErrFeedUnavailable) {
		// That no bets are taken is not what was asked.
		return nil, ports.ErrUnavailable.Because(err)
	}
	if err != nil {
		return nil, err
	}
	return oapi.GetEvent200JSONResponse(wireEvent(event)), nil
}
