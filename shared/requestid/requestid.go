// Package requestid identifies requests, so that an answer, its log lines and a question about it
// can be matched. The id travels in the context.
package requestid

import (
	"context"
	"crypto/rand"
)

// Header is the HTTP header of the id in requests and answers.
const Header = "X-Request-Id"

// maxLength bounds the ids from outside.
const maxLength = 64

type contextKey struct{}

// New returns a fresh random id of 26 letters and digits.
func New() string { return rand.Text() }

// IsValid reports whether an id from outside may be used unchanged: 1 to 64 letters, digits, '.',
// '_', '-' or ':', which are harmless in headers and logs.
func IsValid(id string) bool {
	if id == "" || len(id) > maxLength {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
		case c == '.', c == '_', c == '-', c == ':':
		default:
			return false
		}
	}
	return true
}

// With returns a context that carries id.
func With(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, contextKey{}, id)
}

// From returns the id that ctx carries, or "" when it carries none.
func From(ctx context.Context) string {
	id, _ := ctx.Value(contextKey{}).(string)
	return id
}
