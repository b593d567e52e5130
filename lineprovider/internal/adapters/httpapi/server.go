// Package httpapi implements the API of line-provider, which api/lineprovider.yaml describes. It
// decodes a request, calls a use case or a port, and encodes the result. Package httpedge
// authenticates and validates requests before, and turns returned errors into problems.
package httpapi

import (
	"cmp"
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"stavka.local/lineprovider/internal/adapters/httpapi/oapi"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/lineprovider/internal/usecase"
	"stavka.local/shared/httpedge"
)

// defaultLimit is the length of a page by default.
const defaultLimit = 50

// Server implements the operations of the API.
type Server struct {
	Line      *usecase.Line
	Store     ports.Events
	Catalogue ports.Catalogue
	Log       ports.ChangeLog
	Now       func() time.Time // the clock
}

var _ oapi.StrictServerInterface = (*Server)(nil)

// Mount registers the operations with r.
func (s *Server) Mount(r chi.Router) {
	strict := oapi.NewStrictHandlerWithOptions(s, nil, oapi.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  httpedge.HandleRequestError,
		ResponseErrorHandlerFunc: httpedge.HandleError,
	})
	oapi.HandlerWithOptions(strict, oapi.ChiServerOptions{
		BaseRouter: r, ErrorHandlerFunc: httpedge.HandleRequestError,
	})
}

// CreateEvent implements POST /event.
func (s *Server) CreateEvent(
	ctx context.Context, request oapi.CreateEventRequestObject,
) (oapi.CreateEventResponseObject, error) {
	created, err := s.Line.Create(ctx, usecase.Creation{
		Offer:  offer(*request.Body),
		Author: author(ctx, request.Params.Actor),
		Key:    request.Params.IdempotencyKey,
	})
	if err != nil {
		return nil, err
	}
	response := oapi.CreateEvent201JSONResponse{
		Body: event(created.Event),
		Headers: oapi.CreateEvent201ResponseHeaders{
			ETag:      etag(created.Event),
			LineEpoch: created.Epoch.String(),
			Location:  eventPath(created.Event.ID),
		},
	}
	if created.Replayed {
		response.Headers.IdempotentReplayed = &created.Replayed
	}
	return response, nil
}

// GetEvent implements GET /event/{event_id}.
func (s *Server) GetEvent(
	ctx context.Context, request oapi.GetEventRequestObject,
) (oapi.GetEventResponseObject, error) {
	found, err := s.Store.Event(ctx, domain.EventID(request.EventID))
	if err != nil {
		return nil, err
	}
	return oneEvent{found, request.Params.IfNoneMatch}, nil
}

// ChangeEvent implements PATCH /event/{event_id}.
func (s *Server) ChangeEvent(
	ctx context.Context, request oapi.ChangeEventRequestObject,
) (oapi.ChangeEventResponseObject, error) {
	target, err := target(ctx, request.EventID, request.Params.IfMatch, request.Params.Actor)
	if err != nil {
		return nil, err
	}
	changed, err := s.Line.Amend(ctx, target, amendment(*request.Body))
	if err != nil {
		return nil, err
	}
	return oapi.ChangeEvent200JSONResponse{
		Body:    event(changed.Event),
		Headers: oapi.ChangeEvent200ResponseHeaders{ETag: etag(changed.Event), LineEpoch: changed.Epoch.String()},
	}, nil
}

// SetEventState implements PATCH /event/{event_id}/status.
func (s *Server) SetEventState(
	ctx context.Context, request oapi.SetEventStateRequestObject,
) (oapi.SetEventStateResponseObject, error) {
	target, err := target(ctx, request.EventID, request.Params.IfMatch, request.Params.Actor)
	if err != nil {
		return nil, err
	}
	decided, err := s.Line.Decide(ctx, target, result(*request.Body))
	if err != nil {
		return nil, err
	}
	return oapi.SetEventState200JSONResponse{
		Body:    event(decided.Event),
		Headers: oapi.SetEventState200ResponseHeaders{ETag: etag(decided.Event), LineEpoch: decided.Epoch.String()},
	}, nil
}

