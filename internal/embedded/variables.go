package embedded

import (
	"cmp"
	"slices"

	betmaker "stavka.local/betmaker/app"
	lineprovider "stavka.local/lineprovider/app"
	"stavka.local/shared/config"
)

// defaultOf returns the program's default of a variable, or "" if the services' default holds.
func defaultOf(name string) string {
	switch name {
	case "BETMAKER_ADDR":
		return "127.0.0.1:8000"
	case "LINEPROVIDER_ADDR":
		return "127.0.0.1:8001"
	case "DATA_DIR":
		return "data"
	case "LOG_LEVEL": // a person at a terminal reads the log
		return "warn"
	}
	return ""
}

// Settings returns the environment variables that the program reads: those of both services that do
// not locate a server, some with other defaults, and DATA_DIR.
func Settings() []config.Setting {
	settings := slices.Concat([]config.Setting{{Name: "DATA_DIR", Meaning: "The directory of all data."}}, betmaker.EmbeddedSettings())
	for _, s := range lineprovider.EmbeddedSettings() {
		if !slices.ContainsFunc(settings, func(t config.Setting) bool { return t.Name == s.Name }) {
			settings = append(settings, s)
		}
	}
	for i, s := range settings {
		settings[i].Default = cmp.Or(defaultOf(s.Name), s.Default)
		if s.Name == "SECRET_KEY" {
			settings[i].Meaning = "The key that tokens are signed with. Without it a key is made at the first start and kept in DATA_DIR."
		}
	}
	return settings
}
