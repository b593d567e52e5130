package domain

import (
	"time"

	"stavka.local/shared/fault"
)

// The refusals of this package and of the ports. Their codes are part of the
// contract in api/lineprovider.yaml.
var (
	// ErrEventNotFound: no event has the id.
	ErrEventNotFound = fault.New(fault.NotFound, "event_not_found", "There is no such event.")

	// ErrEventNotOpen: only an event in StateNew can be amended.
	ErrEventNotOpen = fault.New(fault.Conflict, "event_not_open", "Only an open event can be changed.")

	// ErrEventFinished: the event has a result; it is neither opened again nor removed.
	ErrEventFinished = fault.New(fault.Conflict, "event_finished", "The event is finished.")

	// ErrDeadlinePassed: neither the price nor the deadline may change any more.
	ErrDeadlinePassed = fault.New(fault.Conflict, "deadline_passed",
		"The deadline has passed; price and deadline are fixed.")

	// ErrVersionMismatch: the event is not at the version the caller expects.
	ErrVersionMismatch = fault.New(fault.Precondition, "version_mismatch",
		"The event no longer has the version that was expected.")

	// ErrCoefficient: the coefficient is not one that may be offered.
	ErrCoefficient = fault.New(fault.Unprocessable, "coefficient_out_of_range", "The coefficient is out of range.")

	// ErrDeadlineInPast: a new deadline must not lie in the past.
	ErrDeadlineInPast = fault.New(fault.Unprocessable, "deadline_in_past", "The deadline is already over.")

	// ErrEffectiveAt: a result becomes fact between the event's creation and now.
	ErrEffectiveAt = fault.New(fault.Unprocessable, "effective_at_invalid", "effective_at is not possible.")

	// ErrReasonRequired: a result is replaced only with a reason.
	ErrReasonRequired = fault.New(fault.Unprocessable, "reason_required", "Say the reason for changing a result.")

	// ErrKeyReused: the idempotency key belongs to another request.
	ErrKeyReused = fault.New(fault.Unprocessable, "idempotency_key_reused",
		"This Idempotency-Key was already used for a request with other content.")

	// ErrUnavailable: the store cannot be reached, or cannot promise what it must.
	// Whether a change that was under way has been made is not known.
	ErrUnavailable = fault.New(fault.Unavailable, "unavailable",
		"The service cannot reach its store; try again in a moment.").After(retryAfter)
)

// retryAfter is what ErrUnavailable advises: long enough for a store to restart,
// short enough that nobody waits for nothing.
const retryAfter = time.Second
