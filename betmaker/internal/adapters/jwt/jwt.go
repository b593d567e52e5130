// Package jwt signs and verifies access tokens: JSON Web Tokens with an HMAC.
//
// The algorithm is fixed: the one in the header of a token must be the configured one, and never
// decides how the token is verified (RFC 8725). A token names its user, issuer, audience, time of
// issue, expiry and the version of the user's tokens. It does not contain permissions.
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

	// clockSkew is how far ahead the clock of the issuing replica may be. It does not extend the
	// life of a token.
	clockSkew = 5 * time.Second
)

// Algorithms returns the names of the supported algorithms.
func Algorithms() []string {
	return []string{jwa.HS256.String(), jwa.HS384.String(), jwa.HS512.String()}
}

// Config configures Tokens.
type Config struct {
	Algorithm string // one of Algorithms
	Secret    []byte // not empty
	TTL       time.Duration
}

// Tokens signs and verifies access tokens. It is safe for concurrent use.
type Tokens struct {
	algorithm  jwa.SignatureAlgorithm
	secret     []byte
	ttl        time.Duration
	validation []jwt.ValidateOption
}

// New returns Tokens, or an error for an insecure configuration.
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

// Issue returns a token for a user and its lifetime in whole seconds.
func (t *Tokens) Issue(user domain.UserID, version int32) (string, time.Duration, error) {
	now := time.Now().Truncate(time.Second) // tokens have whole seconds
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

var errSignature = errors.New("it is not a token with our signature")

// Verify returns the claims of a genuine token that is valid now. Otherwise it returns
// domain.ErrUnauthenticated, with the reason for the logs.
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
		return domain.AccessClaims{}, errSignature // err may quote the token
	}
	// The library used the fixed algorithm and did not compare it with the header.
	header := message.Signatures()[0].ProtectedHeaders()
	if header.Algorithm() != t.algorithm || len(header.Critical()) > 0 {
		return domain.AccessClaims{}, errors.New("the header has another algorithm or critical parameters")
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

// accessClaims converts validated claims.
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
		return domain.AccessClaims{}, errors.New("the version is not that of a user")
	}
	return domain.AccessClaims{UserID: domain.UserID(user), Version: version, ExpiresAt: parsed.Expiration()}, nil
}
