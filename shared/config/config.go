// Package config reads a program's configuration from environment variables.
//
// A call of a Reader's method both declares a variable and reads it, so that the
// documentation of a variable (a Setting) cannot differ from what is read.
//
// A Reader collects every problem instead of stopping at the first, so that an
// operator corrects a configuration once: read everything, then call Err. A variable
// that is set but empty counts as not set, because Compose sets variables to
// nothing that have no value.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
	default: // the text of err may quote a secret
		return fmt.Errorf("read .env: %s has a line that is not of the form NAME=value", file)
	}
}

// Reader declares and reads variables, and collects their problems. Every method
// returns the default when the variable is not set or not acceptable; values
// must not be used before Err has returned nil.
// It is not safe for concurrent use.
type Reader struct {
	lookup     func(string) (string, bool)
	production bool
	settings   []Setting
	problems   []error
	warnings   []string
	weak       map[string]bool // the variables that Weak has been told of
	unreadable map[string]bool // the variables that no text can be read from
}

// NewReader returns a reader of the variables that lookup finds; os.LookupEnv finds
// those of the environment. It reads STAVKA_ENV immediately.
func NewReader(lookup func(string) (string, bool)) *Reader {
	r := &Reader{lookup: lookup, weak: map[string]bool{}, unreadable: map[string]bool{}}
	r.production = r.OneOf("STAVKA_ENV", []string{Development, Production},
		"With production, weak and well-known secrets are refused, files of secrets that others can read, and a Redis that could lose acknowledged changes.") == Production
	return r
}

// IsProduction reports whether STAVKA_ENV is production.
func (r *Reader) IsProduction() bool { return r.production }

// Err returns all problems joined, each naming its variable, or nil.
func (r *Reader) Err() error { return errors.Join(r.problems...) }

// Warnings returns the accepted settings that should be changed, such as default secrets.
// They should be logged at the start.
func (r *Reader) Warnings() []string { return slices.Clone(r.warnings) }

// Problemf records a reason to refuse a variable that the reader cannot know, such
// as a contradiction between two variables. The text must not hold a secret.
func (r *Reader) Problemf(name, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...)))
}

// Quote returns the beginning of a value for a problem. What looks like a URL is hidden, because it may hold a
// password, even if it is in the wrong variable.
func Quote(text string) string {
	if strings.Contains(text, "://") || strings.Contains(text, "@") {
		return hidden
	}
	return fmt.Sprintf("%.64q", text)
}

// IsSet reports whether the variable is set and not empty.
func (r *Reader) IsSet(name string) bool {
	text, _ := r.lookup(name)
	return strings.TrimSpace(text) != ""
}

// String reads any text.
func (r *Reader) String(name, def, meaning string) string {
	r.declare(Setting{Name: name, Default: def, Meaning: meaning})
	return cmp.Or(r.text(name), def)
}

// OneOf reads one of the allowed texts. The first is the default.
func (r *Reader) OneOf(name string, allowed []string, meaning string) string {
	r.declare(Setting{Name: name, Default: allowed[0], Accepts: alternatives(allowed), Meaning: meaning})
	return parse(r, name, allowed[0], func(text string) (string, error) {
		if !slices.Contains(allowed, text) {
			return "", fmt.Errorf("is not one of %s", strings.Join(allowed, ", "))
		}
		return text, nil
	})
}

// Int reads a whole number from lowest to highest.
func (r *Reader) Int(name string, def, lowest, highest int, meaning string) int {
	return number[int]{strconv.Atoi, cmp.Less[int], strconv.Itoa, "is not a whole number"}.
		read(r, name, def, lowest, highest, meaning)
}

// Duration reads a duration from lowest to highest: whole or decimal seconds
// ("60", "0.5") or Go's form ("2s", "250ms").
func (r *Reader) Duration(name string, def, lowest, highest time.Duration, meaning string) time.Duration {
	return durations("s", inOneUnit, `is neither seconds ("60") nor a duration ("250ms", "1m30s")`).
		read(r, name, def, lowest, highest, meaning)
}

// Minutes reads a whole number of minutes, or a duration in Go's form, from
// lowest to highest.
func (r *Reader) Minutes(name string, def, lowest, highest time.Duration, meaning string) time.Duration {
	inMinutes := func(d time.Duration) string { return strconv.FormatInt(int64(d/time.Minute), 10) }
	return durations("m", inMinutes, `is neither minutes ("3600") nor a duration ("60h")`).
		read(r, name, def, lowest, highest, meaning)
}

// Amount reads money from lowest to highest.
func (r *Reader) Amount(name string, def, lowest, highest money.Amount, meaning string) money.Amount {
	return number[money.Amount]{money.Parse, money.Amount.Less, money.Amount.String, "is not an amount with at most two decimals"}.
		read(r, name, def, lowest, highest, meaning)
}

// Odds reads decimal odds from lowest to highest.
func (r *Reader) Odds(name string, def, lowest, highest odds.Decimal, meaning string) odds.Decimal {
	return number[odds.Decimal]{odds.Parse, odds.Decimal.Less, odds.Decimal.String, "is not a coefficient with at most two decimals"}.
		read(r, name, def, lowest, highest, meaning)
}

