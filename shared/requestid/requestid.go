// Package requestid identifies requests, so that an answer, its log lines and a question about it
// can be matched. The ids travel in the context.
//
// A request has the id that it is answered with, which the client may choose, and so choose the id of
// another request; and one that the server has made, which is like no other.
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

// ids are those of one request.
type ids struct{ answered, server string }

// With returns a context that carries id to answer with. It keeps the server's id of ctx.
func With(ctx context.Context, id string) context.Context { return WithServer(ctx, id, Server(ctx)) }

// WithServer returns a context that carries the id to answer with and the server's own.
func WithServer(ctx context.Context, id, server string) context.Context {
	return context.WithValue(ctx, contextKey{}, ids{id, server})
}

// From returns the id to answer with that ctx carries, or "" when it carries none.
func From(ctx context.Context) string { return of(ctx).answered }

// Server returns the server's own id that ctx carries, or "" when it carries none. It equals the other
// unless the client has chosen that.
func Server(ctx context.Context) string { return of(ctx).server }

func of(ctx context.Context) ids {
	found, _ := ctx.Value(contextKey{}).(ids)
	return found
}
