package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/httpedge"
)

// Tokens are the service tokens that are accepted. It keeps their hashes only.
type Tokens struct{ hashes [][sha256.Size]byte }

// NewTokens returns the tokens to accept.
func NewTokens(tokens ...string) *Tokens {
	t := &Tokens{}
	for _, token := range tokens {
		t.hashes = append(t.hashes, sha256.Sum256([]byte(token)))
	}
	return t
}

type labelKey struct{}

// Authenticate returns a context that knows which token was used, by a label that
// is no secret: the first eight hexadecimal digits of its SHA-256. Its time says
// nothing about the tokens, because hashes of one length are compared, and all of
// them.
//
// httpedge.ErrUnauthenticated: the token is none of ours.
func (t *Tokens) Authenticate(ctx context.Context, token string) (context.Context, error) {
	given := sha256.Sum256([]byte(token))
	known := 0
	for _, hash := range t.hashes {
		known |= subtle.ConstantTimeCompare(given[:], hash[:])
	}
	if known == 0 {
		return nil, httpedge.ErrUnauthenticated.Detailf("A valid service token is needed.")
	}
	label := hex.EncodeToString(given[:4])
	httpedge.NameUser(ctx, label)
	return context.WithValue(ctx, labelKey{}, label), nil
}

// author is who sent a request: the person, as the caller says, and the token.
func author(ctx context.Context, actor string) domain.Author {
	label, _ := ctx.Value(labelKey{}).(string)
	return domain.Author{Actor: actor, Token: label}
}
