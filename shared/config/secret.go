package config

import "log/slog"

// hidden is what a secret shows.
const hidden = "[hidden]"

// Secret is a text that must not be seen: every way of printing, logging or
// marshalling it shows that there is something, and not what. Reveal gives it.
// Secrets are not to be compared with ==.
type Secret struct {
	// Behind a pointer, because package fmt calls no methods on the unexported
	// fields of a struct that somebody prints; an address is all it finds here.
	text *string
}

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text itself, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String returns "[hidden]", or "" for no secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return hidden
}

// GoString is String, so that %#v shows nothing either.
func (s Secret) GoString() string { return s.String() }

// LogValue is String, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