// Address reads an address to listen on or to connect to: "host:port" or ":port".
func (r *Reader) Address(name, def, meaning string) string {
	r.declare(Setting{Name: name, Default: def, Accepts: "host:port or :port", Meaning: meaning})
	return parse(r, name, def, func(text string) (string, error) {
		host, port, err := net.SplitHostPort(text)
		if err != nil {
			return "", errors.New(`is not of the form "host:port"`)
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", errors.New("has no port from 0 to 65535")
		}
		if _, err := netip.ParseAddr(host); host != "" && err != nil && !isHost(host) {
			return "", errors.New("names neither a host nor an IP address")
		}
		return text, nil
	})
}

// URL reads a URL of one of the schemes. It is secret, because it may hold a password, which is judged as
// Login does. A URL of which only the library that connects knows all spellings is judged again by Login.
func (r *Reader) URL(name, def string, schemes []string, meaning string) Secret {
	r.declare(Setting{Name: name, Default: def, Accepts: alternatives(schemes) + " URL", Meaning: meaning, Secret: true})
	text := cmp.Or(r.text(name), def)
	if text == "" {
		return Secret{}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil: // the text of err quotes the URL
		r.Problemf(name, "is not a URL")
		return NewSecret(def)
	case !slices.Contains(schemes, u.Scheme):
		r.Problemf(name, "does not start with %s:", strings.Join(schemes, ":, "))
		return NewSecret(def)
	}
	if password, _ := u.User.Password(); password != "" {
		r.Login(name, Login{User: u.User.Username(), Password: password})
	}
	return NewSecret(text)
}

// Secret reads a secret. The default itself, unless empty, and a text shorter
// than minLength bytes are weak, see Weak, and so is one that is easy to guess: a common
// password, a short text again and again, a sequence.
func (r *Reader) Secret(name, def string, minLength int, meaning string) Secret {
	r.declare(Setting{Name: name, Default: def, Accepts: atLeast(minLength), Meaning: meaning, Secret: true})
	text := cmp.Or(r.text(name), def)
	r.judge(name, text, def, minLength)
	return NewSecret(text)
}

// OptionalSecret is Secret without a default. No secret is not weak.
func (r *Reader) OptionalSecret(name string, minLength int, meaning string) Secret {
	if r.IsSet(name) {
		return r.Secret(name, "", minLength, meaning)
	}
	r.declare(Setting{Name: name, Accepts: atLeast(minLength), Meaning: meaning, Secret: true})
	return Secret{}
}

// SecretList reads secrets separated by commas, and judges each as Secret does.
// If the default has a secret, the list must have one.
func (r *Reader) SecretList(name, def string, minLength int, meaning string) []Secret {
	r.declare(Setting{Name: name, Default: def, Accepts: atLeast(minLength), Meaning: meaning, Secret: true})
	var list []Secret
	for part := range strings.SplitSeq(cmp.Or(r.text(name), def), ",") {
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

// PrivateFile judges a file that holds secrets, if it exists: one that every user of the machine may read or
// change is weak, see Weak.
func (r *Reader) PrivateFile(path string) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o007 != 0 && runtime.GOOS != "windows" { // which has other permissions
		r.Weak(path, "is a file of secrets that every user of this machine may read or change")
	}
}

// longestText is the greatest length in bytes of a value.
const longestText = 64 << 10

// text returns the variable's value without space around it, or "" if it is not set. A value that is no text is
// a problem, and as if it were not set.
func (r *Reader) text(name string) string {
	text, _ := r.lookup(name)
	text = strings.TrimSpace(text)
	var problem string
	switch {
	case !utf8.ValidString(text):
		problem = "is not valid UTF-8"
	case strings.ContainsFunc(text, unicode.IsControl):
		problem = "holds a control character"
	case len(text) > longestText:
		problem = fmt.Sprintf("is longer than %d bytes", longestText)
	default:
		return text
	}
	if !r.unreadable[name] {
		r.unreadable[name] = true
		r.Problemf(name, "%s", problem)
	}
	return ""
}

// parse reads a variable that is not secret: a problem quotes its value, unless it looks like a URL, which
// may hold a password.
func parse[T any](r *Reader, name string, def T, read func(string) (T, error)) T {
	text := r.text(name)
	if text == "" {
		return def
	}
	v, err := read(text)
	if err != nil {
		r.Problemf(name, "%s %w", Quote(text), err)
		return def
	}
	return v
}

// number describes how one kind of number is read, compared and written.
type number[T any] struct {
	parse   func(string) (T, error)
	less    func(a, b T) bool
	text    func(T) string
	problem string // replaces the error of parse
}

func (n number[T]) read(r *Reader, name string, def, lowest, highest T, meaning string) T {
	r.declare(Setting{Name: name, Default: n.text(def), Accepts: n.text(lowest) + " to " + n.text(highest), Meaning: meaning})
	return parse(r, name, def, func(text string) (T, error) {
		v, err := n.parse(text)
		switch {
		case err != nil:
			err = errors.New(n.problem)
		case n.less(v, lowest) || n.less(highest, v):
			err = fmt.Errorf("is not from %v to %v", lowest, highest)
		}
		return v, err
	})
}

// durations returns the kind of durations that are in unit unless they name another.
func durations(unit string, text func(time.Duration) string, problem string) number[time.Duration] {
	parse := func(text string) (time.Duration, error) {
		if d, err := time.ParseDuration(text); err == nil {
			return d, nil
		}
		return time.ParseDuration(text + unit)
	}
	return number[time.Duration]{parse, cmp.Less[time.Duration], text, problem}
}
