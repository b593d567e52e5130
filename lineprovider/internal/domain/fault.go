package domain

import (
	"time"

	"stavka.local/shared/fault"
)

// The refusals of this package and of the ports. api/lineprovider.yaml documents their codes.
var (
	// ErrInvalidText means that a text for people is not allowed; its detail names the field.
	ErrInvalidText = fault.New(fault.Invalid, "invalid_request", "The request is malformed.")

	// ErrEventNotFound means that no event has the id.
	ErrEventNotFound = fault.New(fault.NotFound, "event_not_found", "There is no such event.")

	// ErrEventNotOpen means that the event is not in StateNew and cannot be amended.
	ErrEventNotOpen = fault.New(fault.Conflict, "event_not_open", "Only an open event can be changed.")

	// ErrEventFinished means that the event has a result and cannot be opened again or removed.
	ErrEventFinished = fault.New(fault.Conflict, "event_finished", "The event is finished.")

	// ErrDeadlinePassed means that the price and the deadline can no longer change.
	ErrDeadlinePassed = fault.New(fault.Conflict, "deadline_passed",
		"The deadline has passed; price and deadline are fixed.")

	// ErrVersionMismatch means that the event does not have the version that the caller expects.
	ErrVersionMismatch = fault.New(fault.Precondition, "version_mismatch",
		"The event no longer has the version that was expected.")

	// ErrCoefficient means that the coefficient is outside the allowed range.
	ErrCoefficient = fault.New(fault.Unprocessable, "coefficient_out_of_range", "The coefficient is out of range.")

	// ErrDeadlineInPast means that the new deadline is in the past.
	ErrDeadlineInPast = fault.New(fault.Unprocessable, "deadline_in_past", "The deadline is already over.")

	// ErrEffectiveAt means that effective_at is not between the event's creation and now.
	ErrEffectiveAt = fault.New(fault.Unprocessable, "effective_at_invalid", "effective_at is not valid.")

	// ErrReasonRequired means that a correction has no reason.
	ErrReasonRequired = fault.New(fault.Unprocessable, "reason_required", "Say the reason for changing a result.")

	// ErrKeyReused means that the idempotency key belongs to another request.
	ErrKeyReused = fault.New(fault.Unprocessable, "idempotency_key_reused",
		"This Idempotency-Key was already used for a request with other content.")

	// ErrUnavailable means that the store cannot be reached, or cannot give its guarantees. A
	// change in progress may or may not have been made.
	ErrUnavailable = fault.New(fault.Unavailable, "unavailable",
		"The service cannot reach its store; try again in a moment.").After(retryAfter)
)

// retryAfter is the delay that ErrUnavailable advises. A store can restart in that time, and a
// client does not wait much longer than needed.
const retryAfter = time.Second
