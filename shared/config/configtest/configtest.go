// Package configtest tries out what a program does with settings that make no sense. It is for tests
// only.
package configtest

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"stavka.local/shared/config"
)

// hush is in every value that could be a secret.
const hush = "hush-7Qz"

// Program is a program whose settings are tried out.
type Program struct {
	Settings []config.Setting
	// Safe is an environment that is accepted in development and in production.
	Safe map[string]string
	// Read reads the configuration. Shown is what a log may show of it; start starts the program as far as that
	// needs no server, and stops it.
	Read func(lookup func(string) (string, bool)) (shown string, start func() error, err error)
}

// Garbage gives each variable every kind of garbage, in development and in production. Either the program works or
// its error names the variable; it never panics, and shows no secret.
func Garbage(t *testing.T, p Program) {
	t.Helper()
	if _, shown, err := p.run(p.Safe, true); err != nil || shown == "" {
		t.Fatalf("the safe environment: shown %q, %v", shown, err)
	}
	cases, accepted, started := 0, 0, 0
	for _, setting := range p.Settings {
		for kind, values := range garbage(setting) {
			// A start takes long: one of each kind is enough, and none of values that no library gets to see.
			mayStart := kind != "blank" && (setting.Secret || setting.Accepts == "")
			for _, value := range values {
				for _, where := range []string{config.Development, config.Production} {
					environment := maps.Clone(p.Safe)
					environment["STAVKA_ENV"] = where
					environment[setting.Name] = value
					ran, shown, err := p.run(environment, mayStart)
					cases++
					if err == nil {
						accepted++
					}
					if ran {
						started++
						mayStart = false
					}
					for _, problem := range problems(setting, value, shown, err) {
						t.Errorf("%s=%.80q (%s) in %s: %s; shown %.200q, error %.500v", setting.Name, value, kind, where, problem, shown, err)
					}
				}
			}
		}
	}
	t.Logf("%d variables, %d cases: %d refused by name, %d accepted, %d of these started", len(p.Settings), cases, cases-accepted, accepted, started)
	if least := len(p.Settings) * len(garbage(config.Setting{})); cases < least {
		t.Errorf("%d cases are fewer than %d", cases, least)
	}
}

// run reads the configuration and perhaps starts the program. A panic is an error that names no variable.
func (p Program) run(environment map[string]string, start bool) (ran bool, shown string, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	shown, startIt, err := p.Read(func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	})
	if err != nil || !start {
		return false, shown, err
	}
	return true, shown, startIt()
}

func problems(setting config.Setting, value, shown string, err error) (found []string) {
	holdsSecret := setting.Secret || strings.Contains(value, "://")
	if err == nil {
		if setting.Secret && strings.Contains(shown, hush) {
			found = append(found, "the secret is shown")
		}
		return found
	}
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "panic: "):
		found = append(found, "it panics")
	case !strings.Contains(text, setting.Name):
		found = append(found, "the error does not name the variable")
	}
	if holdsSecret && strings.Contains(text, hush) {
		found = append(found, "the error shows the secret")
	}
	if len(text) > 4096 {
		found = append(found, fmt.Sprintf("the error has %d bytes", len(text)))
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' }) {
		found = append(found, "the error holds control characters")
	}
	return found
}

// garbage returns values that make no sense for a variable, by their kind.
func garbage(s config.Setting) map[string][]string {
	values := map[string][]string{
		"blank":              {"", " \t "},
		"wrong type":         {hush, "NaN", "0x1F", "{}", "%s%d%!", `"'` + "`$(" + hush + ")"},
		"out of range":       {"-1", "99999999999999999999999", "1e999", "0", "-9223372036854775808", "1:99999", "127.0.0.1:-1"},
		"huge":               {strings.Repeat(hush, 20_000), strings.Repeat("9", 5_000), strings.Repeat("10.0.0.1,", 20_000)},
		"control characters": {hush + "\x01\x7f" + hush, "\x1b[31m" + hush, "a\r\nb: " + hush, "\u0085" + hush + "\u009b7"},
		"invalid UTF-8":      {hush + "\xff\xfe", "\xc3(" + hush},
		"broken URL":         {"://" + hush, "amqp://u:" + hush + "@[::1:port/%zz?x=%", "http://u:" + hush + "@host/\\", "x:" + hush + "://@"},
		"broken list":        {",", ",,;" + hush + ",,", "[" + hush + ",", "0.0.0.0/0/0," + hush, "10.0.0.0/99"},
		"broken address":     {":", "::::", "[::1", "[::1]", "a b:80", "host:http", "%zz:80"},
	}
	schemes, isURL := strings.CutSuffix(s.Accepts, " URL")
	if !isURL {
		return values
	}
	for scheme := range strings.FieldsFuncSeq(schemes, func(r rune) bool { return r == ' ' || r == ',' }) {
		if scheme == "or" {
			continue
		}
		for _, rest := range []string{
			"", "//", "///", "//@", "//:@/", hush, "//u:" + hush + "@host:port/", "//u:" + hush + "@host:99999999/", "//u:" + hush + "@[::1/", "//u:" + hush + "@host/%zz",
			"//u:" + hush + "@host/?a=%zz;b&=", "//u:" + hush + "@host/a/b/c?x=" + hush, "//u:" + hush + " x@host/", "//u:" + hush + "%0a@host/",
			"//u:" + hush + "@host/?sslmode=" + hush + "&heartbeat=" + hush + "&db=" + hush + "&pool_max_conns=" + hush,
			"//u:" + hush + "@host,host:x/", "//u:" + hush + "@host/?sslrootcert=/" + hush + "&passfile=/" + hush, "//u:" + hush + "@%00/",
		} {
			values["broken "+scheme] = append(values["broken "+scheme], scheme+":"+rest)
		}
	}
	return values
}
