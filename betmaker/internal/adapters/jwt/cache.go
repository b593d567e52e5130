package jwt

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/elastic/go-freelru"

	"stavka.local/betmaker/internal/domain"
)

// Cache is Tokens with a memory of verified tokens by their SHA-256, because verifying is slow. It
// remembers only genuine tokens until they expire, so others cannot fill it. It is safe for
// concurrent use.
type Cache struct {
	*Tokens
	checked *freelru.ShardedLRU[tokenHash, checkedToken]
}

type tokenHash = [sha256.Size]byte

// checkedToken holds the claims of a token. It has no pointers, so that the garbage collector does
// not scan the cache; with pointers a large cache held up bets.
type checkedToken struct {
	userID    domain.UserID
	version   int32
	expiresAt int64 // in microseconds since 1970
}

// NewCache returns a Cache of about capacity tokens, but at least one. When it is full, it drops a
// token that was not used recently.
func NewCache(tokens *Tokens, capacity int) *Cache {
	// The first bytes of a SHA-256 are a good hash.
	short := func(key tokenHash) uint32 { return binary.BigEndian.Uint32(key[:]) }
	checked, err := freelru.NewSharded[tokenHash, checkedToken](uint32(max(capacity, 1)), short)
	if err != nil {
		panic(fmt.Sprintf("a positive capacity is refused: %v", err))
	}
	return &Cache{tokens, checked}
}

// Verify returns the claims of a token as Tokens.Verify does.
func (c *Cache) Verify(token string) (domain.AccessClaims, error) {
	key := sha256.Sum256([]byte(token))
	if known, ok := c.checked.Get(key); ok && time.Now().UnixMicro() < known.expiresAt {
		return known.claims(), nil
	}
	claims, err := c.Tokens.Verify(token)
	if err != nil {
		return domain.AccessClaims{}, err
	}
	c.checked.Add(key, checkedToken{claims.UserID, claims.Version, claims.ExpiresAt.UnixMicro()})
	return claims, nil
}

func (t checkedToken) claims() domain.AccessClaims {
	return domain.AccessClaims{UserID: t.userID, Version: t.version, ExpiresAt: time.UnixMicro(t.expiresAt).UTC()}
}
