package main

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	betmaker "stavka.local/betmaker/app"
	lineprovider "stavka.local/lineprovider/app"
	"stavka.local/shared/config"
	"stavka.local/shared/line/inproc"
	"stavka.local/shared/logging"
	"stavka.local/stavka/internal/demo"
	"stavka.local/stavka/internal/variables"
)

// noSecretKey stands for the key where nothing is signed.
var noSecretKey = strings.Repeat("-", 32)

// settings say where an instance listens and keeps its data, and how the services in it
// are set.
type settings struct {
	betMakerAddr, lineProviderAddr, dataDir string

	environment func(string) (string, bool)
	secretKey   string // when the environment has none
}

func newSettings(environment func(string) (string, bool)) settings {
	variable := func(name string) string {
		text, _ := environment(name)
		return strings.TrimSpace(text)
	}
	s := settings{
		betMakerAddr:     variable("BETMAKER_ADDR"),
		lineProviderAddr: variable("LINEPROVIDER_ADDR"),
		dataDir:          variable("DATA_DIR"),
		environment:      environment,
	}
	return s.withDefaults()
}

// withDefaults sets what is empty, which a flag may be as well as a variable: left to
// itself a service would listen on all interfaces.
func (s settings) withDefaults() settings {
	s.betMakerAddr = cmp.Or(s.betMakerAddr, variables.Default("BETMAKER_ADDR"))
	s.lineProviderAddr = cmp.Or(s.lineProviderAddr, variables.Default("LINEPROVIDER_ADDR"))
	s.dataDir = cmp.Or(s.dataDir, variables.Default("DATA_DIR"))
	return s
}

// lookup is the environment as the services see it.
func (s settings) lookup(name string) (string, bool) {
	switch name {
	case "BETMAKER_ADDR":
		return s.betMakerAddr, true
	case "LINEPROVIDER_ADDR":
		return s.lineProviderAddr, true
	}
	text, ok := s.environment(name)
	if ok && strings.TrimSpace(text) != "" {
		return text, true
	}
	if name == "SECRET_KEY" {
		return s.secretKey, true
	}
	text = variables.Default(name)
	return text, text != ""
}

// logTo makes what the services have to say go to w.
func (s settings) logTo(w io.Writer) {
	// What is wrong with the options, the services' configuration tells.
	slog.SetDefault(logging.New(w, logging.Read(config.NewReader(s.lookup))))
}

// The files in the data directory.
func (s settings) betMakerFile() string     { return filepath.Join(s.dataDir, "betmaker.db") }
func (s settings) lineProviderFile() string { return filepath.Join(s.dataDir, "lineprovider.db") }
func (s settings) secretKeyFile() string    { return filepath.Join(s.dataDir, "secret_key") }

// configure reads the settings of both services and reports all problems at once.
func (s settings) configure(bus *inproc.Bus) (betmaker.Config, lineprovider.Config, error) {
	maker, makerErr := betmaker.EmbeddedConfig(s.lookup, betmaker.Embedded{File: s.betMakerFile(), Bus: bus})
	provider, providerErr := lineprovider.EmbeddedConfig(s.lookup, lineprovider.Embedded{File: s.lineProviderFile(), Bus: bus})
	maker.Warnings = slices.DeleteFunc(maker.Warnings, func(w string) bool { return slices.Contains(provider.Warnings, w) })
	return maker, provider, problems(makerErr, providerErr)
}

// problems joins what is wrong with the settings of the services, each problem once: some
// variables are read by both.
func problems(errs ...error) error {
	var lines []string
	for _, err := range errs {
		if err == nil {
			continue
		}
		for line := range strings.Lines(strings.TrimPrefix(err.Error(), "configuration: ")) {
			if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	if lines == nil {
		return nil
	}
	return errors.New("configuration: " + strings.Join(lines, "\n"))
}

// stage says how to reach the instance that runs at the two addresses.
func (s settings) stage() (demo.Stage, error) {
	s.secretKey = noSecretKey
	maker, provider, err := s.configure(nil)
	if err != nil {
		return demo.Stage{}, err
	}
	return stageOf(maker, provider), nil
}

func stageOf(maker betmaker.Config, provider lineprovider.Config) demo.Stage {
	return demo.Stage{
		BetMaker:     urlOf(maker.Addr),
		LineProvider: urlOf(provider.Addr),
		Username:     maker.FirstUser.Username,
		Password:     maker.FirstUser.Password.Reveal(),
		ServiceToken: maker.LineToken.Reveal(),
	}
}

// urlOf returns where to reach, on this machine, who listens at an address.
func urlOf(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + address
}

// withDataDir makes the data directory, for nobody but its owner, and returns the settings
// with the secret key that is kept there, unless they have one.
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
	return s, nil
}

// makeSecretKey makes a key and keeps it, unless somebody else has done so meanwhile. The
// file has its name only once it is complete, and keeps it.
func (s settings) makeSecretKey() ([]byte, error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	key := hex.AppendEncode(nil, random)
	file, err := os.CreateTemp(s.dataDir, "secret_key-*") // which others cannot read
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