// RemoveEvent implements DELETE /event/{event_id}.
func (s *Server) RemoveEvent(
	ctx context.Context, request oapi.RemoveEventRequestObject,
) (oapi.RemoveEventResponseObject, error) {
	target, err := target(ctx, request.EventID, request.Params.IfMatch, request.Params.Actor)
	if err != nil {
		return nil, err
	}
	removed, err := s.Line.Remove(ctx, target)
	if err != nil {
		return nil, err
	}
	return oapi.RemoveEvent204Response{
		Headers: oapi.RemoveEvent204ResponseHeaders{ETag: etag(removed.Event), LineEpoch: removed.Epoch.String()},
	}, nil
}

// ListEvents implements GET /events.
func (s *Server) ListEvents(
	ctx context.Context, request oapi.ListEventsRequestObject,
) (oapi.ListEventsResponseObject, error) {
	query := ports.EventsQuery{
		After: domain.EventID(request.Params.After),
		Limit: limit(request.Params.Limit),
	}
	link := url.Values{}
	if state := request.Params.State; state != nil {
		query.State = domain.State(*state)
		link.Set("state", strconv.Itoa(int(*state)))
	}
	page, err := s.Catalogue.Events(ctx, query)
	if err != nil {
		return nil, err
	}
	response := oapi.ListEvents200JSONResponse{
		Body:    events(page.Events),
		Headers: oapi.ListEvents200ResponseHeaders{LineEpoch: page.Epoch.String()},
	}
	if page.More {
		last := int64(page.Events[len(page.Events)-1].ID)
		response.Headers.Link = next("/events", link, last, query.Limit)
	}
	return response, nil
}

// EventHistory implements GET /event/{event_id}/history.
func (s *Server) EventHistory(
	ctx context.Context, request oapi.EventHistoryRequestObject,
) (oapi.EventHistoryResponseObject, error) {
	query := ports.HistoryQuery{
		ID:    domain.EventID(request.EventID),
		After: request.Params.After,
		Limit: limit(request.Params.Limit),
	}
	page, err := s.Catalogue.History(ctx, query)
	if err != nil {
		return nil, err
	}
	response := oapi.EventHistory200JSONResponse{
		Body:    history(page.Entries),
		Headers: oapi.EventHistory200ResponseHeaders{LineEpoch: page.Epoch.String()},
	}
	if page.More {
		last := page.Entries[len(page.Entries)-1].Event.Version
		response.Headers.Link = next(eventPath(query.ID)+"/history", url.Values{}, last, query.Limit)
	}
	return response, nil
}

// EventChanges implements GET /events/changes.
func (s *Server) EventChanges(
	ctx context.Context, request oapi.EventChangesRequestObject,
) (oapi.EventChangesResponseObject, error) {
	page, err := s.Log.Changes(ctx, request.Params.After, limit(request.Params.Limit))
	if err != nil {
		return nil, err
	}
	epoch := page.Epoch.String()
	return oapi.EventChanges200JSONResponse{
		Body: oapi.ChangesPage{
			Epoch: epoch, LastSeq: page.LastSeq, NextAfter: page.NextAfter, Now: s.Now().UnixMilli(), Events: events(page.Events),
		},
		Headers: oapi.EventChanges200ResponseHeaders{LineEpoch: epoch},
	}, nil
}

// target returns the event that a request is about, with the version that If-Match requires.
func target(ctx context.Context, id int64, ifMatch, actor string) (usecase.Target, error) {
	t := usecase.Target{ID: domain.EventID(id), Author: author(ctx, actor)}
	if ifMatch == "" || ifMatch == "*" { // any event that exists
		return t, nil
	}
	version, err := strconv.ParseInt(strings.Trim(ifMatch, `"`), 10, 64)
	if err != nil || version < 1 {
		return usecase.Target{}, httpedge.ErrInvalidRequest.
			Detailf("If-Match must be a version in double quotes.").With("field", "If-Match")
	}
	t.Version = version
	return t, nil
}

// limit returns the length of a page; 0 stands for the default.
func limit(requested int) int { return cmp.Or(requested, defaultLimit) }

// next returns a link to the page after the one that ends with last.
func next(path string, query url.Values, last int64, limit int) *string {
	query.Set("after", strconv.FormatInt(last, 10))
	query.Set("limit", strconv.Itoa(limit))
	link := "<" + path + "?" + query.Encode() + `>; rel="next"`
	return &link
}

func eventPath(id domain.EventID) string { return "/event/" + id.String() }

func etag(e domain.Event) string { return `"` + strconv.FormatInt(e.Version, 10) + `"` }
