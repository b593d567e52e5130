// Package fault says what went wrong in the terms of the business: a kind (the
// class of failure, from which an edge derives its status), a code (the stable
// name that is part of the contract) and a detail that a person understands.
//
// Anything that is not a fault is an internal failure, and its text is never
// shown outside.
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
	Internal         Kind = iota // our defect, or a failure nobody foresaw
	Invalid                      // the request's shape is wrong
	Unauthenticated              // we do not know who asks
	Forbidden                    // we know who asks, and they may not
	NotFound                     // there is no such thing, or none that the asker may see
	MethodNotAllowed             // the route exists, the method does not
	Conflict                     // the state of things forbids it now
	Precondition                 // somebody was faster (If-Match)
	TooLarge                     // the body is too long
	UnsupportedMedia             // the body's media type is not taken here
	Unprocessable                // the shape is right, a value breaks a rule
	Throttled                    // too many tries; later
	Unavailable                  // something we depend on is down; later
)

// Error is a failure with a name. Create a sentinel with New; derive the concrete
// failure from it with Detailf, With, After or Because, which copy.
// errors.Is compares codes, so every derived error is its sentinel.
type Error struct {
	Kind       Kind
	Code       string         // stable, lower_snake: part of the contract
	Detail     string         // for a person; holds no internals
	Params     map[string]any // members added to the problem document; nil for none
	RetryAfter time.Duration  // when trying again makes sense; zero for never said
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

// Is tells whether target is a fault with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error) // errors.Is walks the chain and calls this for each link
	return ok && t.Code == e.Code
}

// Unwrap returns the cause, which is for logs only.
func (e *Error) Unwrap() error { return e.cause }

// Detailf returns a copy of e with another detail.
func (e *Error) Detailf(format string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// With returns a copy of e that carries a value the caller can use, such as
// the current price. The value must marshal to JSON.
func (e *Error) With(key string, value any) *Error {
	c := *e
	c.Params = maps.Clone(e.Params)
	if c.Params == nil {
		c.Params = make(map[string]any, 1)
	}
	c.Params[key] = value
	return &c
}

// After returns a copy of e that says when to try again.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Because returns a copy of e with the cause that logs show and callers do not.
func (e *Error) Because(err error) *Error {
	c := *e
	c.cause = err
	return &c
}

// Find returns the fault in err's chain, or nil when err is an internal failure.
func Find(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}
