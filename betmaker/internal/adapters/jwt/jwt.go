// Package jwt signs and checks access tokens: JSON Web Tokens with an HMAC.
//
// The algorithm is pinned: what a token's header says about it must be the one that is
// configured, and is never asked for how to check the token (RFC 8725). A token says
// who it was issued to, by whom, for whom, when, until when, and with which version of
// the user's tokens; it does not say what the user may do.
package jwt

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"stavka.local/betmaker/internal/domain"
)

const (
	issuer       = "stavka/bet-maker"
	audience     = "stavka/bet-maker"
	versionClaim = "ver"

	// clockSkew is how far ahead the clock of the replica that issued a token may be. A
	// token that has expired by our clock has expired all the same.
	clockSkew = 5 * time.Second
)

// Algorithms returns the names of the algorithms that tokens can be signed with.
func Algorithms() []string {
	return []string{jwa.HS256.String(), jwa.HS384.String(), jwa.HS512.String()}
}

// Config says how tokens are made.
type Config struct {
	Algorithm string // one of Algorithms
	Secret    []byte // not empty
	TTL       time.Duration
}

// Tokens signs and checks access tokens. It is safe for concurrent use.
type Tokens struct {
	algorithm  jwa.SignatureAlgorithm
	secret     []byte
	ttl        time.Duration
	validation []jwt.ValidateOption
}

// New returns Tokens, or an error for a configuration that would not protect anything.
func New(c Config) (*Tokens, error) {
	switch {
	case !slices.Contains(Algorithms(), c.Algorithm):
		return nil, fmt.Errorf("access tokens: %q is not one of the algorithms %v", c.Algorithm, Algorithms())
	case len(c.Secret) == 0:
		return nil, errors.New("access tokens: there is no key to sign them with")
	case c.TTL < time.Second:
		return nil, fmt.Errorf("access tokens: a life of %s is too short", c.TTL)
	}
	return &Tokens{
		algorithm: jwa.SignatureAlgorithm(c.Algorithm),
		secret:    slices.Clone(c.Secret),
		ttl:       c.TTL.Truncate(time.Second),
		validation: []jwt.ValidateOption{
			jwt.WithIssuer(issuer),
			jwt.WithAudience(audience),
			jwt.WithRequiredClaim(jwt.SubjectKey),
			jwt.WithRequiredClaim(jwt.ExpirationKey),
			jwt.WithRequiredClaim(jwt.NotBeforeKey),
			jwt.WithRequiredClaim(jwt.IssuedAtKey),
			jwt.WithRequiredClaim(versionClaim),
			jwt.WithAcceptableSkew(clockSkew),
		},
	}, nil
}

// Issue returns a token for a user, and for how long it is valid: whole seconds.
func (t *Tokens) Issue(user domain.UserID, version int32) (string, time.Duration, error) {
	now := time.Now().Truncate(time.Second) // what a token can say
	claims, err := jwt.NewBuilder().
		Issuer(issuer).
		Audience([]string{audience}).
		Subject(strconv.FormatInt(int64(user), 10)).
		IssuedAt(now).
		NotBefore(now).
		Expiration(now.Add(t.ttl)).
		Claim(versionClaim, version).
		Build()
	if err != nil {
		return "", 0, fmt.Errorf("make an access token: %w", err)
	}
	signed, err := jwt.Sign(claims, jwt.WithKey(t.algorithm, t.secret))
	if err != nil {
		return "", 0, fmt.Errorf("sign an access token: %w", err)
	}
	return string(signed), t.ttl, nil
}

// Verify returns what a token says, if it is one of ours and valid now. Otherwise it
// returns domain.ErrUnauthenticated, with the reason for the logs.
func (t *Tokens) Verify(token string) (domain.AccessClaims, error) {
	claims, err := t.verify(token)
	if err != nil {
		return domain.AccessClaims{}, domain.ErrUnauthenticated.Because(err)
	}
	return claims, nil
}

func (t *Tokens) verify(token string) (domain.AccessClaims, error) {
	message := jws.NewMessage()
	payload, err := jws.Verify([]byte(token), jws.WithCompact(), jws.WithKey(t.algorithm, t.secret), jws.WithMessage(message))
	if err != nil {
		return domain.AccessClaims{}, fmt.Errorf("check the signature: %w", err)
	}
	// The library has used our algorithm and not looked at what the header says.
	header := message.Signatures()[0].ProtectedHeaders()
	if header.Algorithm() != t.algorithm || len(header.Critical()) > 0 {
		return domain.AccessClaims{}, errors.New("the header is not one of ours")
	}
	parsed, err := jwt.ParseInsecure(payload, jwt.WithTypedClaim(versionClaim, int32(0)))
	if err != nil {
		return domain.AccessClaims{}, fmt.Errorf("read the claims: %w", err)
	}
	if err := jwt.Validate(parsed, t.validation...); err != nil {
		return domain.AccessClaims{}, fmt.Errorf("check the claims: %w", err)
	}
	return accessClaims(parsed)
}

// accessClaims reads validated claims.
func accessClaims(parsed jwt.Token) (domain.AccessClaims, error) {
	if !time.Now().Before(parsed.Expiration()) {
		return domain.AccessClaims{}, jwt.ErrTokenExpired()
	}
	user, err := strconv.ParseInt(parsed.Subject(), 10, 64)
	if err != nil || user < 1 {
		return domain.AccessClaims{}, errors.New("the subject is not a user")
	}
	claim, _ := parsed.Get(versionClaim)
	version, ok := claim.(int32)
	if !ok || version < 1 {
		return domain.AccessClaims{}, errors.New("the version is not one of a user's")
	}
	return domain.AccessClaims{UserID: domain.UserID(user), Version: version, ExpiresAt: parsed.Expiration()}, nil
}
