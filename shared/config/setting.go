package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Setting is the declaration of a variable.
type Setting struct {
	Name    string
	Default string // "" for none
	Accepts string // the range or the form of values, such as "100ms to 1m"; "" for any text
	Meaning string
	Secret  bool // the value must not be shown; the default is public
}

// Declared returns the settings that read declares, in the order in which it
// reads them when no variable is set.
func Declared(read func(*Reader)) []Setting {
	r := NewReader(func(string) (string, bool) { return "", false })
	read(r)
	return r.settings
}

// Describe returns the settings as text for a terminal.
func Describe(settings []Setting) string {
	var b strings.Builder
	for _, s := range settings {
		var facts []string
		if s.Default != "" {
			facts = append(facts, "default "+s.Default)
		}
		if s.Accepts != "" {
			facts = append(facts, s.Accepts)
		}
		fmt.Fprintf(&b, "  %s", s.Name)
		if facts != nil {
			fmt.Fprintf(&b, " (%s)", strings.Join(facts, "; "))
		}
		fmt.Fprintf(&b, "\n        %s\n", s.Meaning)
	}
	return b.String()
}

// declare notes a setting. A second declaration of the same name is ignored.
func (r *Reader) declare(s Setting) {
	if !slices.ContainsFunc(r.settings, func(t Setting) bool { return t.Name == s.Name }) {
		r.settings = append(r.settings, s)
	}
}

// alternatives returns "a, b or c".
func alternatives(texts []string) string {
	last := len(texts) - 1
	if last == 0 {
		return texts[0]
	}
	return strings.Join(texts[:last], ", ") + " or " + texts[last]
}

func atLeast(length int) string {
	if length == 0 {
		return ""
	}
	return fmt.Sprintf("at least %d characters", length)
}

// inOneUnit returns the duration in the largest unit that divides it, such as "90s".
func inOneUnit(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return d.String()
}
