package config

import "log/slog"

// hidden is printed instead of a secret.
const hidden = "[hidden]"

// Secret is a text that must not be shown. Printing, logging and marshalling a secret
// show only that there is one; Reveal returns the text.
// Secrets must not be compared with ==.
type Secret struct {
	// A pointer, because package fmt calls no methods on unexported fields of a
	// struct: it prints the address.
	text *string
}

// NewSecret returns text as a secret.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the text is empty.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String returns "[hidden]", or "" if the secret is zero.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return hidden
}

// GoString returns the same as String; it is used by %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue returns the same as String, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the same as String, for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
