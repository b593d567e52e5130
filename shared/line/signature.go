package line

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrForged marks a message that was not signed under an accepted service token. It is ErrPoison,
// too. Nothing of such a message may be believed or logged.
var ErrForged = fmt.Errorf("%w: forged", ErrPoison)

// keyPurpose keeps the keys of messages apart from other keys that are derived from a service
// token. Another format of signatures needs another purpose.
const keyPurpose = "stavka line message hmac-sha256 1"

// Keys sign messages, so that the password of a broker is not enough to send one. They are derived
// from the service tokens, which both services have. Keys are safe for concurrent use.
type Keys struct {
	keys [][]byte
}

// NewKeys returns the keys of the service tokens. Messages are signed under the first and accepted
// under each, so that a token can be replaced. There must be at least one token, and none may be
// empty.
func NewKeys(tokens ...string) (*Keys, error) {
	if len(tokens) == 0 {
		return nil, errors.New("there is no service token to sign messages under")
	}
	k := &Keys{keys: make([][]byte, len(tokens))}
	for i, token := range tokens {
		if token == "" {
			return nil, errors.New("a service token is empty")
		}
		key, err := hkdf.Key(sha256.New, []byte(token), nil, keyPurpose, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("derive a key from a service token: %w", err)
		}
		k.keys[i] = key
	}
	return k, nil
}

// Sign returns the signature of a message: the HMAC-SHA256 of its type, its id and its body, each
// after its length in eight bytes, in lower-case hexadecimal digits.
func (k *Keys) Sign(messageType, id string, body []byte) string {
	return hex.EncodeToString(sum(k.keys[0], messageType, id, body))
}

// Verify returns nil if signature is the signature of the message under one of the keys, and an
// error that is ErrForged otherwise. A body larger than MaxBody is refused unread, with an error
// that is only ErrPoison.
func (k *Keys) Verify(messageType, id string, body []byte, signature string) error {
	switch {
	case len(body) > MaxBody:
		return tooLarge(body)
	case signature == "":
		return fmt.Errorf("%w: it has no signature", ErrForged)
	}
	given, err := hex.DecodeString(signature)
	if err != nil || len(given) != sha256.Size {
		return fmt.Errorf("%w: its signature is not of %d bytes in hexadecimal digits", ErrForged, sha256.Size)
	}
	for _, key := range k.keys {
		if hmac.Equal(given, sum(key, messageType, id, body)) {
			return nil
		}
	}
	return fmt.Errorf("%w: its signature is not under an accepted service token", ErrForged)
}

// sum returns the HMAC of a message. The lengths keep the end of one part from counting as the
// beginning of the next.
func sum(key []byte, messageType, id string, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range [][]byte{[]byte(messageType), []byte(id), body} {
		// Writing to a hash never fails.
		_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		_, _ = mac.Write(part)
	}
	return mac.Sum(nil)
}
