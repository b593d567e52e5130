package embedded

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// minSecretKey is the length of the shortest key that bet-maker accepts.
const minSecretKey = 32

// withDataDir makes the data directory, which only its owner can read, and returns the settings with
// the secret key that is kept there unless the environment has one.
func (s settings) withDataDir() (settings, error) {
	if err := os.MkdirAll(s.dataDir, 0o700); err != nil {
		return s, fmt.Errorf("make the data directory: %w", err)
	}
	if key, ok := s.environment("SECRET_KEY"); ok && strings.TrimSpace(key) != "" {
		return s, nil
	}
	key, err := os.ReadFile(s.secretKeyFile())
	if errors.Is(err, fs.ErrNotExist) {
		key, err = s.makeSecretKey()
	}
	if err != nil {
		return s, fmt.Errorf("the key that tokens are signed with: %w", err)
	}
	s.secretKey = strings.TrimSpace(string(key))
	if len(s.secretKey) < minSecretKey {
		return s, fmt.Errorf("the key that tokens are signed with: %s has %d characters, fewer than %d; delete it to get a new key, which ends all tokens",
			s.secretKeyFile(), len(s.secretKey), minSecretKey)
	}
	return s, nil
}

// makeSecretKey makes a key and stores it, unless another process has stored one meanwhile, and
// returns the stored key. The file gets its name only when it is complete.
func (s settings) makeSecretKey() ([]byte, error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	key := hex.AppendEncode(nil, random)
	file, err := os.CreateTemp(s.dataDir, "secret_key-*") // with mode 0600
	if err != nil {
		return nil, err
	}
	_, err = file.Write(append(key, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Link(file.Name(), s.secretKeyFile())
	}
	if err = errors.Join(err, os.Remove(file.Name())); errors.Is(err, fs.ErrExist) {
		return os.ReadFile(s.secretKeyFile()) // another process was faster
	}
	return key, err
}
