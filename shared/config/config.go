// Package config reads a service's configuration from environment variables.
//
// A Reader collects every problem instead of stopping at the first, so that an
// operator mends a configuration once: read everything, then ask Err. A variable
// that is set but empty counts as not set, because that is what Compose makes of
// one that nobody gave.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/joho/godotenv"

	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// The values of STAVKA_ENV.
const (
	Development = "development"
	Production  = "production"
)

// LoadDotEnv sets the variables of the file in the process's environment, except
// those that are set already. A file that does not exist is no error. Only main
// functions call it; tests never do.
func LoadDotEnv(file string) error {
	err := godotenv.Load(file)
	var unreadable *fs.PathError
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.As(err, &unreadable):
		return fmt.Errorf("read .env: %w", err)
	default: // its text quotes what may be a secret
		return fmt.Errorf("read .env: %s has a line that is not of the form NAME=value", file)
	}
}

// Reader reads variables and collects what is wrong with them. Every method
// returns the default when the variable is not set or not acceptable; nothing
// read may be used before Err has returned nil.
// It is not safe for concurrent use.
type Reader struct {
	lookup     func(string) (string, bool)
	production bool
	problems   []error
	warnings   []string
}

// NewReader returns a reader of the variables that lookup knows; os.LookupEnv is
// the environment. It reads STAVKA_ENV (development, production; default
// development) at once.
func NewReader(lookup func(string) (string, bool)) *Reader {
	r := &Reader{lookup: lookup}
	r.production = r.OneOf("STAVKA_ENV", Development, Development, Production) == Production
	return r
}

// IsProduction tells whether STAVKA_ENV is production.
func (r *Reader) IsProduction() bool { return r.production }

// Err returns all problems joined, each naming its variable, or nil.
func (r *Reader) Err() error { return errors.Join(r.problems...) }

// Warnings returns what works but should not stay so, such as default secrets.
// They are to be logged loudly at start.
func (r *Reader) Warnings() []string { return slices.Clone(r.warnings) }

// Problemf records that a variable is unacceptable for a reason that the reader
// cannot know, such as one that contradicts another. The text must not hold
// a secret.
func (r *Reader) Problemf(name, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...)))
}

// IsSet tells whether the variable is set, and not empty.
func (r *Reader) IsSet(name string) bool {
	_, ok := r.value(name)
	return ok
}

// String reads any text.
func (r *Reader) String(name, def string) string {
	if text, ok := r.value(name); ok {
		return text
	}
	return def
}

// OneOf reads one of the allowed texts.
func (r *Reader) OneOf(name, def string, allowed ...string) string {
	return parse(r, name, def, func(text string) (string, error) {
		if !slices.Contains(allowed, text) {
			return "", fmt.Errorf("is not one of %s", strings.Join(allowed, ", "))
		}
		return text, nil
	})
}

// Bool reads true or false, or 1 or 0.
func (r *Reader) Bool(name string, def bool) bool {
	return parse(r, name, def, func(text string) (bool, error) {
		switch text {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		default:
			return false, errors.New("is neither true nor false")
		}
	})
}

// Int reads a whole number from lowest to highest.
func (r *Reader) Int(name string, def, lowest, highest int) int {
	return parse(r, name, def, func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, errors.New("is not a whole number")
		}
		return n, within(n, lowest, highest, func(a, b int) bool { return a < b })
	})
}

// Duration reads a duration from lowest to highest: whole or decimal seconds
// ("60", "0.5") or Go's form ("2s", "250ms").
func (r *Reader) Duration(name string, def, lowest, highest time.Duration) time.Duration {
	return parse(r, name, def, func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil {
			d, err = time.ParseDuration(text + "s")
		}
		if err != nil {
			return 0, errors.New(`is neither seconds ("60") nor a duration ("250ms", "1m30s")`)
		}
		return d, within(d, lowest, highest, func(a, b time.Duration) bool { return a < b })
	})
}

// Minutes reads a whole number of minutes, or a duration in Go's form, from
// lowest to highest.
func (r *Reader) Minutes(name string, def, lowest, highest time.Duration) time.Duration {
	return parse(r, name, def, func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil {
			d, err = time.ParseDuration(text + "m")
		}
		if err != nil {
			return 0, errors.New(`is neither minutes ("3600") nor a duration ("60h")`)
		}
		return d, within(d, lowest, highest, func(a, b time.Duration) bool { return a < b })
	})
}

