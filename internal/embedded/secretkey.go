package embedded

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"stavka.local/shared/config"
)

// minSecretKey is the length of the shortest key that bet-maker accepts.
const minSecretKey = 32

// withDataDir makes the data directory, which only its owner can read, and returns the settings with
// the secret key that is kept there unless the environment has one.
func (s settings) withDataDir() (settings, error) {
	if err := s.checkDataDir(); err != nil {
		return s, err
	}
	if err := os.MkdirAll(s.dataDir, 0o700); err != nil {
		return s, fmt.Errorf("make the data directory, DATA_DIR: %w", err)
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

// longestDataDir leaves room for the names of files in the 4,096 bytes that Linux has for a path.
const longestDataDir = 3072

// checkDataDir returns an error if the name of the data directory is no text, or a URL.
func (s settings) checkDataDir() error {
	r := config.NewReader(func(name string) (string, bool) {
		if name == "DATA_DIR" {
			return s.dataDir, true
		}
		return "", false
	})
	switch directory := r.String("DATA_DIR", "", ""); {
	case strings.Contains(directory, "://"): // perhaps with a password
		r.Problemf("DATA_DIR", "is a URL, not a directory")
	case len(directory) > longestDataDir:
		r.Problemf("DATA_DIR", "is longer than %d bytes", longestDataDir)
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return nil
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
