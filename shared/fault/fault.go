// Package fault describes business failures: a kind (the class of failure, from which an edge
// derives its status), a code (the stable name in the contract) and a detail for people.
//
// Any other error is an internal failure, whose text is never shown outside.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// Kind is the class of a failure. The zero value is Internal.
type Kind uint8

// The kinds. Package problem holds the only table from kinds to HTTP statuses.
const (
	Internal         Kind = iota // a defect, or an unexpected failure
	Invalid                      // the shape of the request is wrong
	Unauthenticated              // the user is not known
	Forbidden                    // the user is known but not allowed
	NotFound                     // the thing does not exist, or the user may not see it
	MethodNotAllowed             // the route exists, the method does not
	Conflict                     // the present state forbids it
	Precondition                 // a concurrent change came first (If-Match)
	TooLarge                     // the body is too long
	UnsupportedMedia             // the body has a media type that is not accepted
	Unprocessable                // the shape is right, a value breaks a rule
	Throttled                    // too many attempts; try again later
	Unavailable                  // a dependency is down; try again later
)

// Error is a failure with a name. Create a sentinel with New, and derive a failure from it with
// Detailf, With, After or Because, which copy. errors.Is compares codes, so a derived error is its
// sentinel.
type Error struct {
	Kind       Kind
	Code       string         // stable, in lower_snake; part of the contract
	Detail     string         // for people: a sentence without internals
	Params     map[string]any // members added to the problem document; nil for none
	RetryAfter time.Duration  // when a retry makes sense; zero if unknown
	cause      error
}

// New returns a failure of a kind with its stable code and a default detail.
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// Error returns the code, the detail and the cause, for logs.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.cause)
	}
	return e.Code + ": " + e.Detail
}

// Is reports whether target is a fault with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error) // errors.Is walks the chain and calls this for each error
	return ok && t.Code == e.Code
}

// Unwrap returns the cause, which is only for logs.
func (e *Error) Unwrap() error { return e.cause }

// Detailf returns a copy of e with another detail.
func (e *Error) Detailf(format string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// With returns a copy of e with a value for the caller, such as the current price. The value must
// marshal to JSON.
func (e *Error) With(key string, value any) *Error {
	c := *e
	c.Params = maps.Clone(e.Params)
	if c.Params == nil {
		c.Params = make(map[string]any, 1)
	}
	c.Params[key] = value
	return &c
}

// After returns a copy of e with the time after which a retry makes sense.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Because returns a copy of e with a cause, which logs show and callers do not see. The cause of a
// refusal must not hold what the client sent, which may be a secret.
func (e *Error) Because(err error) *Error {
	c := *e
	c.cause = err
	return &c
}

// Find returns the fault in the chain of err, or nil if err is an internal failure.
func Find(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}
