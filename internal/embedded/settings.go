package embedded

import (
	"cmp"
	"crypto/rand"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	betmaker "stavka.local/betmaker/app"
	lineprovider "stavka.local/lineprovider/app"
	"stavka.local/shared/line/inproc"
	"stavka.local/shared/service"
	"stavka.local/stavka/internal/demo"
)

// noSecretKey is the key of commands that sign nothing. It is accepted as a key.
var noSecretKey = rand.Text() + rand.Text()

// settings say where an instance listens and keeps its data, and how its services are configured.
type settings struct {
	betMakerAddr, lineProviderAddr, dataDir string

	environment func(string) (string, bool)
	secretKey   string // used when the environment has none
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

// withDefaults replaces empty settings, which variables and flags may be: a service with an empty
// address would listen on all interfaces.
func (s settings) withDefaults() settings {
	s.betMakerAddr = cmp.Or(s.betMakerAddr, defaultOf("BETMAKER_ADDR"))
	s.lineProviderAddr = cmp.Or(s.lineProviderAddr, defaultOf("LINEPROVIDER_ADDR"))
	s.dataDir = cmp.Or(s.dataDir, defaultOf("DATA_DIR"))
	return s
}

// lookup looks a variable up for the services.
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
	text = defaultOf(name)
	return text, text != ""
}

// The files in the data directory.
func (s settings) betMakerFile() string     { return filepath.Join(s.dataDir, "betmaker.db") }
func (s settings) lineProviderFile() string { return filepath.Join(s.dataDir, "lineprovider.db") }
func (s settings) secretKeyFile() string    { return filepath.Join(s.dataDir, "secret_key") }

// configure reads the settings of both services and reports all problems at once.
func (s settings) configure(bus *inproc.Bus) (betmaker.Config, lineprovider.Config, error) {
	maker, makerErr := betmaker.EmbeddedConfig(s.lookup, betmaker.Embedded{
		Program: "stavka", File: s.betMakerFile(), KeyFile: s.secretKeyFile(), Bus: bus,
	})
	provider, providerErr := lineprovider.EmbeddedConfig(s.lookup, lineprovider.Embedded{File: s.lineProviderFile(), Bus: bus})
	maker.Warnings = slices.DeleteFunc(maker.Warnings, func(w string) bool { return slices.Contains(provider.Warnings, w) })
	return maker, provider, problems(makerErr, providerErr)
}

// problems joins the problems of both configurations. A problem of a variable that both services
// read is reported once.
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

// stage returns how to reach the instance that runs at the two addresses.
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
		BetMaker:     service.LocalURL(maker.Addr),
		LineProvider: service.LocalURL(provider.Addr),
		Username:     maker.FirstUser.Username,
		Password:     maker.FirstUser.Password.Reveal(),
		ServiceToken: maker.LineTokens[0].Reveal(),
	}
}
