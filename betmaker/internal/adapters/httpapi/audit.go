package httpapi

import (
	"context"
	"net/url"
	"strconv"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// ListAuditRecords implements GET /api/audit.
func (s *server) ListAuditRecords(ctx context.Context, request oapi.ListAuditRecordsRequestObject) (oapi.ListAuditRecordsResponseObject, error) {
	filter, filters, err := auditFilter(request.Params)
	if err != nil {
		return nil, err
	}
	limit := limitOr(request.Params.Limit)
	records, err := s.AuditLog.Records(ctx, actorFrom(ctx), filter, limit+1)
	if err != nil {
		return nil, err
	}
	page, last := cut(records, limit)
	response := oapi.ListAuditRecords200JSONResponse{Body: all(page, wireAuditRecord)}
	if last != nil {
		response.Headers.Link = nextLink("/api/audit", filters, formatCursor(last.ID), limit)
	}
	return response, nil
}

// auditFilter returns the filter of a request and the query for its next page.
func auditFilter(params oapi.ListAuditRecordsParams) (ports.AuditFilter, url.Values, error) {
	before, err := parseCursor(params.After)
	if err != nil {
		return ports.AuditFilter{}, nil, err
	}
	filter, filters := ports.AuditFilter{Before: before}, url.Values{}
	if params.ActorID != nil {
		filter.By = domain.UserID(*params.ActorID)
		filters.Set("actor_id", strconv.FormatInt(*params.ActorID, 10))
	}
	if params.Action != nil {
		filter.Action = *params.Action
		filters.Set("action", filter.Action)
	}
	if params.Subject != nil {
		filter.Subject = *params.Subject
		filters.Set("subject", filter.Subject)
	}
	return filter, filters, nil
}
