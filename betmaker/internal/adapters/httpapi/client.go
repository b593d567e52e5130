package httpapi

import (
	"context"
	"net/http"
	"net/netip"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/requestid"
)

type clientKey struct{}

// noteClient puts the client's address into the context, because the generated server hides the
// request from the operations. Placing a bet does not need it and must be fast.
func (s *server) noteClient(next oapi.StrictHandlerFunc, operation string) oapi.StrictHandlerFunc {
	if operation == "PlaceBet" {
		return next
	}
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		return next(context.WithValue(ctx, clientKey{}, httpedge.ClientAddress(r, s.TrustedProxies)), w, r, request)
	}
}

// clientFrom returns the client's address; zero if it is not known.
func clientFrom(ctx context.Context) netip.Addr {
	address, _ := ctx.Value(clientKey{}).(netip.Addr)
	return address
}

// callerFrom returns the caller, as the audit log names it.
func callerFrom(ctx context.Context) domain.Caller {
	caller := domain.Caller{Actor: actorFrom(ctx), RequestID: requestid.From(ctx), ServerRequestID: requestid.Server(ctx)}
	if address := clientFrom(ctx); address.IsValid() {
		caller.Address = address.String()
	}
	return caller
}