// Amount reads money from lowest to highest.
func (r *Reader) Amount(name string, def, lowest, highest money.Amount) money.Amount {
	return parse(r, name, def, func(text string) (money.Amount, error) {
		a, err := money.Parse(text)
		if err != nil {
			return a, errors.New("is not an amount with at most two decimals")
		}
		return a, within(a, lowest, highest, money.Amount.Less)
	})
}

// Odds reads decimal odds from lowest to highest.
func (r *Reader) Odds(name string, def, lowest, highest odds.Decimal) odds.Decimal {
	return parse(r, name, def, func(text string) (odds.Decimal, error) {
		o, err := odds.Parse(text)
		if err != nil {
			return o, errors.New("is not a coefficient with at most two decimals")
		}
		return o, within(o, lowest, highest, odds.Decimal.Less)
	})
}

// Address reads where to listen or to connect: "host:port" or ":port".
func (r *Reader) Address(name, def string) string {
	return parse(r, name, def, func(text string) (string, error) {
		_, port, err := net.SplitHostPort(text)
		if err != nil {
			return "", errors.New(`is not of the form "host:port"`)
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", errors.New("has no port from 0 to 65535")
		}
		return text, nil
	})
}

// URL reads a URL of one of the schemes. It is secret, because it may hold
// a password. A password that is the default's own is judged like Secret judges.
func (r *Reader) URL(name, def string, schemes ...string) Secret {
	text, ok := r.value(name)
	if !ok {
		text = def
	}
	if text == "" {
		return Secret{}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil: // its text quotes the URL
		r.Problemf(name, "is not a URL")
		return NewSecret(def)
	case !slices.Contains(schemes, u.Scheme):
		r.Problemf(name, "does not start with %s:", strings.Join(schemes, ":, "))
		return NewSecret(def)
	}
	if d, err := url.Parse(def); err == nil && d.User != nil && u.User != nil {
		known, _ := d.User.Password()
		if given, _ := u.User.Password(); given != "" && given == known {
			r.weak(name, "holds a password that everybody knows")
		}
	}
	return NewSecret(text)
}

// Secret reads a secret. The default itself, unless empty, and anything shorter
// than minLength bytes are weak: a warning, and a problem in production.
func (r *Reader) Secret(name, def string, minLength int) Secret {
	text, ok := r.value(name)
	if !ok {
		text = def
	}
	r.judge(name, text, def, minLength)
	return NewSecret(text)
}

// SecretList reads secrets separated by commas, at least one when the default
// has one, and judges each like Secret does.
func (r *Reader) SecretList(name, def string, minLength int) []Secret {
	text, ok := r.value(name)
	if !ok {
		text = def
	}
	var list []Secret
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		r.judge(name, part, def, minLength)
		list = append(list, NewSecret(part))
	}
	if len(list) == 0 && def != "" {
		r.Problemf(name, "holds no secret")
	}
	return list
}

func (r *Reader) judge(name, text, def string, minLength int) {
	switch {
	case text != "" && text == def:
		r.weak(name, "is the default that everybody knows")
	case len(text) < minLength:
		r.weak(name, fmt.Sprintf("is shorter than %d characters", minLength))
	}
}

// weak records a secret that is not one.
func (r *Reader) weak(name, why string) {
	if r.production {
		r.Problemf(name, "%s, which STAVKA_ENV=%s refuses", why, Production)
		return
	}
	r.warnings = append(r.warnings, name+" "+why)
}

func (r *Reader) value(name string) (string, bool) {
	text, ok := r.lookup(name)
	text = strings.TrimSpace(text)
	return text, ok && text != ""
}

// parse reads a variable that is no secret: a problem quotes its value.
func parse[T any](r *Reader, name string, def T, read func(string) (T, error)) T {
	text, ok := r.value(name)
	if !ok {
		return def
	}
	v, err := read(text)
	if err != nil {
		r.Problemf(name, "%.64q %w", text, err)
		return def
	}
	return v
}

// within returns an error when v is outside lowest..highest.
func within[T any](v, lowest, highest T, less func(a, b T) bool) error {
	if less(v, lowest) || less(highest, v) {
		return fmt.Errorf("is not from %v to %v", lowest, highest)
	}
	return nil
}
