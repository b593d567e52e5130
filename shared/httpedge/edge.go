// Package httpedge handles every HTTP request of both services before and after the service's own
// code:
//
//	request id, access log, metrics, recovery of panics
//	-> routing (404, 405)
//	-> authentication (401)
//	-> limits and validation against the OpenAPI document (413, 415, 400)
//	-> the service
//
// Authentication comes before validation, so that unauthenticated clients learn nothing about valid
// requests, and cost little. Package problem writes every response that is not a success.
//
// The package also serves the operational routes /healthz, /readyz, /metrics, /docs and
// /openapi.yaml, without authentication and validation.
package httpedge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
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

// The errors that any request can cause. Errors derived from them have their own details.
var (
	ErrInvalidRequest   = fault.New(fault.Invalid, "invalid_request", "The request is malformed.")
	ErrUnauthenticated  = fault.New(fault.Unauthenticated, "unauthenticated", "A valid access token is needed.")
	ErrNotFound         = fault.New(fault.NotFound, "not_found", "There is no such route.")
	ErrMethodNotAllowed = fault.New(fault.MethodNotAllowed, "method_not_allowed",
		"The route exists, but not for this method.")
	ErrBodyTooLarge    = fault.New(fault.TooLarge, "body_too_large", "The body is larger than 64 KiB.")
	ErrBusy            = fault.New(fault.Unavailable, "unavailable", "Too many of these requests are under way; try again.").After(time.Second)
	ErrTooManyRequests = fault.New(fault.Throttled, "too_many_requests",
		"You send too many requests; try again later.")
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

// Options configure an edge. All of them but Deferred, PerSecond, MetricsElsewhere
// and TrustedProxies are required.
type Options struct {
	// Title is the name of the service on /docs.
	Title string
	// Spec is the OpenAPI 3.0 document, in YAML, with every route that Mount mounts. All of its
	// security schemes must be bearer tokens.
	Spec []byte
	// Mount registers the service's routes, by the paths of the document.
	Mount func(chi.Router)
	// Authenticate returns the context of a request with this bearer token, from which the
	// service reads the user, or a fault: ErrUnauthenticated or another one of its kind. It may
	// call NameUser. It is called for the secured operations of the document, except Deferred's.
	Authenticate func(ctx context.Context, token string) (context.Context, error)
	Deferred     Deferred
	// PerSecond bounds the requests of one user in a second on average, as NameUser and CountAs name
	// them, except those of the deferred operation; 0 for no bound. See burstSeconds.
	PerSecond int
	Health    *health.Registry
	Metrics   *metrics.Registry
	// MetricsElsewhere leaves /metrics out, because the handler of Metrics serves it on another
	// listener.
	MetricsElsewhere bool
	// TrustedProxies are believed about the address of a client, which the access log shows. See
	// ClientAddress.
	TrustedProxies []netip.Prefix
}

// Deferred is an operation that checks itself whether a token is still valid. The zero value means
// no operation.
type Deferred struct {
	// Operation is the operationId in the document.
	Operation string
	// Recognise is called instead of Authenticate.
	Recognise func(ctx context.Context, token string) (context.Context, error)
	// AtOnce bounds the requests in progress; 0 for no bound. A request needs a place only when its
	// token has been recognised, and its body has been read and checked. Further requests wait for a
	// place, first come first served. After Patience without a place they are refused. They wait
	// because a refusal costs almost as much as the rest of the edge, and a client that is refused at
	// once retries at once.
	AtOnce int64
	// AtOncePerUser bounds the places of one user, as NameUser names them. Further requests of the user
	// wait like others, but only for a place of the user's.
	AtOncePerUser int64
	Patience      time.Duration
	// PerSecond is Options.PerSecond for the deferred operation.
	PerSecond int
	// Confirm is called with the context from Recognise before an invalid request is refused. Its
	// fault, if any, replaces the refusal, so that a client without access learns nothing.
	Confirm func(ctx context.Context) error
}

// New returns the handler of all requests of a service. It returns an error when the document is not
// valid, or when the document and the mounted routes differ.
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
	compress, err := newCompressor()
	if err != nil {
		return nil, err
	}
	g.compress = compress

	r := chi.NewRouter()
	r.Use(newObserver(o.Metrics, o.TrustedProxies).middleware)
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
	if !o.MetricsElsewhere {
		operational(r, metricsPath, o.Metrics.Handler())
	}
	operational(r, specPath, compress(document(o.Spec)))
	operational(r, docsPath, docs)
	operational(r, docsPath+"/*", compress(docs))
	return r, nil
}

// Metrics returns a handler of /metrics alone, for a listener of its own.
func Metrics(m *metrics.Registry) http.Handler {
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(begin(w, r)))
		})
	})
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, ErrNotFound) })
	r.MethodNotAllowed(methodNotAllowed)
	operational(r, metricsPath, m.Handler())
	return r
}

// operational mounts a handler for GET and HEAD. net/http drops the body of a response to HEAD.
func operational(r chi.Router, path string, h http.Handler) {
	r.Method(http.MethodGet, path, h)
	r.Method(http.MethodHead, path, h)
}

func document(spec []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Del("Cache-Control") // the same for everybody
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(spec) // the client may be gone
	})
}

// methodNotAllowed responds with 405 and the methods of the route, or with 404 when there are none.
// chi also calls it for methods that HTTP does not have, on any path.
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
	var allowed, fixed []string // fixed are those of a path without parameters, which are the truth if there are any
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	} {
		found := chi.NewRouteContext()
		if !routes.Match(found, method, path) {
			continue
		}
		allowed = append(allowed, method)
		if found.RoutePattern() == path {
			fixed = append(fixed, method)
		}
	}
	if len(fixed) > 0 {
		return fixed
	}
	return allowed
}

// HandleError is the ResponseErrorHandlerFunc of a generated strict server. It writes the error that
// the service returned.
func HandleError(w http.ResponseWriter, r *http.Request, err error) { problem.Write(w, r, err) }

// HandleRequestError is the ErrorHandlerFunc (parameters) and the RequestErrorHandlerFunc (body) of a
// generated strict server. Few errors occur, because the request was validated before. Faults from the
// decoding of a type are written as they are, and others become ErrInvalidRequest.
func HandleRequestError(w http.ResponseWriter, r *http.Request, err error) {
	if fault.Find(err) == nil {
		// The text of err may hold what the client sent, and goes nowhere.
		err = ErrInvalidRequest.Because(&violation{field: "a parameter or the body", rule: "cannot be decoded"})
	}
	problem.Write(w, r, err)
}

// compare returns an error for each route that is only mounted or only in the document.
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
