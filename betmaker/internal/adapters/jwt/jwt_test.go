package jwt_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"stavka.local/betmaker/internal/adapters/jwt"
	"stavka.local/betmaker/internal/domain"
)

const secret = "a secret key for tests, long enough"

func newTokens(tb testing.TB, algorithm string) *jwt.Tokens {
	tb.Helper()
	tokens, err := jwt.New(jwt.Config{Algorithm: algorithm, Secret: []byte(secret), TTL: time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	return tokens
}

func issue(tb testing.TB, tokens *jwt.Tokens, user domain.UserID, version int32) string {
	tb.Helper()
	token, _, err := tokens.Issue(user, version)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func TestIssuedTokensAreAccepted(t *testing.T) {
	t.Parallel()
	for _, algorithm := range jwt.Algorithms() {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			tokens := newTokens(t, algorithm)
			before := time.Now().Truncate(time.Second)
			token, valid, err := tokens.Issue(42, 7)
			if err != nil || valid != time.Hour {
				t.Fatalf("got %s, %v; want an hour", valid, err)
			}
			got, err := tokens.Verify(token)
			if err != nil || got.UserID != 42 || got.Version != 7 {
				t.Errorf("got %+v, %v", got, err)
			}
			if got.ExpiresAt.Before(before.Add(time.Hour)) || got.ExpiresAt.After(time.Now().Add(time.Hour)) {
				t.Errorf("it expires at %s, want in an hour", got.ExpiresAt)
			}
		})
	}
}

func TestInsecureConfigurationsAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]jwt.Config{
		"no algorithm":         {Secret: []byte(secret), TTL: time.Hour},
		"none":                 {Algorithm: "none", Secret: []byte(secret), TTL: time.Hour},
		"asymmetric":           {Algorithm: "RS256", Secret: []byte(secret), TTL: time.Hour},
		"lower case":           {Algorithm: "hs256", Secret: []byte(secret), TTL: time.Hour},
		"no secret":            {Algorithm: "HS256", TTL: time.Hour},
		"no life":              {Algorithm: "HS256", Secret: []byte(secret)},
		"a life in the past":   {Algorithm: "HS256", Secret: []byte(secret), TTL: -time.Hour},
		"less than one second": {Algorithm: "HS256", Secret: []byte(secret), TTL: time.Millisecond},
	} {
		if tokens, err := jwt.New(c); err == nil {
			t.Errorf("%s: got %v, want an error", name, tokens)
		}
	}
}

// forged is a handmade token whose header and claims differ from a genuine one in one respect.
type forged struct {
	header  map[string]any
	claims  map[string]any
	without string // a claim that is left out
	key     string
}

func (f forged) String() string {
	now := time.Now()
	header := map[string]any{"alg": "HS256", "typ": "JWT"}
	maps.Copy(header, f.header)
	claims := map[string]any{
		"iss": "stavka/bet-maker", "aud": []string{"stavka/bet-maker"}, "sub": "42", "ver": 7,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, f.claims)
	delete(claims, f.without)
	signed := encode(header) + "." + encode(claims)
	if f.key == "" {
		f.key = secret
	}
	mac := hmac.New(sha256.New, []byte(f.key))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func encode(value map[string]any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, "HS256")
	if _, err := tokens.Verify(forged{}.String()); err != nil {
		t.Fatalf("a genuine token is refused, so the refusals below prove nothing: %v", err)
	}
	genuine := issue(t, tokens, 42, 7)
	parts := strings.Split(genuine, ".")
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	claim := func(name string, value any) string { return forged{claims: map[string]any{name: value}}.String() }
	head := func(name string, value any) string { return forged{header: map[string]any{name: value}}.String() }

	for name, token := range map[string]string{
		"nothing":                             "",
		"not a token":                         "token",
		"only dots":                           "..",
		"alg none, unsigned":                  encode(map[string]any{"alg": "none"}) + "." + parts[1] + ".",
		"alg none, with our signature":        head("alg", "none"),
		"alg HS512 in the header":             head("alg", "HS512"),
		"alg RS256 in the header":             head("alg", "RS256"),
		"no alg":                              encode(map[string]any{"typ": "JWT"}) + "." + parts[1] + "." + parts[2],
		"a critical header":                   head("crit", []string{"b64"}),
		"another key":                         forged{key: "another secret key"}.String(),
		"an empty key":                        forged{key: "\x00"}.String(),
		"no signature":                        parts[0] + "." + parts[1] + ".",
		"a tampered payload":                  parts[0] + "." + encode(map[string]any{"sub": "1"}) + "." + parts[2],
		"a tampered header":                   encode(map[string]any{"alg": "HS256", "kid": "1"}) + "." + parts[1] + "." + parts[2],
		"a cut signature":                     genuine[:len(genuine)-4],
		"something behind":                    genuine + ".e30",
		"as JSON":                             `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`,
		"inside another":                      nested(t, genuine),
		"by another issuer":                   claim("iss", "stavka/line-provider"),
		"without an issuer":                   forged{without: "iss"}.String(),
		"for another audience":                claim("aud", "stavka/line-provider"),
		"without an audience":                 forged{without: "aud"}.String(),
		"expired":                             claim("exp", at(-time.Second)),
		"expired within the skew of clocks":   claim("exp", at(-2*time.Second)),
		"without an expiry":                   forged{without: "exp"}.String(),
		"not valid yet":                       claim("nbf", at(time.Minute)),
		"without nbf":                         forged{without: "nbf"}.String(),
		"issued in the future":                claim("iat", at(time.Minute)),
		"without iat":                         forged{without: "iat"}.String(),
		"without sub":                         forged{without: "sub"}.String(),
		"for user 0":                          claim("sub", "0"),
		"for a user that is not a number":     claim("sub", "admin"),
		"without a version":                   forged{without: "ver"}.String(),
		"with a version that is a text":       claim("ver", "7"),
		"with a version that is not whole":    claim("ver", json.Number("7.5")),
		"with a version that is null":         claim("ver", nil),
		"with a version beyond its type":      claim("ver", int64(1)<<32+7),
		"signed by RSA":                       signedByRSA(t),
		"signed with an RSA key as HMAC's":    rsaConfusion(t),
		"signed for a longer algorithm":       issue(t, newTokens(t, "HS512"), 42, 7),
		"signed with the same key, no claims": string(sign(t, []byte("{}"))),
		"signed with the same key, no JSON":   string(sign(t, []byte("42"))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claims, err := tokens.Verify(token)
			if !errors.Is(err, domain.ErrUnauthenticated) {
				t.Errorf("got %+v, %v; want ErrUnauthenticated", claims, err)
			}
			if err != nil && token != "" && len(parts) == 3 && strings.Contains(err.Error(), parts[2]) {
				t.Errorf("the error holds a signature: %v", err)
			}
		})
	}
}

