// Package httpedge is what every HTTP request of both services passes before
// and after the service's own code:
//
//	request id, access log, metrics, recovery of panics
//	-> routing (404, 405)
//	-> authentication (401)
//	-> limits and validation against the OpenAPI document (413, 415, 400)
//	-> the service
//
// Authentication comes before validation, so that strangers learn nothing about
// what a request should look like, and cost nothing. Everything that is not a
// success leaves through package problem.
//
// The operational routes, /healthz /readyz /metrics /docs /openapi.yaml, are
// served here, without authentication and validation.
package httpedge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"stavka.local/shared/fault"
	"stavka.local/shared/health"
	"stavka.local/shared/metrics"
	"stavka.local/shared/problem"
)

// What can be wrong with any request. Errors derived from them carry details.
var (
	ErrInvalidRequest   = fault.New(fault.Invalid, "invalid_request", "The request is malformed.")
	ErrUnauthenticated  = fault.New(fault.Unauthenticated, "unauthenticated", "A valid access token is needed.")
	ErrNotFound         = fault.New(fault.NotFound, "not_found", "There is no such route.")
	ErrMethodNotAllowed = fault.New(fault.MethodNotAllowed, "method_not_allowed",
		"The route exists, but not for this method.")
	ErrBodyTooLarge         = fault.New(fault.TooLarge, "body_too_large", "The body is larger than 64 KiB.")
	ErrBusy                 = fault.New(fault.Unavailable, "unavailable", "Too many of these requests are under way; try again.").After(time.Second)
	ErrUnsupportedMediaType = fault.New(fault.UnsupportedMedia, "unsupported_media_type",
		"The body is not of a media type that this operation takes.")
)

// The operational routes.
const (
	healthPath  = "/healthz"
	readyPath   = "/readyz"
	metricsPath = "/metrics"
	docsPath    = "/docs"
	specPath    = "/openapi.yaml"
)

// Options are what an edge is made of; all but Deferred are needed.
type Options struct {
	// Title is the service's name as /docs shows it.
	Title string
	// Spec is the OpenAPI 3.0 document, in YAML, with every route that Mount
	// mounts. Its security schemes are bearer tokens, whatever they are called.
	Spec []byte
	// Mount registers the service's routes, by the paths that the document has.
	Mount func(chi.Router)
	// Authenticate returns the context of a request with this bearer token, in
	// which the service finds who asks, or a fault: ErrUnauthenticated or one of
	// its kind. It may call NameUser. It is called for the operations which the
	// document secures, but for Deferred's.
	Authenticate func(ctx context.Context, token string) (context.Context, error)
	Deferred     Deferred
	Health       *health.Registry
	Metrics      *metrics.Registry
}

// Deferred is an operation that finds out in its own way whether a token still holds. The
// zero value is none.
type Deferred struct {
	// Operation is its operationId in the document.
	Operation string
	// Recognise takes the place of Authenticate.
	Recognise func(ctx context.Context, token string) (context.Context, error)
	// AtOnce is how many of its requests may be under way; 0 for any number. More wait for a
	// place, first come first served, and are refused when they have got none for Patience,
	// all before anything else is done for them. They wait because refusing takes almost as
	// much as the rest of the edge, and who is refused at once asks again at once.
	AtOnce   int64
	Patience time.Duration
	// Confirm is asked, with what Recognise has returned, before a request is refused for what
	// it looks like, so that who may not come in learns nothing: its fault goes first.
	Confirm func(ctx context.Context) error
}

// New returns the handler of everything a service answers. It returns an error
// when the document is not valid, or when it and the mounted routes disagree.
func New(o Options) (http.Handler, error) {
	doc, err := openapi3.NewLoader().LoadFromData(o.Spec)
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", err)
	}
	if err := doc.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	g, err := newGate(doc, o)
	if err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	docs, err := newDocs(o.Title)
	if err != nil {
		return nil, err
	}

	r := chi.NewRouter()
	r.Use(newObserver(o.Metrics).middleware)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, ErrNotFound) })
	r.MethodNotAllowed(methodNotAllowed)
	r.Group(func(r chi.Router) {
		r.Use(g.middleware)
		o.Mount(r)
	})
	if err := g.compare(r); err != nil {
		return nil, err
	}
	operational(r, healthPath, o.Health.Live())
	operational(r, readyPath, o.Health.Readiness())
	operational(r, metricsPath, o.Metrics.Handler())
	operational(r, specPath, document(o.Spec))
	operational(r, docsPath, docs)
	operational(r, docsPath+"/*", docs)
	return r, nil
}

// operational mounts a handler for GET and HEAD; net/http drops the body of
// an answer to HEAD.
func operational(r chi.Router, path string, h http.Handler) {
	r.Method(http.MethodGet, path, h)
	r.Method(http.MethodHead, path, h)
}

func document(spec []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(spec) // the client may be gone
	})
}

// methodNotAllowed answers 405 with the methods that the route has, or 404 when
// it has none: the method is one that HTTP does not know.
func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	allowed := allowedMethods(r)
	if len(allowed) == 0 {
		problem.Write(w, r, ErrNotFound)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	problem.Write(w, r, ErrMethodNotAllowed)
}

func allowedMethods(r *http.Request) []string {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	routes := chi.RouteContext(r.Context()).Routes
	var allowed []string
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	} {
		if routes.Match(chi.NewRouteContext(), method, path) {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

// HandleError is the last of the three error hooks of a generated strict server,
// ResponseErrorHandlerFunc: it answers with what the service returned.
func HandleError(w http.ResponseWriter, r *http.Request, err error) { problem.Write(w, r, err) }

// HandleRequestError is the two other hooks, for a parameter (ErrorHandlerFunc)
// or a body (RequestErrorHandlerFunc) that does not bind. Validation has seen the
// request before, so little gets here: a fault from a type's own decoding, and
// otherwise a malformed request without further words.
func HandleRequestError(w http.ResponseWriter, r *http.Request, err error) {
	if fault.Find(err) == nil {
		err = ErrInvalidRequest.Because(err)
	}
	problem.Write(w, r, err)
}

// compare returns an error for each route that is mounted and not in the
// document, or the other way round.
func (g *gate) compare(routes chi.Routes) error {
	var errs []error
	mounted := map[operationKey]bool{}
	err := chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		key := operationKey{method, route}
		mounted[key] = true
		if g.operations[key] == nil {
			errs = append(errs, fmt.Errorf("%s %s is mounted but not in the OpenAPI document", method, route))
		}
		return nil
	})
	errs = append(errs, err)
	for key := range g.operations {
		own := slices.Contains([]string{healthPath, readyPath, metricsPath, docsPath, specPath}, key.pattern)
		if !own && !mounted[key] {
			errs = append(errs, fmt.Errorf("%s %s is in the OpenAPI document but not mounted", key.method, key.pattern))
		}
	}
	return errors.Join(errs...)
}
