// Package problem writes errors as RFC 9457 problem documents. Both services write every answer but
// success with it. It holds the only table from fault kinds to HTTP statuses.
package problem

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"stavka.local/shared/fault"
	"stavka.local/shared/instant"
	"stavka.local/shared/requestid"
)

// ContentType is the media type of a problem document.
const ContentType = "application/problem+json"

// StatusClientGone is the status in the access log and the metrics of a request whose client left
// or did not send it in time. No client receives it. The number is that of nginx.
const StatusClientGone = 499

// errInternal is the answer for every error that is not a fault.
var errInternal = fault.New(fault.Internal, "internal_error", "Something went wrong on our side.")

// Status returns the HTTP status of a kind of failure.
func Status(kind fault.Kind) int {
	switch kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case fault.Conflict:
		return http.StatusConflict
	case fault.Precondition:
		return http.StatusPreconditionFailed
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.UnsupportedMedia:
		return http.StatusUnsupportedMediaType
	case fault.Unprocessable:
		return http.StatusUnprocessableEntity
	case fault.Throttled:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}

// Write answers r with err as a problem document: status, title, detail, code, request id, and the
// fault's parameters as further members. It sets Retry-After if the fault has RetryAfter, and
// WWW-Authenticate with a 401. An error that is not a fault, or is an internal one, is answered
// with internal_error and nothing more.
//
// It logs internal and dependency failures with their causes on the default logger; callers must
// not log them again. If the client has left and err is only the consequence, Write writes nothing
// but a status for the access log.
//
// Nothing may have been written to w before.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	ctx := r.Context()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		w.WriteHeader(StatusClientGone)
		return
	}
	f := fault.Find(err)
	if f == nil || f.Kind == fault.Internal {
		f = errInternal
	}
	log(r, err, f)
	Answer(w, r, f)
}

// Answer is Write without logging, for a fault that may come in large numbers.
func Answer(w http.ResponseWriter, r *http.Request, f *fault.Error) {
	status := Status(f.Kind)
	header := w.Header()
	header.Set("Content-Type", ContentType)
	header.Set("Cache-Control", "no-store")
	if f.RetryAfter > 0 {
		// Rounded up, so that a client does not return too early.
		seconds := (f.RetryAfter + time.Second - 1) / time.Second
		header.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	body := document(r.Context(), f, status)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone
	}
}

// log logs internal failures as errors, failures of dependencies as warnings, and the hidden cause
// of a refusal for debugging. It does not log the detail of a refusal, which may show what the client
// sent.
func log(r *http.Request, err error, f *fault.Error) {
	ctx := r.Context()
	switch status := Status(f.Kind); {
	case status == http.StatusInternalServerError:
		slog.ErrorContext(ctx, "request failed", "error", err)
	case status > http.StatusInternalServerError:
		slog.WarnContext(ctx, "request not served", "error", err)
	case f.Unwrap() != nil:
		slog.DebugContext(ctx, "request refused", "path", r.URL.Path, "code", f.Code, "reason", f.Unwrap())
	}
}

// members are the members of every problem, in the order in which they are shown.
type members struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
}

// document returns the problem: the members of every problem, then the fault's parameters by name.
// A parameter cannot replace one of the former.
func document(ctx context.Context, f *fault.Error, status int) []byte {
	var b bytes.Buffer
	_ = appendJSON(&b, members{ // texts and a number always marshal
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: f.Detail, Code: f.Code, RequestID: requestid.From(ctx),
	})
	b.Truncate(b.Len() - 1) // the closing brace
	for _, name := range slices.Sorted(maps.Keys(f.Params)) {
		mark := b.Len()
		if err := appendParameter(&b, name, f.Params[name]); err != nil {
			b.Truncate(mark)
			slog.ErrorContext(ctx, "problem parameter left out", "code", f.Code, "parameter", name, "error", err)
		}
	}
	b.WriteString("}\n")
	return b.Bytes()
}

func appendParameter(b *bytes.Buffer, name string, value any) error {
	switch name {
	case "type", "title", "status", "detail", "instance", "code", "request_id":
		return errors.New("its name is a standard member's")
	}
	b.WriteByte(',')
	if err := appendJSON(b, name); err != nil {
		return err
	}
	b.WriteByte(':')
	if at, ok := value.(time.Time); ok {
		value = instant.Of(at)
	}
	return appendJSON(b, value)
}

// appendJSON does not escape '<', '>' and '&': people read them, and no browser takes this media
// type for HTML.
func appendJSON(b *bytes.Buffer, value any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // Encode ends with a line feed
	return nil
}
