package httpedge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"stavka.local/shared/metrics"
	"stavka.local/shared/problem"
	"stavka.local/shared/requestid"
)

// unmatched is the route of requests that match none. It keeps the paths of such requests out of the
// labels of metrics.
const unmatched = "unmatched"

// observer sets the ids of requests, measures and logs them, and turns panics into responses.
type observer struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	trusted  []netip.Prefix
}

func newObserver(m *metrics.Registry, trusted []netip.Prefix) *observer {
	return &observer{
		trusted: trusted,
		requests: m.CounterVec("http_requests_total",
			"HTTP requests answered; status 499 is a client that went away.", "route", "method", "status"),
		duration: m.HistogramVec("http_request_duration_seconds",
			"Time from the first byte of a request's header to the end of its handler.",
			metrics.LatencyBuckets(), "route", "method"),
		inFlight: m.Gauge("http_requests_in_flight", "HTTP requests being answered now."),
	}
}

// subject receives the user of a request from inner handlers, for the access log.
type subject struct {
	user    string
	counted string // as whom the request is bounded
}

type subjectKey struct{}

// NameUser sets the user of the request of ctx, whom the access log shows and whose requests are
// bounded together. It does nothing for other contexts.
func NameUser(ctx context.Context, user string) {
	if s, ok := ctx.Value(subjectKey{}).(*subject); ok {
		s.user, s.counted = user, user
	}
}

// CountAs sets as whom the request of ctx is bounded together with others. It is called after NameUser, for
// a user who is only claimed to be the sender.
func CountAs(ctx context.Context, name string) {
	if s, ok := ctx.Value(subjectKey{}).(*subject); ok {
		s.counted = name
	}
}

// countedAs returns as whom a request is bounded, or "".
func countedAs(ctx context.Context) string {
	if s, ok := ctx.Value(subjectKey{}).(*subject); ok {
		return s.counted
	}
	return ""
}

// onEveryAnswer are headers for browsers: they keep no answer, guess no type, put no answer into a frame
// and tell no other site the address. The documentation replaces some. The values are shared, which
// saves memory for each answer.
var onEveryAnswer = []struct {
	name   string // in the canonical form
	values []string
}{
	{"Cache-Control", []string{"no-store"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
}

func (o *observer) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		o.inFlight.Inc()
		defer o.inFlight.Dec()

		ctx := begin(w, r)
		sender := &subject{}
		r = r.WithContext(context.WithValue(ctx, subjectKey{}, sender))
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		aborted := serve(next, ww, r)
		o.report(r, ww, time.Since(start), sender.user, aborted)
		if aborted {
			panic(http.ErrAbortHandler) // net/http closes the connection and logs nothing
		}
	})
}

// begin sets the headers of every answer and returns the context with the ids of the request.
func begin(w http.ResponseWriter, r *http.Request) context.Context {
	id, own := r.Header.Get(requestid.Header), requestid.New()
	if !requestid.IsValid(id) {
		id = own
	}
	header := w.Header()
	header.Set(requestid.Header, id)
	for _, h := range onEveryAnswer {
		header[h.name] = h.values
	}
	return requestid.WithServer(r.Context(), id, own)
}

// serve calls next and writes a response when next panics. It returns true when no response is possible
// and the connection must be closed.
func serve(next http.Handler, w middleware.WrapResponseWriter, r *http.Request) (aborted bool) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			aborted = true
			return
		}
		err := fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		if w.Status() == 0 {
			problem.Write(w, r, err)
			return
		}
		slog.ErrorContext(r.Context(), "request failed after the response had begun", "error", err)
		aborted = true
	}()
	next.ServeHTTP(w, r)
	return false
}

// report measures and logs an answered request.
func (o *observer) report(
	r *http.Request, w middleware.WrapResponseWriter, took time.Duration, user string, aborted bool,
) {
	route := chi.RouteContext(r.Context()).RoutePattern()
	if route == "" {
		route = unmatched
	}
	status := w.Status()
	switch {
	case status != 0:
	case aborted:
		status = problem.StatusClientGone
	default:
		status = http.StatusOK // net/http sends this for a handler that wrote nothing
	}
	method := knownMethod(r.Method)
	o.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	o.duration.WithLabelValues(route, method).Observe(took.Seconds())

	level := slog.LevelInfo
	switch route {
	case healthPath, readyPath, metricsPath:
		level = slog.LevelDebug // programs send these every few seconds
	}
	logger, ctx := slog.Default(), r.Context()
	if !logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs,
		slog.String("method", method),
		slog.String("route", route),
		slog.String("path", r.URL.Path),
		slog.String("client", clientText(r, o.trusted)),
		slog.Int("status", status),
		slog.Duration("duration", took),
		slog.Int("bytes", w.BytesWritten()),
	)
	if user != "" {
		attrs = append(attrs, slog.String("user", user))
	}
	if aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	logger.LogAttrs(ctx, level, "request", attrs...)
}

// clientText returns the address of the client, or "unknown".
func clientText(r *http.Request, trusted []netip.Prefix) string {
	address := ClientAddress(r, trusted)
	if !address.IsValid() {
		return "unknown"
	}
	return address.String()
}

// knownMethod returns method, or OTHER for a method that HTTP does not have, to bound the labels of metrics.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	default:
		return "OTHER"
	}
}
