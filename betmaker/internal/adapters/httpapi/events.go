package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// ListEvents implements GET /api/events.
func (s *server) ListEvents(ctx context.Context, request oapi.ListEventsRequestObject) (oapi.ListEventsResponseObject, error) {
	limit := limitOr(request.Params.Limit)
	page, err := s.Catalogue.OpenPage(ctx, domain.EventID(request.Params.After), limit, renderEvents)
	if err != nil {
		return nil, err
	}
	response := eventsPage{body: page.Rendered}
	if page.Last != 0 {
		response.link = nextLink("/api/events", url.Values{}, strconv.FormatInt(int64(page.Last), 10), limit)
	}
	return response, nil
}

func renderEvents(events []domain.Event) ([]byte, error) {
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(all(events, wireEvent)); err != nil {
		return nil, fmt.Errorf("encode a page of events: %w", err)
	}
	return body.Bytes(), nil
}

// eventsPage answers GET /api/events.
type eventsPage struct {
	body []byte
	link *string
}

// VisitListEventsResponse implements oapi.ListEventsResponseObject.
func (p eventsPage) VisitListEventsResponse(w http.ResponseWriter) error {
	return writePage(w, p.body, p.link)
}

// GetEvent implements GET /api/events/{event_id}.
func (s *server) GetEvent(ctx context.Context, request oapi.GetEventRequestObject) (oapi.GetEventResponseObject, error) {
	event, err := s.Catalogue.Event(ctx, domain.EventID(request.EventID))
	if errors.Is(err, domain.ErrFeedUnavailable) {
		// The fault says that no bets are taken, which does not concern this request.
		return nil, ports.ErrUnavailable.Because(err)
	}
	if err != nil {
		return nil, err
	}
	return oapi.GetEvent200JSONResponse(wireEvent(event)), nil
}
