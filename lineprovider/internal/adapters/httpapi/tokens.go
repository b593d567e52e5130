package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/httpedge"
)

// Tokens are the accepted service tokens. Only their hashes are stored.
type Tokens struct{ hashes [][sha256.Size]byte }

// NewTokens returns Tokens that accept the given tokens.
func NewTokens(tokens ...string) *Tokens {
	t := &Tokens{}
	for _, token := range tokens {
		t.hashes = append(t.hashes, sha256.Sum256([]byte(token)))
	}
	return t
}

type labelKey struct{}

// Authenticate returns a context with the label of the token. The label is not secret: it is the first
// eight hexadecimal digits of the token's SHA-256. The time that Authenticate takes does not depend
// on the tokens, because it compares all hashes, which have one length.
//
// httpedge.ErrUnauthenticated: the token is not accepted.
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

// author returns the author of a change: the person, as named by the caller, and the label of the token.
func author(ctx context.Context, actor string) domain.Author {
	label, _ := ctx.Value(labelKey{}).(string)
	return domain.Author{Actor: actor, Token: label}
}
