package httpapi

import (
	"context"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
)

// ListVoids implements GET /api/events/{event_id}/voids.
func (s *server) ListVoids(ctx context.Context, request oapi.ListVoidsRequestObject) (oapi.ListVoidsResponseObject, error) {
	event := domain.EventID(request.EventID)
	windows, err := s.Voids.List(ctx, actorFrom(ctx), event)
	if err != nil {
		return nil, err
	}
	return oapi.ListVoids200JSONResponse(all(windows, func(w domain.VoidWindow) oapi.VoidWindow { return wireVoid(event, w) })), nil
}

// VoidBets implements POST /api/events/{event_id}/voids.
func (s *server) VoidBets(ctx context.Context, request oapi.VoidBetsRequestObject) (oapi.VoidBetsResponseObject, error) {
	event, body := domain.EventID(request.EventID), *request.Body
	if err := checkVoid(body); err != nil {
		return nil, err
	}
	window, err := s.Voids.Void(ctx, callerFrom(ctx), event, body.From.Time, body.To.Time, body.Reason)
	if err != nil {
		return nil, err
	}
	return oapi.VoidBets201JSONResponse(wireVoid(event, window)), nil
}

// UndoVoid implements POST /api/events/{event_id}/voids/{void_id}/undo.
func (s *server) UndoVoid(ctx context.Context, request oapi.UndoVoidRequestObject) (oapi.UndoVoidResponseObject, error) {
	event := domain.EventID(request.EventID)
	window, err := s.Voids.Undo(ctx, callerFrom(ctx), event, request.VoidID, request.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oapi.UndoVoid200JSONResponse(wireVoid(event, window)), nil
}
