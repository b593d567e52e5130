package httpapi

import (
	"errors"
	"net/http"

	"stavka.local/shared/problem"
	"stavka.local/shared/requestid"
)

// replayedError is a refusal that answers a repeated request.
type replayedError struct {
	refusal error
	// requestID is the id of the first request, so that the answers are the same.
	requestID string
}

func (r *replayedError) Error() string { return r.refusal.Error() }

// Unwrap returns the refusal.
func (r *replayedError) Unwrap() error { return r.refusal }

// handleError answers a request whose operation returned an error.
func handleError(w http.ResponseWriter, r *http.Request, err error) {
	if replayed, ok := errors.AsType[*replayedError](err); ok {
		w.Header().Set("Idempotent-Replayed", "true")
		r = r.WithContext(requestid.With(r.Context(), replayed.requestID))
	}
	problem.Write(w, r, err)
}
