// Package httpapi answers the API of bet-maker, as api/betmaker.yaml describes it: it decodes a
// request, calls a use case or a port, and encodes the result.
//
// Package httpedge, which New puts in front, authenticates and validates requests, and turns errors
// into problems. The methods of domain.Actor decide about permissions.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"stavka.local/api"
	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/health"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/logging"
	"stavka.local/shared/metrics"
)

// Dependencies are the parts that the API uses. All are required except TrustedProxies and the bounds.
type Dependencies struct {
	Authenticator *usecase.Authenticator
	Login         *usecase.Login
	Users         *usecase.Users
	Placer        *usecase.Placer
	Catalogue     *usecase.Catalogue
	Bets          ports.Bets
	Wallets       usecase.Wallets
	CancelBet     usecase.CancelBet
	Voids         usecase.Voids
	AuditLog      usecase.AuditLog

	// TrustedProxies are the networks whose X-Forwarded-For is believed when failed logins are
	// counted by address, privileged actions are recorded and requests are logged.
	TrustedProxies []netip.Prefix

	// BetsAtOnce is how many bets of one user may be under way; 0 for no bound.
	BetsAtOnce int
	// RequestsPerSecond and BetsPerSecond bound what one user sends, without and with placing bets; 0
	// for no bound.
	RequestsPerSecond, BetsPerSecond int

	// Prepared is closed once the store can be used. Until then tables or the first user may be
	// missing, and every operation is answered as unavailable.
	Prepared <-chan struct{}

	Health  *health.Registry
	Metrics *metrics.Registry
	// MetricsElsewhere leaves /metrics out.
	MetricsElsewhere bool
}

const (
	// betsAtOnce is how many requests for bets may be under way: as many as four batches hold. More
	// would not be faster, and all would wait longer.
	betsAtOnce = 2048
	// betPatience leaves time for an answer within a second.
	betPatience = 600 * time.Millisecond
)

// New returns the handler of all routes, including the operational ones and the documentation.
func New(d Dependencies) (http.Handler, error) {
	s := &server{d}
	return httpedge.New(httpedge.Options{
		Title:        "bet-maker",
		Spec:         api.BetMaker,
		Mount:        s.mount,
		Authenticate: s.authenticate,
		Deferred: httpedge.Deferred{
			Operation: "placeBet", Recognise: s.recognise, Confirm: s.confirm,
			AtOnce: betsAtOnce, AtOncePerUser: int64(d.BetsAtOnce), Patience: betPatience, PerSecond: d.BetsPerSecond,
		},
		PerSecond: d.RequestsPerSecond,
		Health:    d.Health,
		Metrics:   d.Metrics,

		MetricsElsewhere: d.MetricsElsewhere, TrustedProxies: d.TrustedProxies,
	})
}

// server answers the operations of the contract.
type server struct{ Dependencies }

var _ oapi.StrictServerInterface = (*server)(nil)

func (s *server) mount(r chi.Router) {
	strict := oapi.NewStrictHandlerWithOptions(s, []oapi.StrictMiddlewareFunc{s.noteClient, s.requireStore}, oapi.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  httpedge.HandleRequestError,
		ResponseErrorHandlerFunc: handleError,
	})
	oapi.HandlerWithOptions(strict, oapi.ChiServerOptions{
		BaseRouter: r, ErrorHandlerFunc: httpedge.HandleRequestError,
	})
}

// unprepared returns ports.ErrUnavailable until the store can be used.
func (s *server) unprepared() error {
	select {
	case <-s.Prepared:
		return nil
	default:
		return ports.ErrUnavailable
	}
}

// requireStore refuses all operations, including public ones, until the store can be used.
func (s *server) requireStore(next oapi.StrictHandlerFunc, _ string) oapi.StrictHandlerFunc {
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		if err := s.unprepared(); err != nil {
			return nil, err
		}
		return next(ctx, w, r, request)
	}
}

type actorKey struct{}

// authenticate returns a context with the actor, for the operations and the logs.
func (s *server) authenticate(ctx context.Context, token string) (context.Context, error) {
	if err := s.unprepared(); err != nil {
		return nil, err
	}
	actor, err := s.Authenticator.Authenticate(ctx, token)
	if err != nil {
		return nil, err
	}
	httpedge.NameUser(ctx, strconv.FormatInt(int64(actor.ID), 10))
	ctx = logging.With(ctx, slog.Int64("user_id", int64(actor.ID)), slog.String("role", actor.Role.String()))
	return context.WithValue(ctx, actorKey{}, actor), nil
}

type claimsKey struct{}

// recognise returns a context with the claims of a token, for placing a bet. It does not check
// whether the token was revoked; placing does, with the wallet that it locks anyway, which saves a
// look-up.
func (s *server) recognise(ctx context.Context, token string) (context.Context, error) {
	if err := s.unprepared(); err != nil {
		return nil, err
	}
	claims, err := s.Authenticator.Recognise(token)
	if err != nil {
		return nil, err
	}
	user := strconv.FormatInt(int64(claims.UserID), 10)
	httpedge.NameUser(ctx, user)
	// Bets with a revoked token are not counted as the user's.
	httpedge.CountAs(ctx, user+"/"+strconv.FormatInt(int64(claims.Version), 10))
	ctx = logging.With(ctx, slog.Int64("user_id", int64(claims.UserID)))
	return context.WithValue(ctx, claimsKey{}, claims), nil
}

// confirm returns nil if the recognised token was not revoked.
func (s *server) confirm(ctx context.Context) error {
	_, err := s.Authenticator.Confirm(ctx, claimsFrom(ctx))
	return err
}

// claimsFrom returns the claims of the recognised token.
func claimsFrom(ctx context.Context) domain.AccessClaims {
	claims, _ := ctx.Value(claimsKey{}).(domain.AccessClaims)
	return claims
}

// actorFrom returns the actor. For a public operation it is zero, which may do nothing.
func actorFrom(ctx context.Context) domain.Actor {
	actor, _ := ctx.Value(actorKey{}).(domain.Actor)
	return actor
}