func sign(t *testing.T, payload []byte) []byte {
	t.Helper()
	signed, err := jws.Sign(payload, jws.WithKey(jwa.HS256, []byte(secret)))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// nested is a token inside one that is signed with another key. Some libraries unwrap both and
// check one.
func nested(t *testing.T, genuine string) string {
	t.Helper()
	outer, err := jws.Sign([]byte(genuine), jws.WithKey(jwa.HS256, []byte("another secret key")))
	if err != nil {
		t.Fatal(err)
	}
	return string(outer)
}

func signedByRSA(t *testing.T) string {
	t.Helper()
	key := rsaKey(t)
	signed, err := jws.Sign([]byte(`{"sub":"42"}`), jws.WithKey(jwa.RS256, key))
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

// rsaConfusion signs by HMAC with a public key, for servers that pass any key to the algorithm of
// the header.
func rsaConfusion(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(rsaKey(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return forged{key: string(public)}.String()
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestTokenFromAClockAheadIsAccepted(t *testing.T) {
	t.Parallel()
	ahead := time.Now().Add(2 * time.Second).Unix()
	token := forged{claims: map[string]any{"iat": ahead, "nbf": ahead}}.String()
	if _, err := newTokens(t, "HS256").Verify(token); err != nil {
		t.Error(err)
	}
}

func TestCachedTokenExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tokens := newTokens(t, "HS256")
		cache := jwt.NewCache(tokens, 10)
		token := issue(t, tokens, 42, 7)
		for _, pass := range []struct {
			after time.Duration
			valid bool
		}{{0, true}, {30 * time.Minute, true}, {30*time.Minute - time.Second, true}, {time.Second, false}, {time.Hour, false}} {
			time.Sleep(pass.after)
			claims, err := cache.Verify(token)
			if pass.valid && (err != nil || claims.UserID != 42 || claims.Version != 7) {
				t.Errorf("after another %s: got %+v, %v", pass.after, claims, err)
			}
			if !pass.valid && !errors.Is(err, domain.ErrUnauthenticated) {
				t.Errorf("after another %s: got %+v, %v; want ErrUnauthenticated", pass.after, claims, err)
			}
		}
	})
}

func TestCacheRefusesForgedTokens(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, "HS256")
	cache := jwt.NewCache(tokens, 1)
	first, second := issue(t, tokens, 1, 1), issue(t, tokens, 2, 1)
	for range 2 { // the second time it may come from the cache
		if _, err := cache.Verify(first[:len(first)-4]); !errors.Is(err, domain.ErrUnauthenticated) {
			t.Errorf("a cut token: got %v", err)
		}
		for user, token := range map[domain.UserID]string{1: first, 2: second} { // the cache has room for one
			if claims, err := cache.Verify(token); err != nil || claims.UserID != user {
				t.Errorf("user %d: got %+v, %v", user, claims, err)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	tokens := newTokens(f, "HS256")
	f.Add(issue(f, tokens, 42, 7))
	f.Add(forged{}.String())
	f.Add("")
	f.Add("a.b.c")
	f.Add(encode(map[string]any{"alg": "none"}) + ".e30.")
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := tokens.Verify(token)
		if err != nil && !errors.Is(err, domain.ErrUnauthenticated) {
			t.Errorf("got %v, want ErrUnauthenticated", err)
		}
		// Only the two genuine seeds may be accepted.
		if err == nil && (claims.UserID != 42 || claims.Version != 7) {
			t.Errorf("accepted %+v", claims)
		}
	})
}

// The difference shows the use of the cache.
func BenchmarkVerify(b *testing.B) {
	tokens := newTokens(b, "HS256")
	cache := jwt.NewCache(tokens, 10)
	token := issue(b, tokens, 42, 7)
	for name, verify := range map[string]func(string) (domain.AccessClaims, error){"parsed": tokens.Verify, "cached": cache.Verify} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verify(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
